"""Run a module over a launch: the specification that every device is compared with.

Threads run in order, or block by block as generators where they wait for one another. Threads beyond the
shape do not run, as nothing they could do is seen; in programs for whole blocks (see `team`) they do. Any
access out of bounds always fails here, checked or not, as what it does elsewhere is undefined.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, product
from typing import Any, NoReturn, TextIO

from gyral.compiler.interp.code import Program, compile_module
from gyral.compiler.interp.collect import Request, together
from gyral.compiler.interp.memory import Memory, adapt, allocate
from gyral.compiler.interp.race import Race, Watch, written
from gyral.compiler.ir.graph import Module, Op
from gyral.compiler.ir.ops.message import NO_SITE
from gyral.compiler.ir.traits import SYNC
from gyral.core.artifact import Site
from gyral.core.dtypes import ArrayType
from gyral.core.errors import KernelFault, UserError
from gyral.core.report import fault, printed, race

_BLOCK_WORDS = (
    "grid.local_id",
    "grid.block_id",
    "grid.block_dim",
    "grid.grid_dim",
    "grid.span",
    "memory.shared",
)
_FOR_ALL = ("grid.barrier", "grid.block_broadcast")
_FREE_BLOCK = 32  # threads per block where a kernel needs blocks and nobody chose

Extents = tuple[int, int, int]


class Failed(Exception):
    """A check failed in the running thread."""

    def __init__(self, site: int, values: tuple[Any, ...]) -> None:
        super().__init__()
        self.site = site
        self.values = values


def run(
    module: Module,
    shape: Sequence[int],
    block: Sequence[int] | None,
    arguments: Sequence[Any],
    *,
    check: bool = False,
    races: bool = False,
    index_bits: int = 64,
    subgroup: int = 16,
    stdout: TextIO | None = None,
    max_steps: int | None = None,
) -> None:
    """Launch the module's kernel over `shape`; arrays in `arguments` are changed in place.

    `arguments`: one per parameter of the IR's kernel, numbers and arrays (`memory.adapt` says which).
    KernelFault of the lowest failing thread, or with `races` of two threads that race; UserError when
    threads of a block wait at different places, a read-only array is written, or more than `max_steps`
    turns of loops were taken.
    """
    limited = max_steps is not None
    ready = Interpreter(module, check=check, races=races, index_bits=index_bits, limited=limited)
    ready.run(shape, block, arguments, subgroup=subgroup, stdout=stdout, max_steps=max_steps)


class Interpreter:
    """A module made ready to run many times."""

    def __init__(
        self,
        module: Module,
        *,
        check: bool = False,
        races: bool = False,
        index_bits: int = 64,
        limited: bool = False,
    ) -> None:
        self.kernel = module.kernel
        self.races = races
        self.program: Program = compile_module(module, check, index_bits, limited, races)
        self.writes = written(module)
        self.needs_block = self.program.waiting or any(op.name in _BLOCK_WORDS for op in module.walk())

    def run(
        self,
        shape: Sequence[int],
        block: Sequence[int] | None,
        arguments: Sequence[Any],
        *,
        subgroup: int = 16,
        stdout: TextIO | None = None,
        max_steps: int | None = None,
    ) -> None:
        """As the function `run`."""
        chosen = (
            tuple(block or ()) or tuple(self.kernel.attributes.get("block", ())) or self._free_block(shape)
        )
        if len(chosen) != len(shape) or not 1 <= len(shape) <= 3:
            raise UserError(f"a block of {chosen} does not fit a launch of {tuple(shape)}.")
        launch = _Launch(self.program, _three(shape, 0), _three(chosen, 1), subgroup, max_steps)
        launch.rank = len(shape)
        launch.coarsen(self.kernel.attributes.get("coarse", 1))
        launch.arguments = self._adapt(arguments)
        if self.races:
            launch.watch = self._watch(launch.arguments)
        try:
            launch.go()
        finally:
            launch.write(stdout)
        launch.report()

    def _free_block(self, shape: Sequence[int]) -> tuple[int, ...]:
        last = _FREE_BLOCK if self.needs_block else max(1, shape[-1])
        return (*(1 for _ in shape[1:]), last)

    def _adapt(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        parameters = self.kernel.regions[0].args
        if len(parameters) != len(arguments):
            raise UserError(f"the kernel takes {len(parameters)} arguments, not {len(arguments)}.")
        adapted: list[Any] = []
        for parameter, value, writes in zip(parameters, arguments, self.writes, strict=True):
            t: Any = parameter.type
            if writes and _is_readonly(value):
                raise UserError(f"argument {parameter.hint!r} is read-only, and the kernel writes it.")
            adapted.append(adapt(value, t) if isinstance(t, ArrayType) else t(value))
        return tuple(adapted)

    def _watch(self, arguments: Sequence[Any]) -> Watch:
        watch = Watch(self.program.accesses)
        arrays = [a for a in arguments if isinstance(a, Memory)]
        watch.begin(arrays, [a for a, writes in zip(arguments, self.writes, strict=True) if writes])
        return watch


def _is_readonly(value: Any) -> bool:
    interface = getattr(value, "__array_interface__", None)
    return interface is not None and bool(interface["data"][1])


def _three(extents: Sequence[int], fill: int) -> Extents:
    """Extents in user order, padded behind with 1: axis k of the launch is entry k."""
    padded = (*extents, 1, 1)[:3]
    if any(extent < fill for extent in extents):
        raise UserError(f"{tuple(extents)} is no launch: extents are at least {fill}.")
    return padded  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Thread:
    """A thread of the running block: its ids, its number in the block, its steps, whether it has effects."""

    ids: Extents
    number: int
    steps: Any
    alive: list[bool]


class _Launch:
    """One launch under way; what generated code calls stands here."""

    failure = Failed

    def __init__(
        self, program: Program, shape: Extents, block: Extents, subgroup: int, max_steps: int | None
    ) -> None:
        self.program = program
        self.shape, self.block, self.subgroup = shape, block, subgroup
        self.counts: tuple[int, ...] = shape  # threads per axis
        self.grid = tuple(-(-s // b) for s, b in zip(shape, block, strict=True))
        self.rounding = array("f", [0.0])
        self.arguments: tuple[Any, ...] = ()
        self.rank = 1
        self.steps = max_steps
        self.clock: Callable[[], int] = count(1).__next__
        self.printed: list[tuple[int, int, str]] = []
        self.lowest: tuple[int, Extents, Failed] | None = None
        self.watch: Watch | None = None
        self.rescues = program.rescues
        self.lost: dict[Extents, int] = {}

    def coarsen(self, factor: int) -> None:
        """Let a thread stand for `factor` elements of the launch's last axis."""
        counts = list(self.shape)
        counts[self.rank - 1] = -(-counts[self.rank - 1] // factor)
        self.counts = tuple(counts)
        self.grid = tuple(-(-s // b) for s, b in zip(self.counts, self.block, strict=True))

    def linear(self, ids: Extents) -> int:
        """Number of a thread in the launch, last axis fastest."""
        return (ids[0] * self.shape[1] + ids[1]) * self.shape[2] + ids[2]

    def fail(self, site: int, *values: Any) -> NoReturn:
        """The running thread failed at a site."""
        raise Failed(site, values)

    def dies(self, alive: list[bool], ids: Extents, failed: Failed) -> None:
        """A thread of a block that goes on after a failure; one that was not active stays silent."""
        if not alive[0]:
            return
        alive[0] = False
        if self.rescues:
            self.lost[ids] = failed.site
        else:
            self.note(ids, failed)

    def out(self, site: int, ids: Extents, values: tuple[Any, ...]) -> None:
        """The running thread prints."""
        found = self.program.sites[site]
        self.printed.append((self.linear(ids), len(self.printed), printed(found.parts, found.types, values)))

    def tick(self) -> None:
        """One turn of a loop."""
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise UserError("the launch took more turns of its loops than max_steps allows.")

    def span(self, grid: bool, extent: int, g0: int, g1: int, g2: int) -> tuple[int, int, int]:
        """A thread's share of 0..extent-1, strided over the threads that exist in its scope."""
        ids, sizes = (g0, g1, g2), self.shape
        if not grid:
            starts = tuple(g // b * b for g, b in zip(ids, self.block, strict=True))
            sizes = tuple(min(b, s - o) for b, s, o in zip(self.block, self.shape, starts, strict=True))
            ids = tuple(g - o for g, o in zip(ids, starts, strict=True))
        place = (ids[0] * sizes[1] + ids[1]) * sizes[2] + ids[2]
        return place, extent, sizes[0] * sizes[1] * sizes[2]

    def go(self) -> None:
        """All blocks, in order."""
        thread = self.program.make(self)
        if 0 in self.shape:
            return
        for block in product(*(range(n) for n in self.grid)):
            shared = [allocate(t) for t in self.program.shared]
            if self.watch is not None:
                self.watch.enter(shared)
            if self.program.waiting:
                self.wait_for_all(thread, block, shared)
                continue
            for ids, local, lane in self.threads(block):
                try:
                    thread(*ids, *local, lane % self.subgroup, shared, [self.exists(ids)])
                except Failed as failed:
                    self.note(ids, failed)

    def exists(self, ids: Extents) -> bool:
        """Whether a thread is one of the launch's."""
        return all(g < s for g, s in zip(ids, self.counts, strict=True))

    def threads(self, block: Sequence[int]) -> Iterator[tuple[Extents, Extents, int]]:
        """Ids, local ids and number of the threads of a block that are to run, in linear order."""
        (b0, b1, b2), (s0, s1, s2) = self.block, self.counts
        o0, o1, o2 = block[0] * b0, block[1] * b1, block[2] * b2
        if self.program.team:
            s0, s1, s2 = o0 + b0, o1 + b1, o2 + b2
        for l0 in range(min(b0, s0 - o0)):
            for l1 in range(min(b1, s1 - o1)):
                number = (l0 * b1 + l1) * b2
                for l2 in range(min(b2, s2 - o2)):
                    yield (o0 + l0, o1 + l1, o2 + l2), (l0, l1, l2), number + l2

    def wait_for_all(self, thread: Callable[..., Any], block: Sequence[int], shared: list[Any]) -> None:
        """Run a block's threads from one common op to the next."""
        running: list[tuple[_Thread, Any]] = []
        for ids, local, number in self.threads(block):
            alive = [self.exists(ids)]
            steps = thread(*ids, *local, number % self.subgroup, shared, alive)
            running.append((_Thread(ids, number, steps, alive), None))
        while running:
            places: set[int] = set()
            ended = 0
            waiting: list[tuple[_Thread, Request]] = []
            for one, value in running:
                try:
                    place, given, amount = one.steps.send(value)
                except StopIteration:
                    ended += 1
                except Failed as failed:
                    self.note(one.ids, failed)
                else:
                    places.add(place)
                    waiting.append((one, (one.number, given, amount)))
            if waiting and (ended or len(places) > 1):
                self.refuse([self.program.waits[place] for place in places])
            if not waiting:
                return
            op = self.program.waits[places.pop()]
            results = self.together(op, waiting)
            if self.watch is not None and op.traits & SYNC:
                self.watch.barrier([one.ids for one, _ in waiting])
            running = [(one, result) for (one, _), result in zip(waiting, results, strict=True)]

    def together(self, op: Op, waiting: Sequence[tuple[_Thread, Request]]) -> list[Any]:
        """What each thread gets from an op; those that are not active bring nothing to sums and the like."""
        if op.name == "message.rescue":
            return self.rescue(op, [one for one, _ in waiting])
        if not self.program.team or op.name in _FOR_ALL or op.attributes.get("whole"):
            requests = [request for _, request in waiting]
            return together(op, requests, self.subgroup, self.rescues or self.lowest is not None)
        found = together(op, [r for one, r in waiting if one.alive[0]], self.subgroup)
        results = iter(found)
        if op.name == "grid.block_reduce":  # they see the same, so that they take the same ways
            return (found[:1] or [type(waiting[0][1][1])()]) * len(waiting)
        return [next(results) if one.alive[0] else request[1] for one, request in waiting]

    def rescue(self, op: Op, threads: Sequence[_Thread]) -> list[int]:
        """Make a block's threads active again; the lowest site where one of them failed, or each its own."""
        sites = [self.lost.pop(one.ids, NO_SITE) for one in threads]
        for one in threads:
            one.alive[0] = self.exists(one.ids)
        return sites if op.attributes.get("own") else [min(sites)] * len(sites)

    def refuse(self, ops: list[Op]) -> NoReturn:
        """Threads of one block stand at different ops."""
        places = " and ".join(sorted({f"{op.name} at {op.span}" for op in ops}))
        raise UserError(
            f"some threads of a block wait at {places} and others never come. "
            "Let all threads of the block pass the same barriers and block operations."
        )

    def note(self, ids: Extents, failed: Failed) -> None:
        """Keep the failure of the lowest thread."""
        number = self.linear(ids)
        if self.lowest is None or number < self.lowest[0]:
            self.lowest = number, ids, failed

    def write(self, stdout: TextIO | None) -> None:
        """Print what the threads printed, in thread order."""
        text = "".join(line for _, _, line in sorted(self.printed))
        if text:
            print(text, end="", file=stdout)

    def report(self) -> None:
        """Raise the race that was found, else the fault of the lowest failing thread."""
        if self.watch is not None and self.watch.race is not None:
            raise self.raced(self.watch.race)
        if self.lowest is not None:
            _, ids, failed = self.lowest
            site: Site = self.program.sites[failed.site]
            raise fault(site, failed.values, ids[: self.rank])

    def raced(self, found: Race) -> KernelFault:
        """The error of a race."""
        first, second = found.earlier, found.later
        places = (first.access.span, first.access.verb), (second.access.span, second.access.verb)
        threads = first.thread[: self.rank], second.thread[: self.rank]
        return race(second.access.array, found.indices, threads, places)
