"""Keep a driver from computing otherwise than written: SPIR-V made from WGSL promises it nothing.

Vulkan's compilers cancel (a + b) - b and x - x, join constants across sums and products, take common
factors out of sums of products, and take zero times anything for zero. Such spots pass an operand through a
function that they cannot see through; all other arithmetic stays as it is, so that a polynomial costs
nothing more.
"""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.emit.wgsl.scalars import is_literal


class Rounding:
    """What the names in one kernel are made of. `hold` writes the call that hides a value."""

    def __init__(self, hold: Callable[[str], str]) -> None:
        self._hold = hold
        self._kinds: dict[str, str] = {}

    def held(self, sign: str, a: str, b: str) -> tuple[str, str]:
        """The operands as they must be written."""
        first, second = self._kinds.get(a, ""), self._kinds.get(b, "")
        if sign in "+-":
            if (a == b and sign == "-") or first == "sum" or _is_zero(a):
                a = self._hold(a)
            if second == "sum" or _is_zero(b):
                b = self._hold(b)
            elif first in ("product", "scaled") and second in ("product", "scaled"):
                b = self._hold(b)
        elif sign == "*":
            if _is_zero(a) or _is_zero(b):
                a, b = (self._hold(a), b) if _is_zero(a) else (a, self._hold(b))
            elif first == "scaled" and (second == "scaled" or is_literal(b)):
                a = self._hold(a)
            elif second == "scaled" and is_literal(a):
                b = self._hold(b)
        else:
            # Where either turns out to be a constant zero, what is made up for the quotient is not NaN.
            a, b = (x if is_literal(x) and not _is_zero(x) else self._hold(x) for x in (a, b))
        return a, b

    def held_addend(self, c: str) -> str:
        """What is added to a product, as it must be written."""
        return self._hold(c) if self._kinds.get(c) == "sum" or _is_zero(c) else c

    def wrote(self, sign: str, text: str, a: str, b: str) -> None:
        """Note what an expression is: a sum, a product, or one by a constant."""
        if sign in "+-":
            self._kinds[text] = "sum"
        elif sign == "*":
            self._kinds[text] = "scaled" if is_literal(a) or is_literal(b) else "product"

    def named(self, name: str, value: str) -> None:
        """Note that a name stands for an expression."""
        kind = self._kinds.get(value)
        if kind is not None:
            self._kinds[name] = kind


def _is_zero(text: str) -> bool:
    """Whether an operand is 0.0 or -0.0, which a driver takes for nothing."""
    return text in ("0.0f", "bitcast<f32>(0x80000000u)")
