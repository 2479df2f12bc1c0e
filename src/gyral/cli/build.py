"""`gyral build`: compile ahead of time."""

from pathlib import Path
from typing import Annotated

import typer

from gyral.cli.locate import kernels
from gyral.cli.output import people, print_json
from gyral.cli.signature import parse
from gyral.jit.ahead import build as build_ahead


def build(
    target: Annotated[str, typer.Argument(metavar="FILE[:KERNEL]", help="The file, or one kernel of it.")],
    out: Annotated[Path, typer.Option(help="Folder for the artifacts.", file_okay=False)],
    types: Annotated[str, typer.Option(help="Argument types, where annotations do not say them.")] = "",
    device: Annotated[str, typer.Option(help="Device to build for; it need not be present.")] = "cpu",
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Take along what `gyral tune` found on this machine.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of lines.")] = False,
) -> None:
    """Compile kernels into a folder, so that programs which use it compile nothing."""
    chosen = kernels(target)
    if types and len(chosen) > 1:
        raise typer.BadParameter("--types belongs to one kernel: write FILE:KERNEL")
    signature = parse(types) if types else ()
    try:
        built = {
            name: build_ahead(kernel, signature, device, out, tuned=tuned) for name, kernel in chosen.items()
        }
    except OSError as error:
        raise typer.BadParameter(f"artifacts cannot be written: {error}") from error
    if json:
        print_json({name: [str(path) for path in paths] for name, paths in built.items()})
        return
    for name, paths in built.items():
        for path in paths:
            people().print(f"{name}: {path}", highlight=False, soft_wrap=True)
