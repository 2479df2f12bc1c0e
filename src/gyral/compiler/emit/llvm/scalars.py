"""Sums and loops on i64 scalars, as walks over items and gangs need them."""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.emit.llvm.text import Text


def counted(text: Text, start: str, stop: str, body: Callable[[str], None]) -> None:
    """for n in start..stop-1: body(n)."""
    if (start, stop) == ("0", "1"):
        body("0")
        return
    head, turn, done = (text.fresh_label(hint) for hint in ("count", "turn", "end"))
    entry = text.label
    text.jump(head)
    text.begin(head)
    number = text.phi("i64")
    number.add(start, entry)
    text.branch(text.let(f"icmp slt i64 {number.name}, {stop}"), turn, done)
    text.begin(turn)
    body(number.name)
    number.add(text.let(f"add nsw i64 {number.name}, 1"), text.label)
    text.jump(head)
    text.begin(done)


def over(text: Text, size: str, by: str) -> str:
    """size / by, rounded up."""
    if by == "1":
        return size
    less = str(int(by) - 1) if by.isdigit() else text.let(f"sub i64 {by}, 1")
    return text.let(f"udiv i64 {text.let(f'add i64 {size}, {less}')}, {by}")


def smallest(text: Text, a: str, b: str) -> str:
    """The smaller of two."""
    return text.call("i64", "llvm.smin.i64", f"i64 {a}", f"i64 {b}")


def split(text: Text, number: str, by: str) -> tuple[str, str]:
    """Quotient and remainder."""
    quotient = text.let(f"udiv i64 {number}, {by}")
    return quotient, text.let(f"sub i64 {number}, {text.let(f'mul i64 {quotient}, {by}')}")
