"""Which launches of a batch must wait for which: those that touch the same bytes, when one writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes low to high, that the launch of this number reads or writes."""

    low: int
    high: int
    number: int
    writes: bool


class Order:
    """The launches so far, as far as later ones may have to wait for them."""

    def __init__(self) -> None:
        self._live: list[Range] = []
        self._all: list[int] = []
        self._fence: int | None = None

    def add(self, ranges: Iterable[tuple[int, int, bool]], *, alone: bool = False) -> tuple[int, ...]:
        """Add a launch by what it touches (low, high, writes); the numbers of those it waits for.

        `alone`: it comes behind all before it, and all after it come behind it.
        """
        number = len(self._all)
        mine = [Range(low, high, number, writes) for low, high, writes in ranges]
        if alone:
            before = set(self._all)
            self._fence, self._live = number, mine
        else:
            before = {
                old.number
                for old in self._live
                for new in mine
                if (old.writes or new.writes) and old.low < new.high and new.low < old.high
            }
            if self._fence is not None:
                before.add(self._fence)
            # Whoever meets a range written anew waits for its writer, and thereby for those before it.
            self._live = [
                old
                for old in self._live
                if not any(new.writes and new.low <= old.low and old.high <= new.high for new in mine)
            ] + mine
        self._all.append(number)
        return tuple(sorted(before))
