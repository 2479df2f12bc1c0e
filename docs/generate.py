"""Write the pages that the compiler's own tables say: error codes, intrinsics, ops.

    python docs/generate.py

Fails, naming it, on an entry that has nothing to print: a code without advice, a body without an error
bound, an op without a docstring.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path
from pkgutil import iter_modules

import gyral.compiler.ir.ops
from gyral.compiler.frontend.codes import CODES
from gyral.compiler.intrinsics import INTRINSICS, Body, Intrinsic, Native, Unsupported
from gyral.compiler.ir.define import Field, Operation
from gyral.compiler.stdlib.bounds import ULP

PAGES = Path(__file__).parent / "pages" / "generated"
FLOATS = ("f32", "f64")


def cell(text: str) -> str:
    """Text that stands in a table's cell as it is."""
    return text.replace("|", "\\|").replace("\n", " ")


def sentence(text: str) -> str:
    """Text with a full stop, and its placeholders as code."""
    parts = text.strip().split("`")
    for k, part in enumerate(parts):
        mark = "" if k % 2 else "`"  # every second part is code already
        parts[k] = part.replace("{", mark).replace("}", mark)
    shown = "`".join(parts)
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def errors() -> Iterator[str]:
    """The page of error codes."""
    yield (
        "# Error codes\n\nWhat the compiler refuses, why, and what to write instead. "
        "Words `like this` are filled in.\n"
    )
    for row in CODES.values():
        missing = [part for part in ("title", "message", "advice") if not getattr(row, part)]
        if missing:
            raise ValueError(f"code {row.code} has no {', '.join(missing)}")
        yield f"## {row.code}: {row.title} {{ #{row.code.lower()} }}\n"
        yield f"{sentence(row.message[0].upper() + row.message[1:])}\n"
        if row.why:
            yield f"{sentence(row.why)}\n"
        if row.advice != "{advice}":
            yield f"**What to do:** {sentence(row.advice)}\n"


def bound(row: Intrinsic, dtype: str, suffix: str = "") -> str:
    """The stated error in ULP of a function that has a body; a dash where there is no fast one."""
    found = ULP.get(f"{row.name}_{dtype}{suffix}")
    if found is None and not suffix:
        raise ValueError(f"compiler/stdlib/bounds.py states no bound for {row.name}_{dtype}")
    return "–" if found is None else f"{found:g}"


def how(row: Intrinsic) -> str:
    """Where the CPU device has a function from."""
    match row.spell["llvm"]:
        case Native():
            return "instruction"
        case Body():
            return "body"
        case Unsupported(why=why):
            return f"none: {why}"
    return "ordinary ops"


def bounded(row: Intrinsic) -> bool:
    """Whether a function on floats has a body whose error was measured."""
    return (
        isinstance(row.spell["llvm"], Body)
        and row.signature.over == "float"
        and "T" in row.signature.operands
    )


def intrinsics() -> Iterator[str]:
    """The page of intrinsics."""
    yield (
        "# Intrinsics\n\nFunctions of the language, called as `gy.f`, many also as `math.f`. "
        "The error is the largest one found, in units in the last place: over every f32, over samples of "
        "every binade for f64. *Fast* is the body that `fastmath=True` takes, where there is one.\n"
    )
    yield "## Functions with a stated error\n"
    yield "| function | f32 | f32 fast | f64 |\n|---|---|---|---|"
    for row in filter(bounded, INTRINSICS.values()):
        columns = [bound(row, "f32"), bound(row, "f32", "_fast"), bound(row, "f64")]
        yield f"| `{row.name}({', '.join(row.names)})` | {' | '.join(columns)} |"
    yield (
        "\n## All others\n\nExact, or rounded once from the exact result, where they are one instruction; "
        "ordinary ops round as those ops do. f16 and bf16 compute in f32 and round.\n"
    )
    yield "| function | takes | gives | on the CPU |\n|---|---|---|---|"
    for row in INTRINSICS.values():
        if not bounded(row):
            takes = ", ".join(map(str, row.signature.operands))
            if "T" in row.signature.operands:
                takes += f" (T: {row.signature.over})"
            call = f"`{row.name}({', '.join(row.names)})`"
            yield f"| {call} | {takes} | {row.signature.result} | {cell(how(row))} |"


def field_text(field: Field) -> str:
    """One declared field: its name and what it may be."""
    if field.part == "attr":
        kinds = field.of if isinstance(field.of, tuple) else (field.of,)
        of = " or ".join(f'"{choice}"' for choice in field.choices) or " or ".join(
            kind.__name__ for kind in kinds if kind is not None
        )
    else:
        of = f"as {field.same_as}" if field.same_as else str(field.default or field.constraint.name)
    plural = " …" if field.part in ("operands", "results") else ""
    return f"`{field.key}`{plural}: {of}"


def fields(op: type[Operation], *parts: str) -> str:
    """The fields of some parts, for a cell."""
    return cell("; ".join(field_text(field) for field in op.fields.values() if field.part in parts)) or "–"


def ops() -> Iterator[str]:
    """The page of ops."""
    for module in iter_modules(gyral.compiler.ir.ops.__path__, gyral.compiler.ir.ops.__name__ + "."):
        import_module(module.name)
    yield (
        "# Ops of the IR\n\nEach op is a declaration in `compiler/ir/ops/`; printer, parser, verifier and "
        "this page read it. Its meaning is in `compiler/interp/`.\n"
    )
    named = sorted(Operation.registry.items(), key=lambda item: item[0].partition(".")[0])
    for dialect, members in groupby(named, key=lambda item: item[0].partition(".")[0]):
        yield f"\n## {dialect}\n\n| op | operands | attributes | results | traits |\n|---|---|---|---|---|"
        notes = []
        for name, op in members:
            text = (op.__doc__ or "").strip()
            if not text:
                raise ValueError(f"op {name} has no docstring")
            traits = ", ".join(trait.name.lower() for trait in op.traits if trait.name) or "–"
            regions = sum(field.part == "region" for field in op.fields.values())
            operands = fields(op, "operand", "operands") + (f"; {regions} regions" if regions else "")
            yield (
                f"| `{name}` | {operands} | {fields(op, 'attr')} | "
                f"{fields(op, 'result', 'results')} | {traits} |"
            )
            notes.append(f"- `{name}`: {' '.join(text.split())}")
        yield "\n" + "\n".join(notes)


def main() -> None:
    """Write all pages, or none and say why."""
    try:
        pages = {page.__name__: "\n".join(page()) + "\n" for page in (errors, intrinsics, ops)}
    except ValueError as error:
        sys.exit(f"docs/generate.py: {error}")
    PAGES.mkdir(exist_ok=True)
    for name, text in pages.items():
        (PAGES / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
