"""The import contracts of .importlinter hold, and say what is there."""

import configparser
import re
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / ".importlinter"


def rooms_in_parentheses() -> list[Path]:
    """Where each layer written as `(name)` would live."""
    config = configparser.ConfigParser()
    config.read(CONTRACTS)
    rooms = []
    for section in config.sections():
        if config[section].get("type") == "layers":
            container = ROOT / "src" / config[section]["containers"].replace(".", "/")
            rooms += [container / name for name in re.findall(r"\((\w+)\)", config[section]["layers"])]
    return rooms


def test_imports_point_down_the_layers() -> None:
    """Every contract of .importlinter is kept."""
    assert lint_imports(config_filename=str(CONTRACTS), no_cache=True) == 0


def test_only_absent_rooms_stand_in_parentheses() -> None:
    """A layer that may be absent is absent: once it exists, its contract may no longer pass without it."""
    present = [
        str(room.relative_to(ROOT))
        for room in rooms_in_parentheses()
        if room.is_dir() or room.with_suffix(".py").is_file()
    ]
    assert present == []
