"""Races: what threads touch, and what orders their touches.

Two threads race when both touch one element, one of them writes, not both by atomics, and nothing orders
them. Touches are ordered within a thread; within a block by what all its threads pass together; and between
any threads by atomics: what one did before a release, another sees after an acquire of the same element
that came later. Relaxed atomics release what stood before the last fence, and acquire at the next one.

Threads run one at a time here, so one counter tells the order of all events. It advances at every release
and block barrier; a touch carries the count it was made at, and is known to whoever learnt of a later count
from its thread or its block.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gyral.compiler.interp.memory import Memory
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.traits import WRITES
from gyral.core.span import Span

ACCESSES = {
    "memory.load": "reads",
    "memory.store": "writes",
    "memory.load_wide": "reads",
    "memory.store_wide": "writes",
    "atomic.load": "atomically reads",
    "atomic.store": "atomically writes",
    "atomic.rmw": "atomically updates",
    "atomic.cas": "atomically updates",
}
"""What each op that touches an element does to it, for a person."""
_RELEASES = ("release", "acq_rel")
_ACQUIRES = ("acquire", "acq_rel")

Extents: TypeAlias = tuple[int, int, int]
# By thread ("thread", ids) and by block ("block", number): the count up to which its touches are known.
Knowledge: TypeAlias = dict[tuple[str, Any], int]


@dataclass(frozen=True, slots=True)
class Access:
    """One place in the program that touches an element."""

    span: Span
    array: str
    verb: str
    order: str

    @property
    def atomic(self) -> bool:
        """Whether it is one of the atomic ops."""
        return bool(self.order)


@dataclass(frozen=True, slots=True)
class Touch:
    """One thread touched an element: who, in which block, when, and how."""

    thread: Extents
    block: int
    at: int
    access: Access


@dataclass(frozen=True, slots=True)
class Race:
    """Two touches of one element that nothing orders; `later` is the one that ran second."""

    earlier: Touch
    later: Touch
    indices: tuple[int, ...]


@dataclass(slots=True)
class Cell:
    """What was done to one element since its last plain write, and what its releases tell."""

    write: Touch | None = None
    reads: dict[Extents, Touch] = field(default_factory=dict)
    atomics: dict[Extents, Touch] = field(default_factory=dict)
    atomic_writes: dict[Extents, Touch] = field(default_factory=dict)
    released: Knowledge = field(default_factory=dict)
    raced: bool = False


@dataclass(slots=True)
class _Thread:
    """What a thread knows of others; what its next fence will add; what its last fence gives to releases."""

    known: Knowledge = field(default_factory=dict)
    seen: Knowledge = field(default_factory=dict)
    fenced: Knowledge = field(default_factory=dict)


Watched: TypeAlias = tuple[dict[int, Cell], int]


class Watch:
    """The touches of one launch. `race` is the one whose later thread is lowest, None so far."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        self.race: Race | None = None
        self._accesses = accesses
        self._arrays: dict[int, Watched] = {}
        self._shared: dict[int, Watched] = {}
        self._global: dict[int, Cell] = {}
        self._threads: dict[Extents, _Thread] = {}
        self._block = -1
        self._now = 0
        self._barrier = -1
        self._together: Knowledge = {}

    def begin(self, arrays: Sequence[Memory], written: Sequence[Memory]) -> None:
        """Watch the arrays of a launch that its writes can reach, in whichever argument."""
        reached = [_range(m) for m in written if len(m.window)]
        for memory in arrays:
            if not len(memory.window):
                continue
            low, high = _range(memory)
            if any(low < top and bottom < high for bottom, top in reached):
                self._arrays[id(memory)] = self._global, low

    def enter(self, shared: Sequence[Memory]) -> None:
        """A new block begins, with memory of its own."""
        self._block += 1
        self._now += 1
        self._barrier = -1
        self._together = {}
        self._shared = {id(memory): ({}, 0) for memory in shared}

    def of(self, memory: Memory) -> Watched | None:
        """The cells of a memory; None where nothing can race."""
        return self._shared.get(id(memory)) or self._arrays.get(id(memory))

    def barrier(self, threads: Sequence[Extents]) -> None:
        """All threads of the block, those named and those that failed, did all they did before."""
        for thread in threads:
            state = self._threads.get(thread)
            if state is not None:
                _merge(self._together, state.known)
        self._barrier = self._now
        self._now += 1

    def fence(self, thread: Extents) -> None:
        """What relaxed atomics saw is known from here on; what stands before is theirs to release."""
        state = self._thread(thread)
        _merge(state.known, state.seen)
        state.fenced = self._release(thread, state)

    def touch(
        self, number: int, watched: Watched, place: int, indices: tuple[int, ...], thread: Extents
    ) -> None:
        """A thread touches the element `place` bytes into a memory, by the access of this number."""
        cells, start = watched
        cell = cells.get(start + place)
        if cell is None:
            cell = cells[start + place] = Cell()
        access = self._accesses[number]
        touch = Touch(thread, self._block, self._now, access)
        if not cell.raced:
            self._compare(cell, touch, indices)
        if access.atomic:
            self._pass_on(cell, touch)
        elif access.verb == "reads":
            cell.reads[thread] = touch
        else:
            # Whoever comes later and is ordered behind this write is ordered behind all before it.
            cell.write = touch
            cell.reads.clear()
            cell.atomics.clear()
            cell.atomic_writes.clear()

    def _compare(self, cell: Cell, touch: Touch, indices: tuple[int, ...]) -> None:
        """Find a race of a touch with those before it."""
        access = touch.access
        reading = access.verb.endswith("reads")
        before: list[Touch] = [] if cell.write is None else [cell.write]
        if not access.atomic:
            before += (cell.atomic_writes if reading else cell.atomics).values()
        if not reading:
            before += cell.reads.values()
        for earlier in before:
            if earlier.thread != touch.thread and not self._ordered(earlier, touch):
                cell.raced = True
                if self.race is None or touch.thread < self.race.later.thread:
                    self.race = Race(earlier, touch, indices)
                return

    def _ordered(self, earlier: Touch, later: Touch) -> bool:
        """Whether the later thread knows of the earlier touch."""
        if earlier.block == later.block and earlier.at <= self._barrier:
            return True
        by_thread, by_block = ("thread", earlier.thread), ("block", earlier.block)
        state = self._threads.get(later.thread)
        known = (self._together,) if state is None else (self._together, state.known)
        return any(earlier.at <= max(k.get(by_thread, -1), k.get(by_block, -1)) for k in known)

    def _pass_on(self, cell: Cell, touch: Touch) -> None:
        """An atomic takes what earlier ones released to the element, and releases in turn."""
        thread, access = touch.thread, touch.access
        state = self._thread(thread)
        if access.verb != "atomically writes":
            _merge(state.known if access.order in _ACQUIRES else state.seen, cell.released)
        cell.atomics[thread] = touch
        if access.verb == "atomically reads":
            return
        cell.atomic_writes[thread] = touch
        given = self._release(thread, state) if access.order in _RELEASES else state.fenced
        if access.verb == "atomically writes":
            cell.released = dict(given)  # a store that is no update ends what others released
        else:
            _merge(cell.released, given)

    def _release(self, thread: Extents, state: _Thread) -> Knowledge:
        """All that a thread did and knows, for others to acquire."""
        given = {**state.known, ("thread", thread): self._now}
        _merge(given, self._together)
        if self._barrier >= 0:
            given["block", self._block] = self._barrier
        self._now += 1
        return given

    def _thread(self, thread: Extents) -> _Thread:
        found = self._threads.get(thread)
        if found is None:
            found = self._threads[thread] = _Thread()
        return found


def written(module: Module) -> list[bool]:
    """Which parameters of the kernel its code, or a function it passes them to, may write."""
    found: dict[str, set[int]] = {symbol: set() for symbol in module.functions}
    grew = True
    while grew:
        grew = False
        for symbol, function in module.functions.items():
            numbers = {value: k for k, value in enumerate(function.regions[0].args)}
            reached = {numbers[v] for op in function.walk() for v in _targets(op, found) if v in numbers}
            if not reached <= found[symbol]:
                found[symbol] |= reached
                grew = True
    kernel = module.kernel
    return [k in found[kernel.attributes["symbol"]] for k in range(len(kernel.regions[0].args))]


def _targets(op: Op, found: dict[str, set[int]]) -> list[Value]:
    """The memories an op writes."""
    if op.name == "control.call":
        return [op.operands[k] for k in found[op.attributes["callee"]]]
    if op.name in ACCESSES and op.name != "atomic.load" and op.traits & WRITES:
        return [op.memory]
    return []


def _merge(into: Knowledge, more: Knowledge) -> None:
    for key, count in more.items():
        if into.get(key, -1) < count:
            into[key] = count


def _range(memory: Memory) -> tuple[int, int]:
    """First byte of a memory and the one behind its last."""
    low = ctypes.addressof(ctypes.c_char.from_buffer(memory.window))
    return low, low + len(memory.window)
