"""The command `gyral`: its parts, and what its exit status says."""

import sys
import traceback
from typing import Annotated

import typer

from gyral.cli.exits import Exit, exit_for
from gyral.cli.lazy import Command, lazy
from gyral.cli.output import people
from gyral.core.entry import load
from gyral.core.errors import GyralError, InternalError

COMMANDS = {
    "demo": Command(
        "gyral.cli.demo.command:demo",
        "Run kernels on a photograph and a table of flights, check them against NumPy, write pictures.",
    ),
    "devices": Command(
        "gyral.cli.devices:devices", "List the devices that can run kernels here, with what they can do."
    ),
    "show": Command(
        "gyral.cli.show:show",
        "Print a kernel as it stands after a stage of the compiler. No device is needed.",
    ),
    "bench": Command(
        "gyral.cli.bench.command:bench", "Time the benchmark kernels on this machine and check their results."
    ),
    "check": Command(
        "gyral.cli.check:check",
        "Compare a device with the interpreter, the specification: row by row, or on a kernel of yours.",
    ),
    "tune": Command(
        "gyral.cli.tune:tune",
        "Find the block or tile with which a kernel runs fastest here, and keep it for programs to come.",
    ),
    "top": Command(
        "gyral.cli.top:top",
        "Show the actors of processes that publish them: states, mailboxes, rates. q or Ctrl-C ends it.",
    ),
    "build": Command(
        "gyral.cli.build:build",
        "Compile kernels into a folder, so that programs which use it compile nothing.",
    ),
}

app = typer.Typer(
    name="gyral",
    cls=lazy(COMMANDS),
    help="Kernels in Python, on the CPU and on GPUs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def tell_version(wanted: bool) -> None:
    """Print the version and leave, when it was asked for."""
    if wanted:
        try:
            version = load("importlib.metadata:version")("gyral")
        except ImportError:  # the package's metadata
            version = "of a source tree that is not installed"
        sys.stdout.write(f"gyral {version}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Kernels in Python, on the CPU and on GPUs."""


def main() -> None:
    """Run the command line and leave with the status that `cli.exits` defines."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except GyralError as error:
        kind = "internal error" if isinstance(error, InternalError) else "error"
        people(error=True).print(
            f"{kind}: {error}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(exit_for(error))
    except Exception:  # noqa: BLE001 the outermost edge: Python's own status, 1, would say that a check failed
        traceback.print_exc()
        sys.exit(Exit.INTERNAL)
