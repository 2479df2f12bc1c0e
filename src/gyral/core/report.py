"""What a kernel's checks and prints say to a person: the same words on every device."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.core.artifact import Site
from gyral.core.dtypes import DType
from gyral.core.errors import KernelFault


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
        case "race":
            what = f"two threads touch one element of {site.text!r} and one of them writes"
            advice = "Use an atomic or a barrier."
        case _:
            text = site.text.format(*values)
            what = f"assertion failed{f': {text}' if text else ''}"
            advice = "The condition is false for this thread."
    where = thread[0] if len(thread) == 1 else thread
    return KernelFault(f"{site.span}: {what}, in thread {where}. {advice}", thread, site.span)


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
