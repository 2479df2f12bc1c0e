"""The two words of 64-bit values."""

from __future__ import annotations

from typing import Any, Protocol

from gyral.compiler.ir.graph import Op, Value


class Writer(Protocol):
    """What is needed of the writer of a function."""

    def put(self, line: str) -> None:
        """Add a line."""
        ...

    def new(self, value: Value) -> str:
        """A name for a value."""
        ...

    def of(self, value: Value) -> str:
        """The name of a value."""
        ...


def split(w: Writer, op: Op) -> None:
    """Low word and high word of a value's bits."""
    low, high = (w.new(v) for v in op.results)
    t: Any = op.operands[0].type
    w.put(f"{high} = bits_of(D_{t.name}, {w.of(op.operands[0])}); {low} = {high} & 0xFFFFFFFF; {high} >>= 32")


def join(w: Writer, op: Op) -> None:
    """The value whose bits are these words."""
    low, high = map(w.of, op.operands)
    t: Any = op.results[0].type
    w.put(f"{w.new(op.results[0])} = from_bits(D_{t.name}, {low} | {high} << 32)")
