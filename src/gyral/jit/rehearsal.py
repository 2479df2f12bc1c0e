"""Running one launch many times over for the tuner: on copies of its arguments, checked and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyral.core.artifact import ArrayParameter, Signature
from gyral.core.clock import Clock
from gyral.core.driver import DeviceCopies, Timing
from gyral.core.errors import UserError
from gyral.jit.arguments import ArrayGiven, Given
from gyral.runtime.array import DeviceArray
from gyral.runtime.create import array
from gyral.runtime.device import Device

Host = np.ndarray[Any, Any]
_RELATIVE = 1e-5  # of the largest magnitude: the order of a sum is free
_UNITS = 8  # in the last place
_EPSILON = {2: 2.0**-7, 4: 2.0**-23, 8: 2.0**-52}  # by size; for 16 bits the coarser of the two formats
_FAST_SHARE = 0.01  # of integers that decisions on re-associated floats may change


@dataclass(frozen=True, slots=True)
class _Copied:
    """An array that the kernel writes: the copy it works on, its first contents, whether it reads them."""

    name: str
    working: Host | DeviceArray
    first: Host | DeviceArray
    reads: bool


class Rehearsal:
    """A launch's arguments, copied as far as the kernel writes them or the device needs them.

    `values` are in the order of the call's. UserError where arrays overlap, which copies would not.
    """

    def __init__(
        self, kernel: str, there: Device, values: Sequence[Any], given: Sequence[Given], signature: Signature
    ) -> None:
        self._there = there
        self._copied: list[_Copied] = []
        _refuse_overlap(kernel, given, signature)
        arrays = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
        uses: dict[int, tuple[bool, bool]] = {}  # one array may be given twice: read here, written there
        for value, p in zip(
            (v for v, g in zip(values, given, strict=True) if _is_array(g)), arrays, strict=True
        ):
            reads, writes = uses.get(id(value), (False, False))
            uses[id(value)] = reads or p.reads, writes or p.writes
        made: dict[int, Any] = {}
        for value, argument in zip(values, given, strict=True):
            if isinstance(argument, ArrayGiven) and id(value) not in made:
                made[id(value)] = self._copy(argument, *uses[id(value)])
        self.values = [made.get(id(v), v) if _is_array(g) else v for v, g in zip(values, given, strict=True)]

    def restore(self, *, all: bool = True) -> None:
        """Put back what the arrays held at first; without `all` only those that the kernel reads too."""
        for each in self._copied:
            if all or each.reads:
                self._restore(each)

    def results(self) -> list[tuple[str, Host]]:
        """What the written arrays hold now, by the argument's name, as copies."""
        return [(each.name, np.array(each.working)) for each in self._copied]

    def _copy(self, given: ArrayGiven, reads: bool, writes: bool) -> Any:
        host, here = given.host, self._there.capabilities.unified
        if host is None:
            working = given.owner.copy() if writes else given.owner
        elif here:
            working = like(host) if writes else given.owner
        else:
            working = array(host, given.kind.elem, device=self._there)
        if writes:
            self._copied.append(_Copied(given.name, working, working.copy(), reads))
        return working

    def _restore(self, each: _Copied) -> None:
        working, first, driver = each.working, each.first, self._there.driver
        if isinstance(working, np.ndarray) or not isinstance(first, DeviceArray):
            np.copyto(working, np.asarray(first))  # pyright: ignore[reportArgumentType] both are NumPy's
        elif self._there.capabilities.unified:
            np.copyto(working.host(), first.host())
        elif isinstance(driver, DeviceCopies):
            # On the stream that the launches use, so that it runs between them.
            driver.copy(self._there.current_stream().queue, working.address, first.address, working.nbytes)
        else:
            host = first.numpy()
            working.wait()
            driver.copy_in(None, working.address, host.reshape(-1).view(np.uint8).data)


class Stopwatch:
    """Times launches: by the device's own clock where it has one, else by `clock` until they are done."""

    def __init__(self, there: Device, clock: Clock) -> None:
        self._there, self._clock = there, clock

    def seconds(self, launch: Callable[[], None], times: int) -> float:
        """Seconds of one of `times` launches in a row."""
        driver, stream = self._there.driver, self._there.current_stream()
        if isinstance(driver, Timing) and not self._there.capabilities.unified:
            first = driver.timed_mark(stream.queue)
            for _ in range(times):
                launch()
            second = driver.timed_mark(stream.queue)
            self._there.driver.wait(second)
            return driver.elapsed_ms(first, second) / 1e3 / times
        stream.synchronize()
        began = self._clock()
        for _ in range(times):
            launch()
        stream.synchronize()
        return (self._clock() - began) / times


def _is_array(given: Given) -> bool:
    return isinstance(given, ArrayGiven)


def like(host: Host) -> Host:
    """A copy with the same strides, so that it is launched by the same code."""
    if host.size == 0 or host.flags.c_contiguous:
        return host.copy()
    steps = [(n - 1) * s for n, s in zip(host.shape, host.strides, strict=True)]
    low, high = sum(s for s in steps if s < 0), sum(s for s in steps if s > 0)
    room = np.empty(high - low + host.itemsize, np.uint8)
    made = np.ndarray(host.shape, host.dtype, room, -low, host.strides)
    made[...] = host
    return made


def differs(
    expected: Sequence[tuple[str, Host]], got: Sequence[tuple[str, Host]], *, fast: bool, unordered: bool
) -> str:
    """A sentence on the first array whose contents are not the expected ones, or "".

    Sums may take another order, so floats are near; with `unordered`, for kernels with atomics, elements
    may stand in another order; with `fast` some integers may differ, as decisions on re-associated floats do.
    """
    for (name, right), (_, value) in zip(expected, got, strict=True):
        if right.dtype.names:
            fields = [[(f"{name}.{f}", a[f]) for f in right.dtype.names] for a in (right, value)]
            found = differs(fields[0], fields[1], fast=fast, unordered=unordered)
        else:
            found = _differs(name, right, value, fast)
            if found and unordered:
                found = found and _differs(name, np.sort(right, axis=None), np.sort(value, axis=None), fast)
        if found:
            return found
    return ""


def _differs(name: str, expected: Host, got: Host, fast: bool) -> str:
    if expected.dtype.kind in "iub":
        wrong = expected != got
        if fast and wrong.mean() <= _FAST_SHARE:
            return ""
    else:
        wide, other = expected.astype(np.float64), got.astype(np.float64)
        with np.errstate(all="ignore"):
            finite = np.isfinite(wide) & np.isfinite(other)
            scale = np.abs(wide[finite]).max(initial=0.0)
            near = np.maximum(_RELATIVE * scale, _UNITS * _EPSILON[expected.dtype.itemsize] * np.abs(wide))
            same = (wide == other) | (np.isnan(wide) & np.isnan(other))
            wrong = ~(same | (finite & (np.abs(wide - other) <= near)))
    if not wrong.any():
        return ""
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    return (
        f"{name}[{', '.join(map(str, at))}] is {got[at]} instead of {expected[at]} "
        f"({int(np.count_nonzero(wrong))} of {expected.size} differ)"
    )


def _refuse_overlap(kernel: str, given: Sequence[Given], signature: Signature) -> None:
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    written = [p.writes for p in signature.parameters if isinstance(p, ArrayParameter)]
    for at, (a, wa) in enumerate(zip(arrays, written, strict=True)):
        for b, wb in list(zip(arrays, written, strict=True))[at + 1 :]:
            apart = a.high <= b.low or b.high <= a.low or a.owner is b.owner
            if (wa or wb) and not apart:
                raise UserError(
                    f"arguments {a.name!r} and {b.name!r} of {kernel}() share memory, which copies for "
                    "tuning would not; tune it with arrays that lie apart"
                )
