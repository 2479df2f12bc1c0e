"""Group G: programs of actors, their whole memory compared after all messages were handled.

Every case runs in supersteps, which are the same on every device for any number of workers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gyral.actors.declare import actor
from gyral.actors.fields import Local
from gyral.core.wire import HOST, REF
from gyral.testing import language as gy
from gyral.testing.case import Case
from gyral.testing.loops import Colony, LoopKernel, message

Deposit = message("Deposit", amount=gy.f32)
Balance = message("Balance", total=gy.f32)
Pass = message("Pass", to=REF, left=gy.i32)
Grow = message("Grow", depth=gy.i32, first=gy.i32)
Mixed = message(
    "Mixed",
    flag=gy.bool_,
    small=gy.u8,
    half=gy.f16,
    wide=gy.u64,
    far=gy.i64,
    point=gy.f32x3,
    short=gy.i16,
    who=REF,
)
Put = message("Put", place=gy.i32, value=gy.f32)


@actor(on_failure="resume", dedup=4)
class Account:
    """Adds up, passes on, fails below zero and at divisions by zero."""

    total: gy.f32
    count: gy.i32
    next: REF

    def deposit(self, msg: Deposit) -> Balance:
        self.count += 1
        self.total += msg.amount
        assert msg.amount >= 0.0, "negative"
        self.next.tell(Balance(self.total))
        if self.total > 100.0:
            self.stop()
        return Balance(self.total)

    def balance(self, msg: Balance) -> None:
        self.count += 100 // gy.i32(msg.total)

    def forward(self, msg: Pass) -> None:
        self.count += msg.left
        if msg.left > 0:
            self.next.tell(Pass(self.me, msg.left - 1))
        else:
            msg.to.tell(Deposit, self.total)
            self.sender.tell(Deposit(1.5))


@actor
class Tree:
    """Spawns two of its kind for each of which there is room."""

    depth: gy.i32
    label: gy.i32

    def grow(self, msg: Grow) -> Grow:
        self.depth = msg.depth
        if msg.depth > 0:
            for k in range(2):
                child = self.spawn(Tree, label=msg.first * 2 + k)
                child.tell(Grow(msg.depth - 1, msg.first * 2 + k))
        return Grow(self.depth, self.label)


@actor
class Mixer:
    """Has and answers every sort of field, and arrays of its own."""

    flag: gy.bool_
    half: gy.f16
    wide: gy.u64
    far: gy.i64
    point: gy.f32x3
    who: REF
    cells: Local[gy.f32, 4, 2]
    store: gy.Array[gy.i32]

    def mixed(self, msg: Mixed) -> Mixed:
        self.flag = not msg.flag
        self.half += msg.half
        self.wide = self.wide * 3 + msg.wide
        self.far -= msg.far
        self.point = self.point + msg.point * gy.f32(msg.small)
        self.who = msg.who
        return Mixed(
            self.flag, msg.small + 1, self.half, self.wide, self.far, self.point, -msg.short, self.me
        )

    def put(self, msg: Put) -> Put:
        for k in range(self.store.shape[0]):
            self.store[k] += k
        self.cells[msg.place, 1] += msg.value
        self.store[msg.place] = gy.i32(msg.value)
        return Put(self.store.shape[0], self.cells[msg.place, 1])


@actor(block=32, on_failure="resume")
class Crew:
    """Handles messages with 32 threads."""

    total: gy.i32
    next: REF
    cells: Local[gy.i32, 32]

    def put(self, msg: Put) -> Put:
        i = gy.local_id()
        self.cells[i] += msg.place + i
        gy.barrier()
        mine = self.cells[31 - i]
        assert mine != 1007, "forbidden"
        found = gy.block_sum(mine)
        if i == 0:
            self.total = found
        self.next.tell(Deposit(gy.f32(found)))
        return Put(found, msg.value * 2.0)

    def deposit(self, msg: Deposit) -> None:
        self.cells[gy.local_id()] += gy.i32(msg.amount)


NOBODY = (0, 0)
TO_HOST = (HOST, 1)
ACCOUNTS = LoopKernel([Account], [Deposit, Balance, Pass])
ALONE = LoopKernel([Account], [Deposit, Balance, Pass], "threads")
TREES = LoopKernel([Tree], [Grow])
MIXERS = LoopKernel([Mixer], [Mixed, Put])
CREWS = LoopKernel([Crew], [Put, Deposit])


def accounts(kernel: LoopKernel, workers: int) -> list[Any]:
    """Deposits, replies, failures, an end, keys and deadlines, messages round a ring and to the host."""
    colony = Colony(kernel, workers, [6], dedup=4, priorities=2)
    for slot in range(5):
        colony.live(slot, total=slot, next=(slot + 1, 1) if slot < 4 else TO_HOST)
    for k in range(12):
        colony.tell(k % 5, Deposit, 7.25 * k, ask=k < 5)
    colony.tell(0, Pass, (2, 1), 6)
    colony.tell(3, Pass, NOBODY, 0, priority=1)
    colony.tell(5, Deposit, 1.0, ask=True)
    colony.tell(2, Deposit, 3.0, key=77)
    colony.tell(2, Deposit, 3.0, key=77, ask=True)
    colony.world.arena[32] = 1000  # the published time
    colony.tell(2, Deposit, 3.0, deadline=999)
    colony.tell(4, Deposit, -1.0, ask=True)
    colony.tell(3, Balance, 0.25)
    return colony.arguments()


def trees(workers: int) -> list[Any]:
    """Actors that spawn actors until no slot is left."""
    colony = Colony(TREES, workers, [16])
    colony.live(0)
    for slot in range(1, 12):
        colony.offer(slot)
    colony.tell(0, Grow, 4, 1, ask=True)
    return colony.arguments()


def mixers(workers: int) -> list[Any]:
    """Messages of every sort of field, arrays of fixed and of own size, an index out of bounds."""
    colony = Colony(MIXERS, workers, [3])
    for slot in range(3):
        places = {"store@": slot * 5, "store@0": 4 + slot}
        colony.live(slot, half=0.5, wide=2**40 + slot, far=-(2**33), point=(1.0, 2.0, 3.0), **places)
    for k in range(6):
        values = (k % 2, 250 + k, 0.25 * k, 2**63 + k, -(2**35) * k, (k, -k, 0.5), -300 * k, (k, 1))
        colony.tell(k % 3, Mixed, *values, ask=True)
    for k in (0, 3, 2):
        colony.tell(1, Put, k, 1.5 * k)
    colony.tell(2, Put, 4, 9.0)
    colony.tell(0, Put, -1, 9.0, ask=True)
    return colony.arguments()


def crews(workers: int) -> list[Any]:
    """Blocks of threads: barriers, sums, a thread that fails, one send for all."""
    colony = Colony(CREWS, workers, [3])
    for slot in range(3):
        colony.live(slot, next=((slot + 1) % 3, 1))
    for k in range(6):
        colony.tell(k % 3, Put, k * 10, 1.25 * k, ask=True)
    colony.tell(1, Put, 1000, 1.0, ask=True)
    colony.tell(2, Put, 1, 1.0)
    return colony.arguments()


def cases() -> Iterator[Case]:
    """One case per program and number of workers."""
    rows: Sequence[tuple[str, LoopKernel, Callable[..., list[Any]], Sequence[int]]] = (
        ("accounts", ACCOUNTS, lambda workers: accounts(ACCOUNTS, workers), (1, 3)),
        ("spawned", TREES, trees, (1,)),
        ("fields", MIXERS, mixers, (1, 2)),
        ("blocks", CREWS, crews, (1, 2)),
    )
    for name, kernel, made, counts in rows:
        for workers in counts:
            needs = frozenset({"branches"} if kernel.block[0] > 1 else ())
            yield _case(name, f"{workers} workers", kernel, lambda n=workers, f=made: f(n), workers, needs)
    # Alone, a worker sees at once what it sends to itself.
    yield _case(
        "accounts", "resident", ALONE, lambda: accounts(ALONE, 1), 1, frozenset({"scope device"})
    )  # fmt: skip


def _case(
    row: str, name: str, kernel: LoopKernel, made: Callable[[], list[Any]], workers: int,
    requires: frozenset[str] = frozenset(),
) -> Case:  # fmt: skip
    return Case("G", row, name, kernel, made, (workers * kernel.block[0],), kernel.block, requires=requires)
