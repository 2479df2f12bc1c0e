"""The command `gyral`: its parts, and what its exit status says."""

import sys
import traceback
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from gyral.cli.bench.command import bench
from gyral.cli.build import build
from gyral.cli.check import check
from gyral.cli.demo.command import demo
from gyral.cli.devices import devices
from gyral.cli.exits import Exit, exit_for
from gyral.cli.output import people
from gyral.cli.show import show
from gyral.core.errors import GyralError, InternalError

app = typer.Typer(
    name="gyral",
    help="Kernels in Python, as SIMD machine code.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (demo, devices, show, bench, check, build):
    app.command()(command)


def tell_version(wanted: bool) -> None:
    """Print the version and leave, when it was asked for."""
    if wanted:
        try:
            version = installed_version("gyral")
        except PackageNotFoundError:
            version = "of a source tree that is not installed"
        sys.stdout.write(f"gyral {version}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Kernels in Python, as SIMD machine code."""


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
