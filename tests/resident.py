"""Resident actors in small worlds of words: the loop run step by step, interpreted or as machine code.

A `World` is the host's side of an arena (`core.wire`) in plain Python: it lays it out, sends, takes records,
and lets one worker or all of them run. Nothing here is shared with the native module that does so in earnest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from gyral.compiler import pipeline
from gyral.compiler.emit.llvm.program import ENTRY, emit
from gyral.compiler.frontend.lower import lower_resident
from gyral.compiler.frontend.program import ActorClass, ResidentProgram
from gyral.compiler.interp.launch import Interpreter
from gyral.core import wire
from gyral.core.artifact import Artifact, CompileOptions, Site
from gyral.core.driver import Bits, Launch, Pointer
from gyral.core.dtypes import StructType
from gyral.drivers.cpu.driver import CpuDriver
from gyral.jit.machine import host, image_of
from gyral.jit.records import new_record
from gyral.runtime.elements import numpy_of

Engine = Literal["interpreter", "cpu"]
ENGINES: tuple[Engine, ...] = ("interpreter", "cpu")
PLENTY = 1 << 31


class Loop:
    """A program's loop, made ready to run for one engine."""

    def __init__(self, program: ResidentProgram, engine: Engine) -> None:
        self.program = program
        self.engine = engine

    @cached_property
    def _interpreter(self) -> Interpreter:
        return Interpreter(lower_resident(self.program), check=True)

    @cached_property
    def compiled(self) -> tuple[CpuDriver, Any, Any]:
        """The driver, the loaded program and its signature."""
        arrays = 1 + sum(1 + len(cls.arrays) for cls in self.program.classes)
        options = CompileOptions(
            check="on", block=self.program.block, noalias=True, unit_stride=(True,) * arrays
        )
        module = pipeline.run(lower_resident(self.program), options, pipeline.CPU, verify=True)
        emitted = emit(module, options, host())
        code, start = image_of(emitted.text, ENTRY)
        driver = CpuDriver()
        return driver, driver.load(Artifact("cpu-image", code, start, emitted.signature)), emitted.signature

    @property
    def sites(self) -> Sequence[Site]:
        """Where checks may fail."""
        return self._interpreter.program.sites if self.engine == "interpreter" else self.compiled[2].sites

    def run(self, workers: int, arrays: Sequence[np.ndarray], budget: int, spins: int) -> None:
        """Let every worker's loop run once."""
        shape = (workers * self.program.block[0],)
        if self.engine == "interpreter":
            self._interpreter.run(shape, self.program.block, [*arrays, budget, spins])
            return
        driver, program, signature = self.compiled
        pointers = [Pointer(a.__array_interface__["data"][0], a.shape, a.strides) for a in arrays]
        record = new_record(signature) if signature.needs_record else None
        driver.launch(None, program, Launch(shape, (*pointers, Bits(budget), Bits(spins)), record=record))


_loops: dict[tuple[int, Engine], Loop] = {}


def loop_of(program: ResidentProgram, engine: Engine) -> Loop:
    """The loop of a program, compiled once."""
    return _loops.setdefault((id(program), engine), Loop(program, engine))


@dataclass(frozen=True, slots=True)
class Message:
    """A message as words, on its way or taken."""

    type: int
    dest: int
    source: int
    generations: int
    correlation: int
    clock: int
    payload: bytes
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A record that a worker left for the host; the detail of a failed check is its kind and line."""

    code: int
    actor: int
    detail: int | tuple[str, int]
    generation: int
    message: Message


class Full(Exception):
    """The host's lane to a worker has no free slot."""


@dataclass
class World:
    """One arena and the memory of its actors. `geometry` says how large it is."""

    program: ResidentProgram
    engine: Engine
    geometry: wire.Geometry
    batch: int = 64
    route: int = 0
    start: int = 0
    arena: np.ndarray = field(init=False)
    memory: list[list[np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        self.loop = loop_of(self.program, self.engine)
        self.at = self.geometry.offsets()
        self.arena = np.zeros(self.at["end"], np.uint32)
        rows = 2 * self.geometry.capacity
        self.memory = [
            [np.zeros(rows, numpy_of(cls.record))]
            + [np.zeros((rows, *one.shape) if one.shape else 1024, numpy_of(one.type)) for one in cls.arrays]
            for cls in self.program.classes
        ]
        self._system()
        self._lanes()

    def _system(self) -> None:
        g, a = self.geometry, self.arena
        a[wire.SYS_MAGIC], a[wire.SYS_VERSION] = wire.MAGIC, wire.VERSION
        a[wire.SYS_WORKERS], a[wire.SYS_PRIORITIES] = g.workers, g.priorities
        a[wire.SYS_CAPACITY], a[wire.SYS_STRIDE], a[wire.SYS_ROUTE] = g.capacity, g.stride, self.route
        places = {
            wire.SYS_WORKER_AT: "worker", wire.SYS_LANE_AT: "lane", wire.SYS_OUT_AT: "out",
            wire.SYS_CLASS_AT: "class", wire.SYS_CELL_AT: "cell", wire.SYS_CONTROL_AT: "control",
            wire.SYS_SENT_AT: "sent", wire.SYS_DONE_AT: "done", wire.SYS_HELD_AT: "held",
            wire.SYS_DEDUP_AT: "dedup",
        }  # fmt: skip
        for word, name in places.items():
            a[word] = self.at[name]
        a[wire.SYS_CELLS] = g.cells
        a[wire.SYS_CELL_WORDS], a[wire.SYS_HELD_ROOM], a[wire.SYS_BATCH] = (
            g.cell_words, g.held_room, self.batch,
        )  # fmt: skip
        a[wire.SYS_DEDUP], a[wire.SYS_LANES] = g.dedup, g.priorities * (g.workers + 1)
        for number in range(g.classes):
            block = self.at["class"] + number * wire.CLASS_WORDS
            a[block + wire.CL_LIST_AT] = self.at["list"] + number * g.list_room
            a[block + wire.CL_MASK] = g.list_room - 1

    def _lanes(self) -> None:
        g, slots = self.geometry, self.at["slots"]
        for lane in range(g.lanes + g.workers):
            header = self.at["lane"] + lane * wire.LANE_WORDS
            out = lane >= g.lanes
            depth, stride = (g.out_depth, g.event_stride) if out else (g.lane_depth(lane), g.stride)
            if lane == g.lanes:
                slots = self.at["events"]
            words = self.arena[header : header + wire.LANE_WORDS]
            words[wire.LN_SLOTS_AT], words[wire.LN_MASK], words[wire.LN_STRIDE] = slots, depth - 1, stride
            for word in (wire.LN_TAIL, wire.LN_SEEN, wire.LN_HEAD, wire.LN_LIMIT, wire.LN_ROOM):
                words[word] = self.start & wire.NONE
            for position in range(self.start - depth, self.start):  # as the lap before left them
                self.arena[slots + (position & depth - 1) * stride] = position + 1 & wire.NONE
            slots += depth * stride

    # The parts of the arena.

    def worker(self, number: int) -> np.ndarray:
        """A worker's block."""
        return self.arena[self.at["worker"] + number * wire.WORKER_WORDS :][: wire.WORKER_WORDS]

    def lane(self, number: int) -> np.ndarray:
        """A lane's header; out-lanes are numbered on."""
        return self.arena[self.at["lane"] + number * wire.LANE_WORDS :][: wire.LANE_WORDS]

    def control(self, slot: int) -> np.ndarray:
        """An actor's control block."""
        return self.arena[self.at["control"] + slot * wire.CONTROL_WORDS :][: wire.CONTROL_WORDS]

    def cell(self, number: int) -> np.ndarray:
        """A reply cell."""
        return self.arena[self.at["cell"] + number * self.geometry.cell_words :][: self.geometry.cell_words]

    def arrays(self) -> list[np.ndarray]:
        """The loop's arrays, in order of its parameters."""
        return [self.arena, *(one for memory in self.memory for one in memory)]

    def record(self, slot: int) -> Any:
        """The fields of an actor that stand in its class's record."""
        control = self.control(slot)
        return self.memory[int(control[wire.CT_CLASS])][0][int(control[wire.CT_ROW])]

    # What the host does.

    def spawn(
        self, slot: int, cls: int = 0, *, state: int = wire.ACTIVE, generation: int = 1, **fields: Any
    ) -> int:
        """Make an actor in a slot."""
        control = self.control(slot)
        control[wire.CT_STATE], control[wire.CT_GENERATION] = state, generation
        control[wire.CT_CLASS], control[wire.CT_ROW] = cls, slot
        for name, value in fields.items():
            self.record(slot)[name] = value
        return slot

    def offer(self, cls: int, slots: Sequence[int], generation: int = 1) -> None:
        """Give a class slots for actors that handlers spawn."""
        block = self.at["class"] + cls * wire.CLASS_WORDS
        for slot in slots:
            self.spawn(slot, cls, state=wire.FREE, generation=generation)
            given = int(self.arena[block + wire.CL_GIVEN])
            self.arena[self.at["list"] + cls * self.geometry.list_room + given] = slot
            self.arena[block + wire.CL_GIVEN] = given + 1

    def ref(self, slot: int) -> tuple[int, int]:
        """A reference to an actor of this world, or to the host."""
        if slot == wire.HOST:
            return slot, wire.HOST_GENERATION | self.route << 16
        return slot, int(self.control(slot)[wire.CT_GENERATION]) | self.route << 16

    def arm(self, cell: int, generation: int, waiter: int = 0) -> int:
        """Arm a reply cell; the correlation to send."""
        words = self.cell(cell)
        words[wire.CE_WAITER] = waiter
        words[wire.CE_STATE] = generation << 2 | wire.CELL_ARMED
        return cell | generation << wire.CELL_BITS

    def tell(
        self, dest: int, message: StructType, *values: Any, correlation: int | None = None, priority: int = 0,
        generation: int | None = None, deadline: int = 0, key: int = 0, clock: int = 0,
    ) -> None:  # fmt: skip
        """Send from the host; `Full` when the lane is."""
        g = self.geometry
        header = self.lane(g.lane(dest % g.workers, 0, priority))
        tail, depth = int(header[wire.LN_TAIL]), int(header[wire.LN_MASK]) + 1
        if (tail - int(header[wire.LN_HEAD])) & wire.NONE >= depth:
            raise Full
        at = int(header[wire.LN_SLOTS_AT]) + (tail & depth - 1) * g.stride
        body = np.zeros(1, numpy_of(message))
        body[0] = values
        words = np.frombuffer(body.tobytes() + bytes(-message.itemsize % 4), np.uint32)
        flags = 0 if correlation is None else wire.ASKED
        slot = self.arena[at : at + g.stride]
        begin = wire.HEADER_WORDS
        if deadline or key:
            flags |= wire.EXTENDED
            begin = wire.EXTENDED_WORDS
            slot[wire.DEADLINE_LO : wire.CHECKSUM + 1] = (
                deadline & wire.NONE, deadline >> 32, key & wire.NONE, key >> 32, 0,
            )  # fmt: skip
        assert begin + len(words) <= g.stride
        actual = int(self.control(dest)[wire.CT_GENERATION]) if generation is None else generation
        slot[wire.KIND] = wire.kind_of(self.program.messages[message], len(words), flags)
        slot[wire.DEST], slot[wire.SOURCE] = dest, wire.HOST
        slot[wire.GENS] = actual | wire.HOST_GENERATION << 16
        slot[wire.CORR] = correlation or 0
        slot[wire.HLC_LO], slot[wire.HLC_HI] = clock & wire.NONE, clock >> 32
        slot[begin : begin + len(words)] = words
        slot[wire.STAMP] = tail + 1 & wire.NONE
        header[wire.LN_TAIL] = tail + 1 & wire.NONE
        sent = self.at["sent"] + priority * (g.workers + 1) * g.capacity + dest
        self.arena[sent] = int(self.arena[sent]) + 1 & wire.NONE

    def time(self, milliseconds: int) -> None:
        """Publish the time."""
        self.arena[wire.SYS_TIME_LO] = milliseconds & wire.NONE
        self.arena[wire.SYS_TIME_HI] = milliseconds >> 32

    def resume(self, slot: int, state: int = wire.ACTIVE) -> None:
        """Set an actor's state at a message boundary, and let what was put aside for it go on."""
        self.control(slot)[wire.CT_STATE] = state
        self.worker(slot % self.geometry.workers)[wire.WK_RECHECK] = 1

    def step(self, worker: int | None = None, *, budget: int = PLENTY, spins: int = 1) -> int:
        """Run one worker until its loop returns, or all of them; the reason the (last) loop returned for."""
        workers = range(self.geometry.workers)
        for w in workers:
            words = self.worker(w)
            words[wire.WK_COMMAND] = wire.RUN if worker in (None, w) else wire.YIELD
            words[wire.WK_WAKE] = 0
        self.loop.run(self.geometry.workers, self.arrays(), budget, spins)
        return int(self.worker(workers[-1] if worker is None else worker)[wire.WK_REASON])

    def settle(self, limit: int = 1000) -> None:
        """Run all workers in turn until nothing moves any more."""
        before: list[int] = []
        for _ in range(limit):
            for w in range(self.geometry.workers):
                self.step(w)
            now = [int(self.lane(k)[wire.LN_HEAD]) for k in range(self.geometry.lanes)]
            now += [int(self.worker(w)[wire.WK_HANDLED_LO]) for w in range(self.geometry.workers)]
            if now == before:
                return
            before = now
        raise AssertionError(f"the world did not come to rest in {limit} rounds")

    def events(self, worker: int = 0) -> list[Event]:
        """Take all records out of a worker's out-lane."""
        g = self.geometry
        header = self.lane(g.lanes + worker)
        found: list[Event] = []
        head = int(header[wire.LN_HEAD])
        while True:
            entry = int(header[wire.LN_SLOTS_AT]) + (head & int(header[wire.LN_MASK])) * g.event_stride
            words = self.arena[entry : entry + g.event_stride]
            if int(words[wire.EV_STAMP]) != head + 1 & wire.NONE:
                header[wire.LN_HEAD] = head
                return found
            head = head + 1 & wire.NONE
            code, detail = int(words[wire.EV_CODE]), int(words[wire.EV_DETAIL])
            found.append(
                Event(
                    code, int(words[wire.EV_ACTOR]),
                    self.site(detail) if code == wire.EVENT_FAILED else detail,
                    int(words[wire.EV_GENERATION]), message_of(words[wire.EV_MESSAGE :]),
                )
            )  # fmt: skip

    def site(self, number: int) -> int | tuple[str, int]:
        """A failed check as its kind and line; what is no site stays a number."""
        sites = self.loop.sites
        return (sites[number].kind, sites[number].span.line) if number < len(sites) else number

    def places_of_sites(self) -> dict[int, int]:
        """The words of the arena that may name a site, and what was added to it there."""
        g = self.geometry
        places = {
            self.at["control"] + k * wire.CONTROL_WORDS + wire.CT_ERROR_SITE: 1 for k in range(g.capacity)
        }
        places |= {self.at["cell"] + k * g.cell_words + wire.CE_DETAIL: 0 for k in range(g.cells)}
        events = range(self.at["events"], self.at["events"] + g.workers * g.out_depth * g.event_stride)
        return places | {at + wire.EV_DETAIL: 0 for at in events[:: g.event_stride]}

    def lost(self) -> int:
        """How many records found their out-lane full."""
        return sum(int(self.worker(w)[wire.WK_LOST]) for w in range(self.geometry.workers))

    def counts(self, slot: int) -> dict[str, int]:
        """An actor's counters by name, those that are not 0."""
        names = {
            "handled": wire.CT_HANDLED_LO, "dead": wire.CT_DEAD, "expired": wire.CT_EXPIRED,
            "duplicate": wire.CT_DUPLICATE, "failed": wire.CT_FAILED, "sent": wire.CT_SENT,
            "replies": wire.CT_REPLIES, "late": wire.CT_LATE, "nobody": wire.CT_NOBODY,
            "overflows": wire.CT_OVERFLOWS, "held": wire.CT_HELD_COUNT,
        }  # fmt: skip
        control = self.control(slot)
        return {name: int(control[word]) for name, word in names.items() if control[word]}


class Twin:
    """A world run by the interpreter and one run by code, to which the same is done, and which must agree.

    Whatever a method gives is compared, and after each run every word of memory.
    """

    def __init__(self, program: ResidentProgram, geometry: wire.Geometry, **options: Any) -> None:
        self.worlds = [World(program, engine, geometry, **options) for engine in ENGINES]

    def __getattr__(self, name: str) -> Any:
        def forward(*args: Any, **options: Any) -> Any:
            first, second = (getattr(world, name)(*args, **options) for world in self.worlds)
            if name in ("step", "settle"):
                self.agree()
            if not isinstance(first, np.ndarray | np.void):
                assert first == second
            return first

        return forward

    def write(self, part: str, number: int, word: int, value: int) -> None:
        """Write a word of a part of both arenas: "worker", "lane", "control" or "cell"."""
        for world in self.worlds:
            getattr(world, part)(number)[word] = value

    def agree(self) -> None:
        """Compare every byte of memory; sites are numbered by each engine, and are the same lines."""
        one, two = self.worlds
        places = one.places_of_sites()
        for at in np.flatnonzero(one.arena != two.arena).tolist():
            named = [world.site(int(world.arena[at]) - places[at]) for world in self.worlds]
            assert named[0] == named[1], f"word {at}"
        for mine, theirs in zip(one.arrays()[1:], two.arrays()[1:], strict=True):
            assert mine.tobytes() == theirs.tobytes()


def message_of(words: np.ndarray) -> Message:
    """A message from its words."""
    kind = int(words[wire.KIND])
    begin = wire.EXTENDED_WORDS if kind & wire.EXTENDED else wire.HEADER_WORDS
    length = kind >> wire.TYPE_BITS & wire.MAX_PAYLOAD_WORDS
    return Message(
        kind & (1 << wire.TYPE_BITS) - 1, int(words[wire.DEST]), int(words[wire.SOURCE]),
        int(words[wire.GENS]), int(words[wire.CORR]), int(words[wire.HLC_LO]) | int(words[wire.HLC_HI]) << 32,
        words[begin : begin + length].tobytes(), bool(kind & wire.ASKED),
    )  # fmt: skip


def program(classes: Sequence[ActorClass], messages: Sequence[StructType], block: int = 1) -> ResidentProgram:
    """A program whose messages are numbered from 1."""
    numbers: Mapping[StructType, int] = {one: k for k, one in enumerate(messages, 1)}
    return ResidentProgram(tuple(classes), numbers, (block,))
