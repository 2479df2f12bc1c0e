"""What a kernel's checks and prints say to a person: the same words on every device."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.core.artifact import Site
from gyral.core.dtypes import DType
from gyral.core.errors import KernelFault
from gyral.core.span import Span


def fault(site: Site, values: Sequence[bool | int | float], thread: tuple[int, ...]) -> KernelFault:
    """The error of the lowest failing thread; `values` are what the check recorded."""
    match site.kind:
        case "bounds":
            index, extent = (*values, 0, 0)[:2]
            what = f"index {index} is outside axis {site.axis} of {site.text!r}, whose extent is {extent}"
            advice = "Launch fewer threads or guard the access."
        case "divide":
            what = f"division by zero{f' in {site.text}' if site.text else ''}"
            advice = "Guard the division."
        case "abort":
            what = f"the loop `{site.text}` was told to end"
            advice = "It ran when what it runs in was to stop."
        case _:
            text = site.text.format(*values)
            what = f"assertion failed{f': {text}' if text else ''}"
            advice = "The condition is false for this thread."
    return KernelFault(f"{site.span}: {what}, in thread {_named(thread)}. {advice}", thread, site.span)


def reason(site: Site) -> str:
    """Where and why a check failed, where nothing else of it was kept."""
    match site.kind:
        case "bounds":
            what = f"an index is outside axis {site.axis} of {site.text!r}"
        case "divide":
            what = f"division by zero{f' in {site.text}' if site.text else ''}"
        case "abort":
            what = f"the loop `{site.text}` was told to end"
        case _:
            what = f"assertion failed{f': {site.text}' if site.text else ''}"
    return f"{site.span}: {what}"


def race(
    array: str,
    indices: Sequence[int],
    threads: tuple[tuple[int, ...], tuple[int, ...]],
    places: tuple[tuple[Span, str], tuple[Span, str]],
) -> KernelFault:
    """The error of two threads that touch one element and that nothing orders, the later touch last.

    `places` has where each does it, and what it does: "reads", "writes" or an atomic form of them.
    """
    (first, second), ((there, before), (here, after)) = threads, places
    element = f"{array}[{', '.join(map(str, indices))}]"
    also = "" if there == here else f" at {there}"
    return KernelFault(
        f"{here}: a race: thread {_named(second)} {after} {element}, which thread {_named(first)} "
        f"{before}{also}, and nothing orders the two. Use atomics for both, or a barrier between them "
        "if the threads are of one block.",
        second,
        here,
    )


def _named(thread: tuple[int, ...]) -> str:
    return str(thread[0] if len(thread) == 1 else thread)


def printed(parts: Sequence[str], types: Sequence[DType], values: Sequence[bool | int | float]) -> str:
    """The text of one print: `parts` alternates literal text and format specs."""
    pieces = [parts[0]]
    for number, (dtype, value) in enumerate(zip(types, values, strict=True)):
        spec = parts[2 * number + 1]
        pieces += [format(value, spec) if spec else _plain(dtype, value), parts[2 * number + 2]]
    return "".join(pieces)


def _plain(dtype: DType, value: bool | int | float) -> str:
    """A value as `str` would show it; a short float by the fewest digits that give it back."""
    if not dtype.is_float or dtype.bits == 64 or value != value:
        return str(value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return str(float(next(text for text in texts if dtype(float(text)) == value)))
