"""The list of commands costs none of their imports, and says what they say of themselves."""

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from gyral.cli.main import COMMANDS

LISTED = """
import sys
from gyral.cli.main import app
app(['--help'], standalone_mode=False)
print(*sys.modules)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_a_command_says_of_itself(name: str) -> None:
    """The line in the list of commands is the first of the command's own help."""
    module, _, function = COMMANDS[name].place.partition(":")
    text = inspect.getdoc(getattr(import_module(module), function)) or ""
    assert COMMANDS[name].summary == text.splitlines()[0]


def test_the_list_loads_no_command() -> None:
    """`gyral --help` imports neither the modules of the commands nor the compiler."""
    done = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    places = {command.place.partition(":")[0] for command in COMMANDS.values()}
    assert loaded & (places | {"gyral.compiler", "llvmlite"}) == set()
