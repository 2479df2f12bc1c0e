"""What keeps a simulation stepping on its device: resident threads in host memory, else launches.

Both stop at a step that all blocks have reached and none has gone beyond; then the memory may be looked at
and changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gyral.actors.board import (
    AHEAD,
    BLOCKS,
    COMMAND,
    DONE,
    HALT,
    HALTED,
    LEVEL,
    LIMIT,
    LINE,
    RUN,
    TARGET,
    words_for,
)
from gyral.actors.crew import Crew
from gyral.core import context
from gyral.core.driver import Launch
from gyral.jit.batch import Batch
from gyral.jit.kernel import Kernel
from gyral.jit.member import Member
from gyral.runtime.array import DeviceArray, empty
from gyral.runtime.create import zeros
from gyral.runtime.device import Device

WRAP = 1 << 32
SPINS = 1 << 16
"""Looks at a neighbour's counter before a CPU thread lets others have its processor: about a ms."""
DEVICE_SPINS = 1 << 24
"""The same on a device that has nothing else to do."""
MEMBERS = 32
"""Steps of one recorded batch."""
SLICE = 0.05
"""Seconds of work that is queued at a time, after which a pause is heard."""
LONGEST = 1.0
"""The same where a launch stays for many steps."""


class Stepper(Protocol):
    """A simulation's blocks, and the memory of its fields on their device."""

    way: str
    launches: int

    def run(self, steps: int) -> None:
        """Let the blocks take so many steps."""
        ...

    def halt(self) -> None:
        """Let the blocks stop at the next step that all of them can reach."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until they have stopped, for so long at most."""
        ...

    @property
    def done(self) -> int:
        """Steps done, modulo 2**32."""
        ...

    @property
    def level(self) -> int:
        """The level that holds the newest state; the blocks have stopped."""
        ...

    def values(self, scalars: Sequence[Any]) -> None:
        """Take other scalars from the next run on."""
        ...

    def read(self, array: Any, start: int, size: int) -> NDArray[Any]:
        """Elements of an array of `memory`: a view of host memory, else a copy."""
        ...

    def write(self, array: Any, start: int, values: NDArray[Any]) -> None:
        """Set elements of an array of `memory`."""
        ...

    def continue_at(self, steps: int) -> None:
        """Count on from another number of steps; nothing has run yet."""
        ...

    def abandon(self) -> None:
        """Let the threads end by themselves."""
        ...

    def close(self) -> None:
        """Let the threads end, which have come to rest."""
        ...


class Resident:
    """A thread per block that stays in the compiled loop, with the GIL released; asleep when all is done."""

    way = "resident"

    def __init__(self, device: Device, kernel: Kernel, table: NDArray[Any], blocks: int, ahead: int) -> None:
        self.launches = 0
        self._entries: list[tuple[Any, Launch]] = []
        self._device, self._kernel, self._blocks = device, kernel, blocks
        self._table = table
        self._words = aligned(words_for(blocks), np.dtype(np.uint32))
        _begin(self._words, ahead, 0)
        self._crew = Crew(f"gyral-{kernel.name}", blocks, self._enter)
        self._arrays: list[Any] = []

    def take(self, arrays: Sequence[Any], scalars: Sequence[Any]) -> None:
        """The arguments behind those of the loop. CompileError for a step that cannot be compiled."""
        self._arrays = list(arrays)
        self.values(scalars)

    def values(self, scalars: Sequence[Any]) -> None:
        """Take other scalars from the next run on."""
        scope = replace(context.current(), recorder=None)
        width = self._kernel.block_for(None, 1)
        self._entries = []
        for block in range(self._blocks):
            given = (self._words, self._table, block, SPINS, *self._arrays, *scalars)
            ready = Member(block, self._kernel, width, None, given, scope, self._device).prepare()
            self._entries.append((ready.program, replace(ready.launch(), limited=True)))

    def make(self, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Memory for an array, zeros."""
        return aligned(count, dtype)

    def run(self, steps: int) -> None:
        """Let the blocks take so many steps."""
        self._words[TARGET] = (self.done + steps) % WRAP
        self._words[HALTED] = 0
        self._words[COMMAND] = RUN
        self.launches += 1
        self._crew.start()

    def halt(self) -> None:
        """Let the blocks stop where the leader has allowed them to go."""
        self._words[COMMAND] = HALT

    def wait(self, timeout: float | None = None) -> bool:
        """Block until they have stopped, for so long at most."""
        return self._crew.wait(timeout)

    @property
    def done(self) -> int:
        """Steps that block 0 has done, modulo 2**32."""
        return int(self._words[BLOCKS + DONE])

    @property
    def level(self) -> int:
        """The level that holds the newest state."""
        return int(self._words[BLOCKS + LEVEL])

    def read(self, array: NDArray[Any], start: int, size: int) -> NDArray[Any]:
        """A view of elements."""
        return array[start : start + size]

    def write(self, array: NDArray[Any], start: int, values: NDArray[Any]) -> None:
        """Set elements."""
        array[start : start + values.size] = values

    def continue_at(self, steps: int) -> None:
        """Count on from another number of steps; nothing has run yet."""
        _begin(self._words, int(self._words[AHEAD]), steps)

    def abandon(self) -> None:
        """Let the threads end at the next step they stop at."""
        self.halt()
        self._crew.close()

    def close(self) -> None:
        """Let the threads end, which have come to rest."""
        self._crew.close()
        self._crew.join()
        self._entries = []

    def _enter(self, block: int) -> bool:
        program, launch = self._entries[block]
        self._device.driver.launch(None, program, launch)
        words = self._words
        at = words[BLOCKS + block * LINE + DONE]
        return bool(at == words[TARGET] or (words[HALTED] and at == words[LIMIT]))


class Launched:
    """Launches on a device with memory of its own, from one thread.

    Where a launch's blocks see each other's writes it stays for many steps; elsewhere ("batched") each step
    is one of a recorded batch.
    """

    def __init__(
        self,
        device: Device,
        kernel: Kernel,
        table: NDArray[Any],
        blocks: int,
        ahead: int,
        resident: bool,
    ) -> None:
        self.way = "resident" if resident else "batched"
        self.launches = 0
        self._device, self._kernel, self._blocks, self._resident = device, kernel, blocks, resident
        self._mirror = np.zeros(words_for(blocks), np.uint32)
        _begin(self._mirror, ahead, 0)
        self._words = empty(self._mirror.size, np.uint32, device=device)
        self._words.copy_from(self._mirror)
        self._table = empty(table.size, np.uint32, device=device).copy_from(table)
        self._batch = Batch()
        self._arrays: list[Any] = []
        self._goal = 0
        self._chunk = ahead if resident else MEMBERS
        self._halting = False
        self._crew = Crew(f"gyral-{kernel.name}", 1, self._enter)

    def take(self, arrays: Sequence[Any], scalars: Sequence[Any]) -> None:
        """The arguments behind those of the loop. CompileError for a step that cannot be compiled."""
        self._arrays = list(arrays)
        self.values(scalars)

    def values(self, scalars: Sequence[Any]) -> None:
        """Take other scalars from the next run on."""
        batch = Batch()
        threads = self._blocks * self._kernel.block_for(None, 1)[0]
        spins = DEVICE_SPINS if self._resident else 0
        for _ in range(1 if self._resident else MEMBERS):
            batch.add(self._kernel, threads, self._words, self._table, 0, spins, *self._arrays, *scalars)
        self._batch = batch.build()

    def make(self, count: int, dtype: np.dtype[Any]) -> DeviceArray:
        """Memory for an array, zeros."""
        return zeros(count, dtype, device=self._device)

    def run(self, steps: int) -> None:
        """Let the blocks take so many steps."""
        self._goal = (self.done + steps) % WRAP
        self._halting = False
        self._crew.start()

    def halt(self) -> None:
        """Let the blocks stop after what is queued."""
        self._halting = True

    def wait(self, timeout: float | None = None) -> bool:
        """Block until they have stopped, for so long at most."""
        return self._crew.wait(timeout)

    @property
    def done(self) -> int:
        """Steps done when the device was last looked at, modulo 2**32."""
        return int(self._mirror[BLOCKS + DONE])

    @property
    def level(self) -> int:
        """The level that holds the newest state."""
        return int(self._mirror[BLOCKS + LEVEL])

    def read(self, array: DeviceArray, start: int, size: int) -> NDArray[Any]:
        """A copy of elements."""
        return array[start : start + size].numpy()

    def write(self, array: DeviceArray, start: int, values: NDArray[Any]) -> None:
        """Set elements."""
        array[start : start + values.size].copy_from(values)

    def continue_at(self, steps: int) -> None:
        """Count on from another number of steps; nothing has run yet."""
        _begin(self._mirror, int(self._mirror[AHEAD]), steps)
        self._words.copy_from(self._mirror)

    def abandon(self) -> None:
        """Let the thread end after what is queued."""
        self.halt()
        self._crew.close()

    def close(self) -> None:
        """Let the thread end, and let go of the device's memory."""
        self._crew.close()
        self._crew.join()
        self._batch.close()

    def _enter(self, worker: int) -> bool:
        left = (self._goal - self.done) % WRAP
        if not left or self._halting:
            return True
        steps = min(left, self._chunk)
        target = (self.done + steps) % WRAP
        self._mirror[TARGET] = target
        self._words[:LINE].copy_from(self._mirror[:LINE])
        began = time.perf_counter()
        dones = self._mirror[BLOCKS + DONE :: LINE]
        # A block that waited too long leaves a resident launch early, and goes on in the next.
        while np.any(dones != target):
            for _ in range(1 if self._resident else -(-steps // MEMBERS)):
                self._batch()
                self.launches += 1 if self._resident else MEMBERS
            self._words.copy_to(self._mirror)
        took = time.perf_counter() - began
        if steps == self._chunk and took < (LONGEST if self._resident else SLICE) / 2:
            self._chunk *= 2
        return False


def aligned(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros that begin a cache line."""
    memory = np.zeros(count * dtype.itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + count * dtype.itemsize].view(dtype)


def _begin(words: NDArray[Any], ahead: int, started: int) -> None:
    """Set a board up after so many steps, the newest state in level 0."""
    words[TARGET] = words[LIMIT] = started % WRAP
    words[AHEAD] = ahead
    words[BLOCKS + DONE :: LINE] = started % WRAP
