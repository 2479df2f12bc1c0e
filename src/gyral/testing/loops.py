"""Loops of actors as kernels of the suite: launched on a world's arrays until nothing waits in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gyral.actors.declare import kind_of
from gyral.actors.dispatch import Dispatch
from gyral.actors.supersteps import begin, inner_lanes, is_waiting, lanes_of
from gyral.actors.world import World
from gyral.compiler.frontend.lower import lower_resident
from gyral.compiler.frontend.program import ResidentProgram
from gyral.compiler.interp.launch import Interpreter
from gyral.core import wire
from gyral.core.artifact import Artifact, Site
from gyral.core.caps import Capabilities
from gyral.core.dtypes import StructType
from gyral.jit.loop import Loop
from gyral.jit.programs import Programs
from gyral.jit.specialise import Spec
from gyral.runtime.device import Device, current_device
from gyral.runtime.elements import numpy_of

ENDLESS = 0xFFFFFFFF
MOST_LAUNCHES = 200

Step = Callable[[], None]


class LoopKernel:
    """A loop by the classes of its actors; `kernel[shape](*arrays)` runs it on the device in scope.

    With `way` "batched" it goes in supersteps, with "threads" each launch until it is idle.
    """

    def __init__(self, classes: Sequence[type], messages: Sequence[type], way: str = "batched") -> None:
        self.kinds = tuple(kind_of(cls) for cls in classes)
        self.messages = {one.__gyral_struct__: number for number, one in enumerate(messages, 1)}
        self.block = (self.kinds[0].block,)
        spelling = " ".join(kind.spelling() for kind in self.kinds)
        pairs = [(kind.python, kind.arrays) for kind in self.kinds]
        self._loop = Loop(pairs, self.messages, self.block, spelling, self._program, way)
        self._loaded: dict[Device, Any] = {}

    def __getitem__(self, key: Any) -> Callable[..., None]:
        return self._launch

    def spec(self, kind: str, capabilities: Capabilities) -> Spec:
        """What a device of a kind compiles."""
        return self._loop.spec(kind, capabilities)

    def artifact(self, spec: Spec) -> tuple[Any, Artifact]:
        """The compiled loop, as `Kernel.artifact` gives that of kernels."""
        return None, Programs("loop", self._loop, 1).artifact(spec)

    @property
    def interpret(self) -> _Interpreted:
        """The same in the interpreter."""
        return _Interpreted(self)

    @cached_property
    def interpreter(self) -> Interpreter:
        """The loop ready to be interpreted."""
        return Interpreter(lower_resident(self._loop.program()), check=True)

    def _program(self) -> Any:
        return ResidentProgram(tuple(kind.role() for kind in self.kinds), self.messages, self.block)

    def _launch(self, *arrays: Any) -> None:
        device = current_device()
        if device not in self._loaded:
            self._loaded[device] = self._loop.load(device)
        dispatch = Dispatch(device, self._loaded[device], arrays, int(arrays[0][wire.SYS_WORKERS]))

        def step() -> None:
            for number, array in enumerate(arrays):
                dispatch.put(number, array)
            dispatch.run(ENDLESS, 1)
            for number, array in enumerate(arrays):
                dispatch.get(number, array)
            dispatch.wait()

        until_rest(arrays[0], step)
        name_sites(arrays[0], self._loaded[device].signature.sites)


class _Interpreted:
    """What `kernel.interpret` gives."""

    def __init__(self, kernel: LoopKernel) -> None:
        self._kernel = kernel

    def __getitem__(self, key: Any) -> Callable[..., None]:
        return self._launch

    def _launch(self, *arrays: Any) -> None:
        kernel = self._kernel
        shape = (int(arrays[0][wire.SYS_WORKERS]) * kernel.block[0],)
        until_rest(arrays[0], lambda: kernel.interpreter.run(shape, kernel.block, [*arrays, ENDLESS, 1]))
        name_sites(arrays[0], kernel.interpreter.program.sites)


def until_rest(arena: Any, step: Step) -> None:
    """Launch again and again until nothing waits; AssertionError when it goes on and on."""
    for _ in range(MOST_LAUNCHES):
        begin(arena)
        step()
        if not is_waiting(arena):
            return
    raise AssertionError(f"messages are still under way after {MOST_LAUNCHES} launches")


def name_sites(arena: Any, sites: Sequence[Site]) -> None:
    """Put lines in the place of sites, which every compiler numbers its own way."""
    at, count = int(arena[wire.SYS_CONTROL_AT]), int(arena[wire.SYS_CAPACITY])
    controls = arena[at : at + count * wire.CONTROL_WORDS].reshape(count, wire.CONTROL_WORDS)
    for control in controls:
        if control[wire.CT_ERROR_SITE]:
            control[wire.CT_ERROR_SITE] = sites[int(control[wire.CT_ERROR_SITE]) - 1].span.line
    for lane in lanes_of(arena)[inner_lanes(arena) :]:
        start, stride = int(lane[wire.LN_SLOTS_AT]), int(lane[wire.LN_STRIDE])
        for position in range(int(lane[wire.LN_TAIL])):
            entry = arena[start + position * stride :][:stride]
            if entry[wire.EV_CODE] == wire.EVENT_FAILED:
                entry[wire.EV_DETAIL] = sites[int(entry[wire.EV_DETAIL])].span.line
    at, words = int(arena[wire.SYS_CELL_AT]), int(arena[wire.SYS_CELL_WORDS])
    for number in range(int(arena[wire.SYS_CELLS])):
        cell = arena[at + number * words :][:words]
        if cell[wire.CE_KIND] == wire.REPLY_FAILED:
            cell[wire.CE_DETAIL] = sites[int(cell[wire.CE_DETAIL])].span.line


def message(name: str, **fields: Any) -> Any:
    """A class that stands for a message in annotations."""
    struct = StructType(name, tuple(fields.items()))
    return type(name, (), {"__gyral_struct__": struct, "__gyral_message__": True})


class Colony:
    """A world of a kernel's actors before anything ran, filled by the host's side of the protocol."""

    def __init__(
        self, kernel: LoopKernel, workers: int, rows: Sequence[int], pools: int = 64, **sizes: int
    ) -> None:
        self.kernel = kernel
        geometry = wire.Geometry(
            workers, sum(rows), len(rows), **{"stride": 32, "depth": 32, "urgent_depth": 16, "out_depth": 32,
            "cells": 8, "held_room": 16, "list_room": 16} | sizes,
        )  # fmt: skip
        sized = {
            (number, one.name): pools
            for number, kind in enumerate(kernel.kinds)
            for one in kind.fields
            if one.kind == "buffer"
        }
        self.world = World(geometry, kernel.kinds, rows, sized)
        self._armed = 0
        starts = np.cumsum([0, *rows])
        for number, count in enumerate(rows):
            for row in range(count):
                control = self.world.control(int(starts[number]) + row)
                control[wire.CT_GENERATION], control[wire.CT_CLASS], control[wire.CT_ROW] = 1, number, row

    def live(self, slot: int, **fields: Any) -> tuple[int, int]:
        """Let an actor take messages, with some of its fields set; its reference."""
        control = self.world.control(slot)
        control[wire.CT_STATE] = wire.ACTIVE
        records = self.world.tables[int(control[wire.CT_CLASS])].records
        for name, value in fields.items():
            records[name][int(control[wire.CT_ROW])] = value
        return slot, 1

    def offer(self, slot: int) -> None:
        """Leave a slot to actors that handlers spawn."""
        self.world.give_slot(int(self.world.control(slot)[wire.CT_CLASS]), slot)

    def tell(
        self,
        slot: int,
        kind: Any,
        *values: Any,
        priority: int = 0,
        key: int = 0,
        deadline: int = 0,
        ask: bool = False,
    ) -> None:
        """Send a message from the host. Keys and deadlines have 32 bits here."""
        world, g = self.world, self.world.geometry
        struct = kind.__gyral_struct__
        payload = np.zeros(1, numpy_of(struct))
        payload[0] = values
        words = np.frombuffer(payload.tobytes().ljust(-(-struct.itemsize // 4) * 4, b"\0"), np.uint32)
        extended = bool(key or deadline)
        begins = wire.EXTENDED_WORDS if extended else wire.HEADER_WORDS
        header = world.lanes[g.lane(slot % g.workers, 0, priority)]
        tail = int(header[wire.LN_TAIL])
        at = int(header[wire.LN_SLOTS_AT]) + (tail & int(header[wire.LN_MASK])) * g.stride
        entry = world.arena[at : at + g.stride]
        entry[:] = 0
        flags = wire.EXTENDED * extended | wire.ASKED * ask
        entry[wire.KIND] = wire.kind_of(self.kernel.messages[struct], len(words), flags)
        entry[wire.DEST], entry[wire.SOURCE] = slot, wire.HOST
        entry[wire.GENS] = 1 | wire.HOST_GENERATION << 16
        if extended:
            entry[wire.DEADLINE_LO], entry[wire.KEY_LO] = deadline, key
        if ask:
            entry[wire.CORR] = self._arm()
        entry[begins : begins + len(words)] = words
        entry[wire.STAMP] = header[wire.LN_TAIL] = tail + 1
        world.sent[priority * (g.workers + 1), slot] += 1

    def arguments(self) -> list[Any]:
        """The arrays of the loop."""
        return self.world.arguments()

    def _arm(self) -> int:
        number, self._armed = self._armed, self._armed + 1
        generation = number + 1
        at = self.world.at["cell"] + number * self.world.geometry.cell_words
        self.world.arena[at + wire.CE_STATE] = generation << 2 | wire.CELL_ARMED
        return number | generation << wire.CELL_BITS
