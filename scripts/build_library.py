"""Compile the maths functions of the stdlib into `library.gyir`, the printed IR that the wheel carries.

python scripts/build_library.py           write the file
python scripts/build_library.py --check   fail when it is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import getmembers, isfunction, signature
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from gyral.compiler import stdlib
from gyral.compiler.frontend.lower import lower_function
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.printer import print_op
from gyral.compiler.passes.canonical import Canonicalise
from gyral.compiler.passes.cse import ShareCommon
from gyral.compiler.passes.dce import RemoveDead
from gyral.compiler.passes.inline import Inline
from gyral.compiler.passes.legalize import Legalise
from gyral.compiler.pipeline import CPU, Library, check
from gyral.core.dtypes import DType

LIBRARY = Path(stdlib.__file__).with_name("library.gyir")
HEADER = "#! The maths library as printed IR, written by scripts/build_library.py. Do not edit.\n"


def main(arguments: list[str]) -> int:
    """Write the library, or with --check compare it."""
    text = build()
    if arguments == ["--check"]:
        if LIBRARY.read_text("ascii") == text:
            return 0
        print(f"{LIBRARY} is out of date: run python scripts/build_library.py")
        return 1
    LIBRARY.write_text(text, "ascii")
    return 0


def build() -> str:
    """The text of the library: every body with what it calls in place."""
    texts: dict[str, str] = {}
    for name, function in bodies():
        texts[name] = print_op(lowered(name, function).functions[name])
    return HEADER + "".join(texts[name] for name in sorted(texts))


def bodies() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function that the modules of the stdlib define with annotated parameters and no underscore."""
    for module in iter_modules(stdlib.__path__):
        found = import_module(f"{stdlib.__name__}.{module.name}")
        for name, function in getmembers(found, isfunction):
            own = function.__module__ == found.__name__ and not name.startswith("_")
            if own and all(isinstance(p.annotation, DType) for p in signature(function).parameters.values()):
                yield name, function


def lowered(name: str, function: Callable[..., Any]) -> Module:
    """One body, checked, inlined and simplified."""
    types = [p.annotation for p in signature(function).parameters.values()]
    module = lower_function(function, types, symbol=name)
    check(module, f"lowering {name}")
    Inline().run(module)
    for symbol in [s for s in module.functions if s != name]:
        del module.functions[symbol]
    for one in (Canonicalise(), Legalise(CPU, Library("")), Canonicalise(), ShareCommon(), RemoveDead()):
        one.run(module)
    check(module, f"simplifying {name}")
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
