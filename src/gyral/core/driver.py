"""What a device must be able to do for the runtime: the one protocol behind which drivers stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities


@dataclass(frozen=True, slots=True)
class Pointer:
    """An array argument in device memory: address, extents, and strides in bytes."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bits:
    """A scalar argument: its little-endian bit pattern."""

    value: int


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch, ready to run.

    `record` is host memory for faults and prints, or None. `keep` must stay alive until the launch is done.
    `done`, when given, is called after it, on the thread that ran it; what it raises counts as a failure.
    """

    shape: tuple[int, ...]
    arguments: Sequence[Pointer | Bits]
    record: Any = None
    keep: tuple[Any, ...] = ()
    done: Callable[[], None] | None = None


class Driver(Protocol):
    """One device. Handles (programs, queues, marks) are the driver's own and opaque to others.

    Work put on one queue runs in order. A failure of queued work is raised by the next call that names
    the queue. Errors are those of `core.errors`; anything else that escapes is a fault of the driver.
    """

    @property
    def name(self) -> str:
        """The device's name, such as "cpu" or "cuda:0"."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the device can do."""
        ...

    def allocate(self, nbytes: int) -> Any:
        """Fresh memory, contents undefined, aligned to 64 bytes; DeviceError of kind RESOURCE if none."""
        ...

    def free(self, memory: Any) -> None:
        """Give memory back. No work that uses it may be pending."""
        ...

    def address(self, memory: Any) -> int:
        """The address by which kernels know the memory."""
        ...

    def load(self, artifact: Artifact) -> Any:
        """A program from compiled code; keeps nothing of the artifact."""
        ...

    def queue(self) -> Any:
        """A new ordered queue."""
        ...

    def launch(self, queue: Any, program: Any, launch: Launch) -> None:
        """Put a launch on a queue; with None as queue, run it now and return when it is done."""
        ...

    def copy_in(self, queue: Any, address: int, source: memoryview) -> None:
        """Put a copy from host bytes on a queue; `source` must stay as it is until it ran."""
        ...

    def copy_out(self, queue: Any, target: memoryview, address: int) -> None:
        """Put a copy to host bytes on a queue."""
        ...

    def mark(self, queue: Any) -> Any:
        """A mark behind everything that is on the queue now; `wait` waits for it."""
        ...

    def after(self, queue: Any, mark: Any) -> None:
        """Let what is put on a queue from now on begin after a mark, of this driver, was reached."""
        ...

    def wait(self, mark: Any) -> None:
        """Block until a mark is reached; raises what the work before it raised."""
        ...

    def close(self) -> None:
        """Finish all work and give back everything. Closing twice is harmless."""
        ...
