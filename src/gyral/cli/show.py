"""`gyral show`: what became of a kernel, at any stage of the compiler."""

from typing import Annotated

import typer
from rich.syntax import Syntax
from rich.table import Table

from gyral.cli.locate import kernel
from gyral.cli.output import people, print_json
from gyral.cli.signature import parse
from gyral.compiler.pipeline import STAGES
from gyral.core.dtypes import ArrayType, DType, Vec
from gyral.jit.inspection import promotions as promotions_of
from gyral.jit.kernel import Kernel

FIRST = "frontend"
LANGUAGES = {"llvm": "llvm", "asm": "nasm"}
EVERY = (FIRST, *STAGES, *LANGUAGES)


def show(
    target: Annotated[
        str, typer.Argument(metavar="FILE:KERNEL", help="The kernel; FILE where it is the only one.")
    ],
    stage: Annotated[str, typer.Option(help=f"One of {', '.join(EVERY)}.")] = FIRST,
    types: Annotated[str, typer.Option(help="Argument types, where annotations do not say them.")] = "",
    promotions: Annotated[
        bool, typer.Option("--promotions", help="List conversions that nobody wrote.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")] = False,
) -> None:
    """Print a kernel as it stands after a stage of the compiler. No device is needed."""
    if stage not in EVERY:
        raise typer.BadParameter(f"there is no stage {stage!r}; there are {', '.join(EVERY)}")
    chosen, signature = kernel(target), parse(types) if types else []
    if promotions:
        show_promotions(chosen, signature, json)
        return
    text = text_at(chosen, signature, stage)
    if json:
        print_json({"kernel": chosen.name, "stage": stage, "text": text})
    elif people().is_terminal and stage in LANGUAGES:
        people().print(Syntax(text, LANGUAGES[stage], background_color="default"))
    else:
        people().print(text, markup=False, highlight=False, soft_wrap=True)


def text_at(chosen: Kernel, signature: list[DType | Vec | ArrayType], stage: str) -> str:
    """The kernel at a stage: IR before the emitter, a language after it."""
    if stage in LANGUAGES:
        return chosen.source(stage, *signature)
    return chosen.ir(*signature, stage=None if stage == FIRST else stage)


def show_promotions(chosen: Kernel, signature: list[DType | Vec | ArrayType], json: bool) -> None:
    """Each place where a value became f64, or an integer in a narrower one, unasked."""
    found = promotions_of(chosen, signature)
    if json:
        print_json(
            [
                {
                    "kind": each.kind,
                    "from": each.source.name,
                    "to": each.target.name,
                    "file": each.span.file,
                    "line": each.span.line,
                    "column": each.span.column + 1,
                }
                for each in found
            ]
        )
        return
    if not found:
        people().print(
            f"{chosen.name}: nothing is converted that you did not convert yourself", highlight=False
        )
        return
    grid = Table(title=f"{chosen.name}: conversions that nobody wrote")
    for heading in ("place", "what happens", "from", "to"):
        grid.add_column(heading, overflow="fold")
    for each in found:
        grid.add_row(str(each.span), each.kind, each.source.name, each.target.name)
    people().print(grid)
