"""All interleavings of a few processes over shared words, under a memory model weaker than any device's.

A process is a generator that yields one step at a time and is sent its result. Words follow release and
acquire as views (Kang et al., POPL 2017, without promises): every write stays, a process may read any that
is not older than what it knows of, and learns what a released write's writer knew when it reads with
acquire. So a store may be seen late by one process and early by another, and nothing but release, acquire,
fences and `membarrier` says otherwise. Plain words must not be read or written while others may write them,
nor written while others may still read them: that is a race, and is reported. For that, a view also says
how far it knows of each process.

Waiting for a word is one step (`until`), enabled where a write that fits may be read, so that none spins.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

View: TypeAlias = tuple[int, ...]
Write: TypeAlias = tuple[Any, View]
Process: TypeAlias = Generator["Step", Any, None]

RELAXED, ACQUIRE, RELEASE, ACQ_REL, PLAIN = "relaxed", "acquire", "release", "acq_rel", "plain"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its kind, the word it is about, and what else it needs."""

    kind: str
    word: str = ""
    value: Any = None
    order: str = RELAXED
    new: Any = None


def load(word: str, order: str = RELAXED) -> Step:
    """Read a word."""
    return Step("load", word, order=order)


def store(word: str, value: Any, order: str = RELAXED) -> Step:
    """Write a word."""
    return Step("store", word, value, order)


def cas(word: str, expected: Any, new: Any, order: str = RELAXED) -> Step:
    """Compare and swap; gives the value that stood there."""
    return Step("cas", word, expected, order, new)


def add(word: str, value: int, order: str = RELAXED) -> Step:
    """Add to a word; gives the value that stood there."""
    return Step("add", word, value, order)


def until(word: str, fits: Callable[[Any], bool], order: str = RELAXED) -> Step:
    """Wait until a value that fits may be read; gives it."""
    return Step("until", word, fits, order)


def fence() -> Step:
    """A sequentially consistent fence."""
    return Step("fence")


def membarrier() -> Step:
    """A fence in every process, made by one of them."""
    return Step("membarrier")


def choose(count: int) -> Step:
    """A number below `count`, any."""
    return Step("choose", value=count)


def futex_wait(word: str, expected: Any) -> Step:
    """Sleep until woken, unless the word is another than expected (a futex)."""
    return Step("futex_wait", word, expected)


def wake(word: str) -> Step:
    """Wake who sleeps on a word."""
    return Step("wake", word)


class Broken(Exception):
    """Something that must not happen did; `trace` is how."""

    def __init__(self, what: str, trace: tuple[str, ...] = ()) -> None:
        super().__init__("\n  ".join((what, *trace)))
        self.what = what
        self.trace = trace


def require(holds: bool, what: str) -> None:
    """What a process finds must hold."""
    if not holds:
        raise Broken(what)


@dataclass(frozen=True, slots=True)
class State:
    """Where everything is: what each process was given so far, the words' writes, and who knows of which.

    A view has a number for each word, then one for each process: how many of its plain reads it knows of.
    `reads` says for each word, by process, the number of the last plain read.
    """

    given: tuple[tuple[Any, ...], ...]
    asleep: tuple[str | None, ...]
    writes: tuple[tuple[Write, ...], ...]
    views: tuple[View, ...]
    fenced: View
    reads: tuple[View, ...]


@dataclass
class Explorer:
    """Every run of `processes` from `words`; each process is a function that gives a fresh generator."""

    words: dict[str, Any]
    processes: dict[str, Callable[[], Process]]
    limit: int = 60_000

    def run(self) -> int:
        """How many states there are; Broken, with how it came, where something breaks or nothing moves."""
        self._number = {name: k for k, name in enumerate(self.words)}
        self._next: dict[tuple[int, tuple[Any, ...]], Step | Broken | None] = {}
        count = len(self.processes)
        nothing = (0,) * (len(self.words) + count)
        start = State(
            ((),) * count,
            (None,) * count,
            tuple(((value, nothing),) for value in self.words.values()),
            (nothing,) * count,
            nothing,
            ((0,) * count,) * len(self.words),
        )
        seen: dict[State, tuple[State, str] | None] = {start: None}
        open_ = [start]
        while open_:
            state = open_.pop()
            try:
                followers = list(self._followers(state))
            except Broken as broken:
                raise Broken(broken.what, _trace(seen, state)) from None
            for text, follower in followers:
                if follower not in seen:
                    seen[follower] = (state, text)
                    open_.append(follower)
            if not followers and any(self._step(k, state.given[k]) is not None for k in range(count)):
                raise Broken("nothing moves any more", _trace(seen, state))
            if len(seen) > self.limit:
                raise OverflowError(f"more than {self.limit} states")
        return len(seen)

    def _step(self, process: int, given: tuple[Any, ...]) -> Step | None:
        """The next step of a process that was given these results; None at its end."""
        key = process, given
        if key not in self._next:
            self._next[key] = self._replay(process, given)
        found = self._next[key]
        if isinstance(found, Broken):
            raise Broken(f"{list(self.processes)[process]}: {found.what}")
        return found

    def _replay(self, process: int, given: tuple[Any, ...]) -> Step | Broken | None:
        running = list(self.processes.values())[process]()
        try:
            found = next(running)
            for result in given:
                found = running.send(result)
        except StopIteration:
            return None
        except Broken as broken:
            return broken
        return found

    def _followers(self, state: State) -> Iterator[tuple[str, State]]:
        for process, name in enumerate(self.processes):
            if state.asleep[process] is not None:
                continue
            step = self._step(process, state.given[process])
            if step is None:
                continue
            for result, follower in self._take(state, process, step):
                given = _with(follower.given, process, (*state.given[process], result))
                what = "" if callable(step.value) else step.value
                text = f"{name}: {step.kind} {step.word} {what} -> {result}"
                yield text, replace(follower, given=given)

    def _take(self, state: State, process: int, step: Step) -> Iterator[tuple[Any, State]]:
        if step.kind == "choose":
            yield from ((k, state) for k in range(step.value))
        elif step.kind in ("fence", "membarrier"):
            yield None, _fenced(state, process, everywhere=step.kind == "membarrier")
        elif step.kind == "wake":
            yield None, replace(state, asleep=tuple(None if w == step.word else w for w in state.asleep))
        elif step.kind == "futex_wait":
            at = self._number[step.word]
            asleep = step.word if state.writes[at][-1][0] == step.value else None
            told = _with(state.views[process], at, len(state.writes[at]) - 1)
            yield (
                None,
                replace(
                    state,
                    asleep=_with(state.asleep, process, asleep),
                    views=_with(state.views, process, told),
                ),
            )
        elif step.kind == "store":
            self._alone(state, process, step)
            yield None, self._written(state, process, step.word, step.value, step.order)
        elif step.kind == "add":
            value = state.writes[self._number[step.word]][-1][0]
            yield from self._swap(state, process, replace(step, value=value, new=value + step.value))
        elif step.kind == "cas":
            yield from self._swap(state, process, step)
        else:
            yield from self._reads(state, process, step)

    def _alone(self, state: State, process: int, step: Step) -> None:
        if step.order != PLAIN:
            return
        at, view = self._number[step.word], state.views[process]
        reads = state.reads[at] if step.kind == "store" else ()
        unread = any(n > view[len(self.words) + p] for p, n in enumerate(reads) if p != process)
        if unread or view[at] != len(state.writes[at]) - 1:
            raise Broken(f"a race: {step.kind} of {step.word} by {list(self.processes)[process]}")

    def _reads(self, state: State, process: int, step: Step) -> Iterator[tuple[Any, State]]:
        self._alone(state, process, step)
        at = self._number[step.word]
        writes, view = state.writes[at], state.views[process]
        if step.order == PLAIN:
            clock = len(self.words) + process
            view = _with(view, clock, view[clock] + 1)
            state = replace(state, reads=_with(state.reads, at, _with(state.reads[at], process, view[clock])))
        for stamp in range(view[at], len(writes)):
            value, known = writes[stamp]
            if step.kind == "until" and not step.value(value):
                continue
            mine = _with(view, at, stamp)
            if step.order in (ACQUIRE, ACQ_REL):
                mine = _join(mine, known)
            yield value, replace(state, views=_with(state.views, process, mine))

    def _swap(self, state: State, process: int, step: Step) -> Iterator[tuple[Any, State]]:
        """A swap acts on the last write; one that fails may have read an older value."""
        at = self._number[step.word]
        value, known = state.writes[at][-1]
        if value == step.value:
            view = _with(state.views[process], at, len(state.writes[at]) - 1)
            if step.order in (ACQUIRE, ACQ_REL):
                view = _join(view, known)
            told = replace(state, views=_with(state.views, process, view))
            yield value, self._written(told, process, step.word, step.new, step.order, known)
        if step.kind == "add":
            return
        for old, follower in self._reads(state, process, replace(step, kind="load")):
            if old != step.value:
                yield old, follower

    def _written(
        self, state: State, process: int, word: str, value: Any, order: str, known: View | None = None
    ) -> State:
        """After a write; `known` is what went with the write that a swap replaced."""
        at = self._number[word]
        view = _with(state.views[process], at, len(state.writes[at]))
        released = view if order in (RELEASE, ACQ_REL) else _with((0,) * len(view), at, view[at])
        if known is not None:
            released = _join(released, known)
        writes = _with(state.writes, at, (*state.writes[at], (value, released)))
        return replace(state, writes=writes, views=_with(state.views, process, view))


def _with(items: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*items[:at], value, *items[at + 1 :])


def _join(one: View, other: View) -> View:
    return tuple(map(max, one, other))


def _fenced(state: State, process: int, everywhere: bool) -> State:
    """After a fence of one process, or of that one, all others, and that one again."""
    views = list(state.views)
    views[process] = fenced = _join(views[process], state.fenced)
    if everywhere:
        told = fenced
        for k, view in enumerate(views):
            views[k] = _join(view, told)
            fenced = _join(fenced, views[k])
        views[process] = fenced
    return replace(state, views=tuple(views), fenced=fenced)


def _trace(seen: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    found: list[str] = []
    at = seen[state]
    while at is not None:
        before, text = at
        found.append(text)
        at = seen[before]
    return tuple(reversed(found))
