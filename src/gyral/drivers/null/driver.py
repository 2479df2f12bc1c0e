"""A device that keeps memory and runs nothing: the runtime's cost alone, and a second memory for tests.

Its memory is host memory that it does not admit to, so that arguments travel as they would to a real card.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

from gyral.core.artifact import Artifact, Signature
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch, closed
from gyral.core.errors import StateError


@dataclass(frozen=True, slots=True)
class NullProgram:
    """A program that is not run."""

    signature: Signature


@dataclass(eq=False, slots=True)
class NullQueue:
    """A queue on which everything is done as soon as it is put there."""

    launches: list[Launch] = field(default_factory=list)


class NullDriver:
    """One null device. `launches` holds what was launched, oldest first."""

    def __init__(self, index: int = 0) -> None:
        self.name = f"null:{index}" if index else "null"
        self.capabilities = Capabilities(unified=False, streams=True)
        self.launches: list[Launch] = []
        self._blocks: dict[int, Any] = {}
        self._closed = False

    def allocate(self, nbytes: int) -> int:
        """Memory by its address."""
        self._require_open()
        block = (ctypes.c_ubyte * (nbytes + 64))()
        address = ctypes.addressof(block) + -ctypes.addressof(block) % 64
        self._blocks[address] = block
        return address

    def free(self, memory: int) -> None:
        """Give memory back; StateError when it is not one of ours."""
        if self._blocks.pop(memory, None) is None:
            raise StateError("this memory was freed before")

    def address(self, memory: int) -> int:
        """The memory's address."""
        return memory

    def load(self, artifact: Artifact) -> NullProgram:
        """A program that knows its signature."""
        self._require_open()
        return NullProgram(artifact.signature)

    def queue(self) -> NullQueue:
        """A new queue."""
        self._require_open()
        return NullQueue()

    def launch(self, queue: NullQueue | None, program: NullProgram, launch: Launch) -> None:
        """Note the launch."""
        self._require_open()
        self.launches.append(launch)
        if queue is not None:
            queue.launches.append(launch)

    def copy_in(self, queue: NullQueue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to memory."""
        data = source.cast("B")
        ctypes.memmove(address, data.tobytes(), data.nbytes)

    def copy_out(self, queue: NullQueue | None, target: memoryview, address: int) -> None:
        """Copy memory to host bytes."""
        data = target.cast("B")
        data[:] = ctypes.string_at(address, data.nbytes)

    def mark(self, queue: NullQueue) -> None:
        """Nothing is ever pending."""

    def after(self, queue: NullQueue, mark: None) -> None:
        """Nothing is ever pending."""

    def wait(self, mark: None) -> None:
        """Nothing is ever pending."""

    def wait_until(self, mark: None, seconds: float) -> bool:
        """Every mark is reached."""
        return True

    def abandon(self, queue: NullQueue) -> str:
        """Nothing is ever pending."""
        return "it did nothing"

    def close(self) -> None:
        """Drop all memory. Closing twice is harmless."""
        self._blocks.clear()
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.name)


def open_null(index: int) -> NullDriver:
    """The driver of the index-th null device."""
    return NullDriver(index)


def identity() -> str:
    """Null devices are all alike."""
    return "null"
