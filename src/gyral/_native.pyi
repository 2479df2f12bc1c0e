"""Machine code images, the thread pool and the launch path of the CPU device.

A C extension on the limited API. Where it could not be built, `gyral.core` and `gyral.compiler` work
without it and the CPU device reports that it is missing.

Everything here is safe to use from many Python threads. `Shape`, `Param` and its kin, and
`CpuPlace` are names for type checkers and do not exist at run time.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Literal, Self, TypeAlias, TypedDict, final

from typing_extensions import Buffer

Shape: TypeAlias = int | tuple[int, ...]
"""Extents of a launch, outermost first; an int is a shape of rank 1."""

ArrayParam: TypeAlias = tuple[
    Literal["array"],
    str,  # element: a dtype name ("f32", "i8", "bool", ...) or a whole struct format "T{f:x:f:y:}"
    int,  # bytes per item (of one component where there are inner axes)
    int,  # rank as the kernel sees it, 0 to 8
    tuple[int, ...],  # inner: extents of trailing fixed axes without gaps (a Vec element), () for none
    bool | None,  # unit: last axis contiguous required (True), refused (False), either (None)
    int,  # alignment in bytes of the data and of every stride, a power of two
    bool,  # writes: the kernel writes it, so read-only arrays do not fit
]
ScalarParam: TypeAlias = tuple[
    Literal["scalar"],
    str,  # dtype name
    str,  # Python types taken: any of "f" (float), "i" (int), "b" (bool)
    tuple[type, ...],  # further exact types taken (NumPy scalar types), at most 4
]
Param: TypeAlias = ArrayParam | ScalarParam
DeviceArrayParam: TypeAlias = tuple[
    Literal["device"],
    Any,  # element type, equal to the array's `dtype`
    int,  # bytes per element
    int,  # rank, 0 to 4
    bool | None,  # unit
    int,  # alignment
    bool,  # writes
]
DeviceParam: TypeAlias = DeviceArrayParam | ScalarParam
"""What an argument must look like.

dtype names: f16 f32 f64 bf16, i8 i16 i32 i64, u8 u16 u32 u64, bool. Arrays of bf16 have no buffer format
and never fit; launch them by `Plan.run_packed`. Scalars fit when they can be converted as a store would
(floats round to the parameter's type, a finite value that would become infinite does not fit, integers
must be in range, integers beyond 2**53 do not fit a float parameter); a float never fits an integer.
"""

class CpuPlace(TypedDict):
    """One CPU of `topology()`."""

    cpu: int
    node: int
    package: int
    core: int
    sibling: int

@final
class Code:
    """Machine code mapped read-execute; unmapped with its last reference."""

    @property
    def address(self) -> int:
        """Address of the entry, valid while this object lives."""
    @property
    def size(self) -> int:
        """Bytes in the image."""
    @property
    def entry(self) -> int:
        """Offset of the entry in the image."""
    @property
    def image(self) -> bytes:
        """A copy of the image, as `load` takes it."""

def load(image: Buffer, entry: int) -> Code:
    """Map `image` (position-independent code and constants) for execution; `entry` is the entry's offset.

    Raises ValueError for an empty image, one above 256 MiB or an entry outside it, OSError where the system
    refuses the mapping.
    """

class Plan:
    """One specialisation of a kernel: its code and what its arguments must look like. Never changes."""

    def __new__(
        cls,
        code: Code,
        params: tuple[Param, ...],
        rank: int,
        item: tuple[int, int, int],
        *,
        block: tuple[int, int, int] = (1, 1, 1),
        requested: tuple[int, int, int] | None = None,
        index_bits: Literal[32, 64] | None = None,
        noalias: bool | None = None,
        scratch_bytes: int = 0,
        record: bool = False,
        cost_ns: float = 1.0,
        counts: tuple[int, int] | None = None,
    ) -> Plan:
        """
        rank: of the launch, 1 to 3. item, block: extents of a work item and of the block, right-aligned.
        requested: the block a launch must have asked for in `kernel[shape, block]`; None: it asked for none.
        index_bits: 32 fits launches whose shape product, extents and array spans in bytes are all below
            2**31; 64 fits only the others; None fits both.
        noalias: True fits when no written array shares bytes with another array argument; False only when
            one does; None fits both.
        scratch_bytes: private memory per worker. record: the kernel writes fault or print records.
        cost_ns: a first estimate of one work item's cost; replaced by measurement.
        counts: the fewest and the most threads of launches it fits; None fits any number.
        """
    @property
    def code(self) -> Code: ...
    @property
    def rank(self) -> int: ...
    @property
    def slots(self) -> int:
        """8-byte argument slots in a frame: 1 per scalar, 1 + 2 * rank per array."""
    @property
    def ns_per_item(self) -> float:
        """The running estimate of one work item's cost in nanoseconds."""
    def run(
        self, shape: Shape, args: tuple[Any, ...], record: Buffer | None = None, threads: int | None = None
    ) -> None:
        """Check, pack and run. Shape rank must be the plan's.

        threads: exactly as many as the pool allows of these; None lets the estimate choose.
        Raises TypeError naming the index of an argument that does not fit, ValueError for a shape of another
        rank or a record buffer that is missing, not wanted or too short, OverflowError for more than 2**63
        work items, MemoryError, and whatever a Python signal handler raises (KeyboardInterrupt): the
        launch is then incomplete. RuntimeError in the child of a fork made by such a handler.
        """
    def run_packed(
        self, shape: Shape, slots: Buffer, record: Buffer | None = None, threads: int | None = None
    ) -> None:
        """Run with arguments already packed as the kernel's slots; only their number is checked.

        The caller answers for the memory they point to, and keeps it alive.
        """
    def bind(self, shape: Shape, args: tuple[Any, ...], record: Buffer | None = None) -> Bound:
        """Check and pack once. Raises as `run` does."""

@final
class Bound:
    """A launch checked once. `bound()` runs it. Holds the arguments' buffers for its life."""

    @property
    def plan(self) -> Plan: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    def __call__(self) -> None: ...

@final
class Graph:
    """The launches of a batch. `graph()` runs them all; raises what `Plan.run` or a `done` raises."""

    def __new__(
        cls,
        levels: tuple[
            tuple[tuple[Plan, Shape, Buffer, Buffer | None, Callable[[], object] | None, object], ...], ...
        ],
    ) -> Graph:
        """
        Each step is (plan, shape, slots, record, done, keep), packed as for `Plan.run_packed`; `done` is
        called behind it, `keep` is held as long as the step may run. The steps of a level are independent of
        each other and wait for those of the levels before.
        """
    @property
    def steps(self) -> int:
        """Number of launches."""
    def replace(
        self,
        number: int,
        shape: Shape,
        slots: Buffer,
        record: Buffer | None,
        done: Callable[[], object] | None,
        keep: object,
        /,
    ) -> None:
        """Give a step, counted over all levels, other arguments. RuntimeError while the graph runs."""
    def __call__(self) -> None: ...

@final
class Launch:
    """`kernel[shape]`: call it with the kernel's arguments. Made by Dispatcher."""

    @property
    def kernel(self) -> Any: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def block(self) -> tuple[int, ...] | None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

@final
class Launcher:
    """One device's functions, for launches from C. Its functions have the shapes of CUDA's driver API."""

    alive: int
    """0 sends every launch to Python."""

    def __new__(
        cls,
        functions: tuple[int, int, int, int, int],
        context: int,
        max_grid: tuple[int, int, int],
        failed: Callable[[int, Any], Any],
    ) -> Launcher:
        """
        functions: what launches, gets and sets the current context, records and queries events: addresses.
        max_grid: most blocks along x, y and z.
        failed: called with the code of a launch that failed and its program; raises.
        """
    def serve_thread(self, queue: DeviceQueue | None, /) -> DeviceQueue | None:
        """Put the calling thread's launches on `queue`, or leave them to Python; gives what was before."""

class DeviceQueue:
    """Base of a driver's queues. A subclass gives `mark_at(serial)`, the mark behind that much work, and
    `follow(memory)`, which lets the queue wait for all marks of a memory.

    handle: the driver's handle. milestone: an event for this queue's own use, 0 for none.
    """

    completed: int
    """How much of that is known to be done."""
    open: int
    """0 when it was closed: launches then go to Python."""

    def __new__(cls, launcher: Launcher, handle: int, milestone: int = 0) -> Self: ...
    @property
    def serial(self) -> int:
        """How much was put on it."""
    def advance(self) -> int:
        """Count something that was just put on it; gives its number."""
    @property
    def launcher(self) -> Launcher: ...
    @property
    def handle(self) -> int: ...
    @property
    def milestone(self) -> int: ...

class DeviceMemory:
    """Base of a driver's blocks of memory. It knows the work that uses it, from one owner to the next."""

    marks: dict[int, Any]
    """By `id()` of a queue, the point behind the work there that uses it."""
    exposed: int
    """Not 0: launches with it go to Python."""

    def __new__(cls, launcher: Launcher, address: int, nbytes: int) -> Self: ...
    @property
    def launcher(self) -> Launcher: ...
    @property
    def address(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

class DeviceArrayBase:
    """What a launch must know of an array in device memory. It never changes.

    `buffer.memory` is what makes an array fit for device plans: a DeviceMemory of their launcher.
    """

    def __init__(
        self,
        device: Any,
        buffer: Any,
        dtype: Any,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        address: int,
    ) -> None: ...
    @property
    def device(self) -> Any: ...
    @property
    def buffer(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def address(self) -> int: ...

@final
class DevicePlan:
    """A loaded program and what its arguments must look like. Never changes."""

    def __new__(
        cls,
        launcher: Launcher,
        program: Any,
        function: int,
        params: tuple[DeviceParam, ...],
        rank: int,
        item: tuple[int, int, int],
        *,
        requested: tuple[int, int, int] | None = None,
        index_bits: Literal[32, 64] | None = None,
        noalias: bool | None = None,
        counts: tuple[int, int] | None = None,
        shared_bytes: int = 0,
        coarse: int = 1,
        folded: bool = False,
    ) -> DevicePlan:
        """
        function: the driver's handle. item: the block's extents in elements, right-aligned. shared_bytes:
        on-chip bytes beyond those the program declares. coarse: elements of the last axis that one thread
        does. folded: the code is for grids over the device's limit, and for no others. The others as those of
        Plan.
        """
    @property
    def program(self) -> Any: ...
    @property
    def launcher(self) -> Launcher: ...
    @property
    def rank(self) -> int: ...
    @property
    def slots(self) -> int: ...
    def run(self, shape: Shape, args: tuple[Any, ...], /) -> bool:
        """Check, pack and put on the calling thread's queue. False: Python must do it.

        That is so when the thread has no queue, when memory is exposed, and when the grid is too large.
        Raises TypeError naming the index of an argument that does not fit, and what `failed` raises.
        """
    def bind(self, shape: Shape, args: tuple[Any, ...], otherwise: Callable[[], Any], /) -> DeviceBound:
        """Check and pack once. `otherwise` is called for a launch that Python must do."""

@final
class DeviceBound:
    """A launch on a device, checked once. `bound()` puts it on the calling thread's queue."""

    @property
    def plan(self) -> DevicePlan: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    def __call__(self) -> None: ...

def await_device(query: int, handle: int, pending: int, seconds: float | None = None) -> int:
    """Call the C function at `query` with `handle` until it gives something else than `pending`; gives that.

    After `seconds` it gives `pending`. The GIL is given up meanwhile; what a signal handler raises is raised.
    """

def encode_launches(stage: int, calls: tuple[int, int, int], table: Buffer) -> None:
    """Put launches on a compute pass of WebGPU.

    `calls`: addresses of the C functions that set the pipeline, set a bind group and dispatch. Of each launch
    `table` has pipeline, bind group (8 bytes each), the parameters' offset, groups along x, y and z (4 each).
    ValueError when that is not its size. The GIL is given up meanwhile.
    """

class Dispatcher:
    """Base of kernels. A subclass sets `rank` and gives the three methods below.

    Keys of `kernel[key]`: an int or a tuple of `rank` ints is a shape; `(tuple, tuple)` and `(tuple, int)`
    are shape and block, at rank 1 `(int, int)` and `(int, tuple)` too. An int block holds for the last axis.
    Extents may be 0 (no threads run); objects with `__index__` count as ints, bools do not.

    A launch tries the plans, most recently used first, and runs the first that fits. It goes to `_miss`
    when none does, with keyword arguments, while `bypass()` is not 0 or a watched scope is open.
    At most 32 plans are kept, the least recently used goes.
    """

    rank: int
    """Rank of a launch, 1 to 3. 0 (not known yet) sends every key to `_shape_error`."""
    @property
    def plans(self) -> tuple[Plan | DevicePlan, ...]:
        """Most recently used first."""
    def add_plan(self, plan: Plan | DevicePlan) -> None: ...
    def clear_plans(self) -> None: ...
    def __getitem__(self, key: Any) -> Launch: ...
    def _miss(
        self,
        shape: tuple[int, ...],
        block: tuple[int, ...] | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """To be given by the subclass: explain what is wrong, or compile, add a plan and run it."""
    def _run_recorded(self, plan: Plan, shape: tuple[int, ...], args: tuple[Any, ...]) -> Any:
        """To be given by the subclass: run a plan that writes records (`plan.run(..., record=)`)."""
    def _shape_error(self, key: Any) -> Any:
        """To be given by the subclass: a key that is no shape of this rank. Raise, or return a Launch."""

def register_array_type(type: type, /) -> None:
    """Take arguments of exactly this type through the buffer protocol (numpy.ndarray). At most 4 types."""

def epoch() -> int:
    """The epoch of the process's settings."""

def set_epoch(value: int, /) -> None:
    """Start another epoch: every dispatcher forgets its plans at its next launch."""

def bypass() -> int:
    """The calling thread's bypass count."""

def set_bypass(count: int, /) -> None:
    """Send every launch of the calling thread to `_miss` while `count` is not 0."""

def watch_scope(variable: ContextVar[Any] | None, /) -> None:
    """Send a launch to `_miss` whenever `variable` has a value other than None in the current context.

    This follows tasks and copied contexts, which a count per thread cannot. None stops watching. Costs 3 ns.
    """

def threads() -> int:
    """Threads a launch may use, the caller's included. Unless set: the CPUs in the affinity mask."""

def set_threads(count: int | None, /) -> None:
    """Set that number (1 to 1024); None goes back to the CPUs in the affinity mask."""

def workers() -> int:
    """Pool threads alive in this process. They start with the first launch that wants them."""

def topology(root: str = "/sys", cpus: Iterable[int] | None = None) -> list[CpuPlace]:
    """The CPUs in placement order: NUMA nodes contiguous, in each every core before any second sibling.

    root: where sysfs is mounted. cpus: CPU numbers to consider; None takes the affinity mask.
    """

def set_topology(root: str = "/sys", cpus: Iterable[int] | None = None) -> None:
    """Place workers by `topology(root, cpus)` from now on, with as many threads as it lists CPUs.

    Without arguments the machine is read anew, after the affinity mask changed.
    """

def host_key() -> str:
    """A stable text of this CPU's maker, model, features and enabled register state, for cache keys."""

# The host side of resident actors. `gyral.core.wire` says how their memory lies.

Part: TypeAlias = tuple[str, str, int] | tuple[str, list["Part"]]
"""A field of a message: (name, kind, byte offset), or (name, its parts).

kinds: f16 bf16 f32 f64, i8 to i64, u8 to u64, bool, and "ref" (slot, then generation and route: 8 bytes).
"""

class Message:
    """The base of message types: the payload in line, a descriptor per field, the buffer protocol over it.

    A field that has parts is read and written as a tuple; a "ref" is read as (slot, generation) and written
    as that, a Ref or None. Values convert as stores do: OverflowError for what is out of range, TypeError for
    what is no such number.
    """

    __gyral_leaves__: tuple[tuple[str, str, int], ...]
    """(dotted name, kind, offset) of each scalar."""

    def __new__(cls, *values: Any, **fields: Any) -> Self: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def message_type(
    name: str, fields: Iterable[Part], nbytes: int, doc: str = "", defaults: Iterable[Any] | None = None
) -> type[Any]:
    """Make a message type, which lives as long as the process. `name` is dotted: module, then class.

    defaults: the values of the last fields, which may then be left out. ValueError for a layout that does not
    fit `nbytes`, or for more than 64 KiB.
    """

def set_actor_errors(classes: dict[str, Any], /) -> None:
    """Say what is raised: the classes of `gyral.core.errors.ACTOR_ERRORS`."""

@final
class Accepts:
    """The messages that a class of actors takes, and their numbers."""

    def __new__(cls, numbers: dict[type[Any], int]) -> Self: ...

@final
class Mail:
    """The host's end of one system of actors: lanes, reply cells, events and the threads that run the loops.

    Safe to use from many threads. Every call raises StateError once it is closed, and in a forked child.
    Waits run in slices and hear signals; timeouts are in seconds, None waits for ever.
    """

    clock: int
    """The last hybrid clock stamp given out; may be set forward."""
    home: Any
    """Says why(site) and named(slot) in words, and makes room by widen(words); None when nobody does."""

    def __new__(cls, arena: Any, route: int = 0, shared: bool = False) -> Self:
        """Look after an arena: u32 words, 64-byte aligned, as `wire` lays it out. ValueError for another.

        shared: it lies in memory that another process has too, of which one runs the loops (`start`) and the
        other sends (`attend`). OSError where the system has no such thing.
        """
    @property
    def running(self) -> bool:
        """Whether loops were started and not all stopped."""
    def start(
        self,
        workers: Iterable[tuple[Code, Buffer, int]],
        keep: Any = None,
        *,
        spin_us: float = 50,
        stall: float = 1.0,
        hang_after: float | None = None,
        ticker: bool = True,
        pin: bool = False,
    ) -> None:
        """Run a loop per worker, each (code, frame, scratch bytes) on its own thread, and thaw the lanes.

        keep: what the frames point to; held until the threads were joined. spin_us: how long a worker without
        work spins before it parks. stall, hang_after: seconds (see `wait_events`). ticker: publish the time
        every millisecond while anybody works; without it time is what `tick` says. pin: tie each worker to a
        CPU of its own, the first CPU last; Linux only.
        """
    def stop(self, timeout: float | None = None) -> bool:
        """End the threads at a message boundary. When time is up running handlers are told to abort; False
        when one does not even then come back: its thread, code and memory are left as they are."""
    def attend(self, runs: bool, /) -> None:
        """Say that another process runs the loops of a shared arena from now on, which thaws the lanes; or
        that it does so no more, or is gone, which freezes them."""
    def close(self) -> None:
        """Stop within a second, end all asks with LoopLost, and refuse everything from now on."""
    def rebind(self, arena: Any, /) -> None:
        """Go on in another arena, to which all but the cells was copied. Asks that wait go on in it.

        StateError while loops run. ValueError when it has other workers, priorities or cells, or fewer slots.
        """
    def renew(self) -> None:
        """Go on without the threads that did not come back from `stop`: rebind and start anew.

        They keep their code and memory for as long as the process lives.
        """
    def number(self, type: type[Any], number: int, /) -> None:
        """Let a message type have this number, 1 to 4095."""
    def pause(self, timeout: float | None = None, worker: int | None = None, /) -> bool:
        """Bring workers to a message boundary; False when one does not come in time (it will still stand).

        For all of them lanes are frozen too: until `resume` or `start` nobody writes to the arena, and who
        tells something waits, for two seconds at most.
        """
    def resume(self, worker: int | None = None, /) -> None:
        """Let workers go on."""
    def abort(self, worker: int, timeout: float | None = None, /) -> bool:
        """Fail the handler that a worker runs, at the next turn of one of its loops; False if none comes."""
    def wake(self, worker: int | None = None, /) -> None:
        """Wake workers at rest."""
    def tick(self, now_ms: int, /) -> None:
        """Publish the time, milliseconds since the epoch, and look for hangs and stalls as of then.

        From then on this is the only clock. StateError while a ticker runs.
        """
    def workers(self) -> list[dict[str, Any]]:
        """Per worker: stage (away, running, parked, standing or ended), parks, hung, hangs, stalls."""
    def wait_events(self, timeout: float | None = None, /) -> int:
        """What rang since the last call: 1 records came, 2 asynchronous replies are there, 4 a worker runs
        without a heartbeat for `hang_after`, 8 a worker waits for room for longer than `stall` (its sends are
        then dropped and counted until it moves), 16 `wake_host`. 0 when time is up."""
    def take_events(self, most: int = 1024, /) -> list[tuple[int, int, int, int, bytes]]:
        """Records of what happened, oldest first per worker: code, actor, generation, detail, message."""
    def wake_host(self) -> None:
        """End a wait for events."""
    def deliver(self, message: Any, priority: int = 0, /) -> bool:
        """Send a whole message (a record's) to the actor it names, as its sender; whether it was accepted."""
    def ask_poll(self, token: int, /) -> bool:
        """Whether the reply to `Ref.ask_begin` is there."""
    def ask_end(self, token: int, /) -> Any:
        """The reply; raises as `Ref.ask_sync` does, AskTimeout when there is none yet. Ends the ask."""
    def ask_drop(self, token: int, /) -> None:
        """Nobody waits for this reply any more."""
    def end_asks(self) -> None:
        """End all asks that wait with LoopLost."""
    def work_pending(self) -> bool:
        """For batched devices: whether any lane holds something."""
    def wait_work(self, timeout: float | None = None, /) -> bool:
        """Sleep until one does, or somebody calls `wake`; whether one does."""
    def merge_cells(self, cells: Any, /) -> None:
        """Take the replies out of a copy of the cells: those that are still waited for."""
    def wake_waiters(self) -> None:
        """Wake those whose reply is there."""

class Ref:
    """An actor to send messages to. References are equal when mail, slot and generation are.

    A message is given as it is, or as its type and fields, which makes no object. Options: `priority` (from
    0, the lowest), `deadline` (seconds from now), `key` (64 bits; a second message with it is dropped).
    Raises MailboxFull, ActorStopped, NeedsRoom for a message larger than a slot, TypeError for one that the
    actor has no handler for.
    """

    def __new__(cls, mail: Mail, slot: int, gen: int, accepts: Accepts | frozenset[type[Any]]) -> Self:
        """`accepts`: or message types that have numbers in `mail`."""
    @property
    def slot(self) -> int: ...
    @property
    def gen(self) -> int: ...
    @property
    def mail(self) -> Mail: ...
    def tell(self, message: Any, /, *fields: Any, **options: Any) -> None:
        """Send a message; returns at once."""
    def tell_many(self, messages: Any, type: type[Any] | None = None, /) -> int:
        """Send a list of messages, or the elements of an array of `type`; how many were accepted, a prefix.

        One clock stamp for all. Raises only where none could ever be accepted.
        """
    def ask_sync(self, message: Any, /, *fields: Any, timeout: float | None = None, **options: Any) -> Any:
        """Send a message and wait for its reply, None from a handler that gives none.

        Also waits for room, all within `timeout`. Raises AskTimeout, HandlerFailed, MessageExpired,
        DuplicateMessage, LoopLost, and ActorStopped when the actor ended before.
        """
    def ask_begin(self, message: Any, /, *fields: Any, **options: Any) -> int:
        """Send a message whose reply is collected by `Mail.ask_end`, after `wait_events` said so."""
