"""Bring a program into one plain form: constants folded, identities applied, cheap branches as selects."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.fold import FOLDABLE, fold
from gyral.compiler.passes.rewrite import Pattern, Rewriter
from gyral.compiler.passes.simplify import IDENTITIES, fast_reciprocal
from gyral.compiler.passes.structure import CONTROL


def _patterns(fastmath: bool) -> dict[str, tuple[Pattern, ...]]:
    found: dict[str, tuple[Pattern, ...]] = dict.fromkeys(FOLDABLE, (fold,))
    for name, patterns in (*IDENTITIES.items(), *CONTROL.items()):
        found[name] = (*found.get(name, ()), *patterns)
    if fastmath:
        found["arith.div"] = (*found["arith.div"], fast_reciprocal)
    return found


_EXACT, _FAST = _patterns(False), _patterns(True)


@dataclass(frozen=True, slots=True)
class Canonicalise:
    """Apply all small patterns until none fits.

    Before: `x = i * 1 + (2 + 3)`, `if c: r = a` `else: r = b`. After: `x = i + 5`, `r = select(c, a, b)`.
    """

    name = "canonical"

    def run(self, module: Module) -> None:
        """Rewrite every function in place."""
        for function in module.functions.values():
            Rewriter(_FAST if function.attributes.get("fastmath") else _EXACT).run(function)
