"""What a device must be able to do for the runtime: the one protocol behind which drivers stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.errors import StateError


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

    `record` is where faults and prints go, or None: host memory on the CPU, elsewhere a Pointer to u32 words
    in device memory (`core.abi`). `keep` must stay alive until the launch is done.
    `done`, when given, is called after it, on the thread that ran it; what it raises counts as a failure.
    `limited`: it may never end, so nothing is held meanwhile that others need.
    """

    shape: tuple[int, ...]
    arguments: Sequence[Pointer | Bits]
    record: Any = None
    keep: tuple[Any, ...] = ()
    done: Callable[[], None] | None = None
    limited: bool = False


def closed(device: str) -> StateError:
    """The error for what is asked of a device after `close`, and of what was made on it before."""
    return StateError(
        f"{device} is closed, and its arrays, streams and batches are gone with it; "
        f"gy.device({device!r}) opens it anew"
    )


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


@runtime_checkable
class NativeLaunches(Protocol):
    """A driver whose programs the native module launches by itself (`_native.DevicePlan`)."""

    @property
    def launcher(self) -> Any:
        """The `_native.Launcher` of the device."""
        ...

    def serve_thread(self, queue: Any) -> Any:
        """Put the calling thread's native launches on a queue, on none for None; gives what was before."""
        ...

    def entry(self, program: Any) -> tuple[int, int]:
        """A program's function for native launches, and the on-chip bytes it needs besides its own."""
        ...


@runtime_checkable
class Timing(Protocol):
    """A driver that can time its own work."""

    def timed_mark(self, queue: Any) -> Any:
        """A mark that also notes the device's clock when it is reached; `wait` takes it as well."""
        ...

    def elapsed_ms(self, first: Any, second: Any) -> float:
        """Milliseconds of the device's clock between two timed marks that were reached."""
        ...


@runtime_checkable
class HostMemory(Protocol):
    """A driver that copies faster from and to host memory of its own."""

    def pinned(self, nbytes: int) -> memoryview:
        """Host memory that the device reads and writes directly; freed with the last reference."""
        ...


@runtime_checkable
class DeviceCopies(Protocol):
    """A driver that copies and fills without the host."""

    def copy(self, queue: Any, target: int, source: int, nbytes: int) -> None:
        """Put a copy between two addresses of the device on a queue; they do not overlap."""
        ...

    def fill(self, queue: Any, address: int, pattern: bytes, nbytes: int) -> None:
        """Put on a queue: repeat `pattern`, of 1, 2, 4, 8 or 16 bytes, over `nbytes`, a multiple of it."""
        ...


@runtime_checkable
class PeerCopies(Protocol):
    """A driver that copies from other devices of its kind without the host."""

    def copy_peer(self, queue: Any, target: int, other: Driver, source: int, nbytes: int) -> bool:
        """Put a copy from an address of `other` on a queue; False when there is no way from there."""
        ...


@runtime_checkable
class Prefetch(Protocol):
    """A driver that can be told what will be used, and how."""

    def prefetch(self, queue: Any, address: int, nbytes: int) -> None:
        """Bring memory close to the device ahead of its use."""
        ...

    def advise(self, address: int, nbytes: int, pattern: str) -> None:
        """Hint how memory will be used: "sequential", "random", "read_mostly" or "normal"."""
        ...


@runtime_checkable
class External(Protocol):
    """A driver that works in memory of other libraries on the same device."""

    def adopt(self, address: int, nbytes: int) -> Any:
        """Memory (as `allocate` gives, never freed by us) for another library's address."""
        ...

    def queue_of(self, stream: int) -> Any:
        """A queue over another library's stream, by its native handle."""
        ...

    def stream_of(self, queue: Any) -> int:
        """The native handle of a queue, for other libraries."""
        ...


@runtime_checkable
class Deadlines(Protocol):
    """A driver that need not wait for ever."""

    def wait_until(self, mark: Any, seconds: float) -> bool:
        """As `wait`, but for so long at most; whether the mark was reached."""
        ...

    def abandon(self, queue: Any) -> str:
        """Give up a queue whose work does not end; says what became of the device, for the error."""
        ...


@runtime_checkable
class Residence(Protocol):
    """A driver whose launches may stay while the host reads and writes memory that they use."""

    def share(self, block: memoryview) -> int:
        """Let kernels use host memory in place, as long as `unshare` is not called: its address for them."""
        ...

    def unshare(self, block: memoryview) -> None:
        """Take host memory back that no kernel uses any more."""
        ...

    def stay(self, queue: Any, program: Any, launch: Launch) -> None:
        """Put a launch on a queue all of whose blocks run at the same time, however long.

        UnsupportedError when they are too many for that.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One launch of a graph; it begins when the steps of these numbers are done."""

    program: Any
    launch: Launch
    after: tuple[int, ...] = ()


@runtime_checkable
class Graphs(Protocol):
    """A driver that records launches once and replays them at little cost."""

    def record(self, steps: Sequence[Step]) -> Any:
        """A graph of steps, each listed behind those it waits for.

        A graph may have a `run()`, which does at once, at less cost, what `replay(None, graph)` does.
        """
        ...

    def replay(self, queue: Any, graph: Any) -> None:
        """Put all steps of a graph on a queue; with None as queue, run them now."""
        ...

    def replace(self, graph: Any, number: int, launch: Launch) -> None:
        """Give a step other arguments, for the same program and grid, without recording anew.

        They hold for the replays to come; those on a queue by now keep the ones they were put there with.
        """
        ...
