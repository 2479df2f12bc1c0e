"""How resident actors lie in memory: one arena of 32-bit words, the same on every device.

The loop in the kernel language, the native module and the host's Python all name the words of this file.
Offsets are in words. Who may write a word is said beside it: H the host, W the worker that owns the block
or lane end, P the producer of a lane, C its consumer. Nobody else does, and host and device never share
a word that is written by compare-and-swap, but for the state of a reply cell.

    arena = system | worker blocks | lane headers | out-lane headers | class blocks | cells
          | control blocks | sent | done | free lists | held heads | held slots | lane slots | out-lane slots
"""

from __future__ import annotations

from dataclasses import dataclass

from gyral.core.dtypes import StructType, u32

MAGIC = 0x4C594741
VERSION = 1
NONE = 0xFFFFFFFF
LINE = 16
"""Words of a cache line: what two sides write stands in different ones."""

# A message: header, extension when the flag says so, payload (the struct's bytes, padded to words).
STAMP, KIND, DEST, SOURCE, GENS, CORR, HLC_LO, HLC_HI = range(8)
HEADER_WORDS = 8
DEADLINE_LO, DEADLINE_HI, KEY_LO, KEY_HI, CHECKSUM = range(8, 13)
EXTENDED_WORDS = 16
"""STAMP is the position in the lane plus 1, released last. GENS: generation of DEST, that of SOURCE << 16.
CORR: a reply cell, its generation << CELL_BITS. DEADLINE: milliseconds since the epoch, as HLC's."""

TYPE_BITS, LENGTH_BITS = 12, 14
MAX_PAYLOAD_WORDS = (1 << LENGTH_BITS) - 1
ASKED, EXTENDED, TRACED = 1 << 26, 1 << 27, 1 << 28
"""KIND: message type | payload words << TYPE_BITS | flags."""

HLC_LOGICAL_BITS = 16
"""A clock stamp: milliseconds since the epoch << 16 | events in that millisecond."""

# A reference: slot, then generation 16 | device 8 | node 8. Generation 0 is nobody.
REF = StructType("Ref", (("slot", u32), ("gen", u32)))
HOST = NONE
"""The slot that stands for the host."""
HOST_GENERATION = 1

# Where an actor stands in its life.
FREE, CREATED, ACTIVE, PAUSED, FAILING, DRAINING, FAILED, TERMINATED = range(8)
"""FAILING waits for its supervisor: messages are held, as they are for PAUSED."""

# The system block (H).
(
    SYS_MAGIC, SYS_VERSION, SYS_WORKERS, SYS_PRIORITIES, SYS_CAPACITY, SYS_STRIDE, SYS_ROUTE, SYS_BATCHED,
    SYS_WORKER_AT, SYS_LANE_AT, SYS_OUT_AT, SYS_CLASS_AT, SYS_CELL_AT, SYS_CELL_WORDS, SYS_CONTROL_AT,
    SYS_SENT_AT, SYS_DONE_AT, SYS_HELD_AT, SYS_HELD_ROOM, SYS_BATCH, SYS_DEDUP_AT, SYS_DEDUP, SYS_LANES,
    SYS_CELLS, SYS_CLASSES,
) = range(25)  # fmt: skip
SYS_TIME_LO, SYS_TIME_HI = 32, 33
"""Milliseconds since the epoch, published by the host, in a line of their own."""
SYS_RUNG, SYS_LISTENERS, SYS_STOOD, SYS_EPOCH_LO, SYS_EPOCH_HI = range(48, 53)
"""What two processes share that run a system together: the host's bell and who listens to it, the workers
that came to stand, and what both add to the monotonic clock, in milliseconds. Not used by one alone."""
SYSTEM_WORDS = 64

# A worker block. W writes the first line, H the second, W the rest.
(
    WK_HEARTBEAT, WK_REASON, WK_HANDLED_LO, WK_HANDLED_HI, WK_CLOCK_LO, WK_CLOCK_HI, WK_HAND, WK_WAITING,
    WK_WAKE, WK_LOST, WK_TURNS, WK_ENDED, WK_TAKEN,
) = range(13)  # fmt: skip
WK_COMMAND, WK_ABORT, WK_STALLED, WK_RECHECK, WK_PARKED = range(LINE, LINE + 5)
WK_STAGE, WK_PARKS, WK_HUNG, WK_HANGS, WK_STALLS = range(LINE + 5, LINE + 10)
WK_OVERFLOW, WK_STOPPING, WK_TOUCHES, WK_HELD_FREE, WK_HELD_COUNT, WK_TOUCHED = range(2 * LINE, 2 * LINE + 6)
MAX_WORKERS = 24
WORKER_WORDS = 64
"""HAND: 1 + the slot whose handler runs. WAITING: a handler did not start for want of room in the lanes it
sends to. WAKE: bit per worker that was parked when it was sent something, bit 31 for the host. LOST: events
that found the out-lane full. ENDED: actors that ended here. TAKEN: the slot of the message that was begun
last. PARKED is written by the host's thread that runs the worker, and where that is another process than the
host's, it says from STAGE on what `Mail.workers` tells. OVERFLOW: sends of the running handler that found no
room. STOPPING: it asked for its actor's end. TOUCHES: lanes with staged sends, listed from TOUCHED on, the
last word of its line that has a name; at most MAX_WORKERS + 1, up to the end of the block."""

RUN, YIELD = range(2)
"""WK_COMMAND. Under YIELD the loop returns at the next message boundary."""
EXIT_IDLE, EXIT_COMMAND, EXIT_BUDGET, EXIT_WAKE = range(4)
"""WK_REASON."""

# A lane: one producer, one consumer, `depth` slots (a power of two). Lane (destination d, source s, priority
# p) is number (p * workers + d) * (workers + 1) + s; source 0 is the host, 1 + w worker w. Out-lane w is
# worker w's to the host; out-lanes are numbered on from the others.
LN_TAIL, LN_SEEN, LN_STAGED = range(3)
LN_HEAD = LINE
LN_SLOTS_AT, LN_MASK, LN_STRIDE = range(2 * LINE, 2 * LINE + 3)
LN_LIMIT, LN_ROOM = range(3 * LINE, 3 * LINE + 2)
LANE_WORDS = 64
"""TAIL, SEEN (of HEAD), STAGED: P. HEAD: C. LIMIT, ROOM: what a batched device sees of TAIL and HEAD, H."""

# An entry of an out-lane: what happened, then a whole message as it was received or sent.
EV_STAMP, EV_CODE, EV_ACTOR, EV_DETAIL, EV_GENERATION = range(5)
EV_MESSAGE = 8
EVENT_HEAD_WORDS = 16
EVENT_INBOX, EVENT_ROUTE, EVENT_DEAD, EVENT_EXPIRED, EVENT_DUPLICATE, EVENT_FAILED = range(6)
EVENT_OVERFLOW = 8
"""The counters from CT_DEAD and the outcomes from REPLY_STOPPED on go in the order of the events from
EVENT_DEAD. DETAIL of EVENT_ROUTE: the number of the system it goes to; of EVENT_DEAD: the state its receiver
was in, or EVENT_OVERFLOW, which is no state, when nobody had room; of EVENT_FAILED: the site of the check
that failed, or SITE_OUTBOX."""

# A class block: which slots new actors may take.
CL_TAKEN = 0
CL_GIVEN = LINE
CL_LIST_AT, CL_MASK, CL_SPAWNS = range(2 * LINE, 2 * LINE + 3)
CLASS_WORDS = 64

# A reply cell. STATE is generation << 2 | phase.
CE_STATE, CE_KIND, CE_DETAIL, CE_SOURCE = range(4)
CE_WAITER = 8
CE_PAYLOAD = LINE
CELL_FREE, CELL_ARMED, CELL_WRITING, CELL_DONE = range(4)
CELL_BITS = 12
"""Who asks arms a cell (H); the loop moves ARMED to WRITING by compare-and-swap, writes, and releases DONE;
who gives up moves ARMED to FREE the same way. KIND is that of a message, or one of the outcomes below."""
REPLY_NONE, REPLY_STOPPED, REPLY_EXPIRED, REPLY_DUPLICATE, REPLY_FAILED, REPLY_LOST = range(
    0xFFFFFF00, 0xFFFFFF06
)

SITE_OUTBOX = NONE - 1
"""The site of a handler that sent more than it said it would."""

# Behind the cells each worker has one of its own, in which its handlers leave their replies.

# A control block: what is known of an actor. W, but for the first words, which H writes at a boundary.
(
    CT_STATE, CT_GENERATION, CT_CLASS, CT_ROW, CT_MAILBOX, CT_RESTARTS, CT_FLAGS, CT_LINKED,
) = range(8)  # fmt: skip
(
    CT_HANDLED_LO, CT_HANDLED_HI, CT_DEAD, CT_EXPIRED, CT_DUPLICATE, CT_FAILED, CT_SENT, CT_REPLIES, CT_LATE,
    CT_NOBODY, CT_ERROR_SITE, CT_CLOCK_LO, CT_CLOCK_HI, CT_OVERFLOWS,
) = range(LINE, LINE + 14)  # fmt: skip
CT_HELD_FIRST, CT_HELD_LAST, CT_HELD_COUNT, CT_DEDUP_NEXT = range(2 * LINE, 2 * LINE + 4)
CT_STEP = 3 * LINE
CONTROL_WORDS = 64
"""CT_ERROR_SITE: 1 + the site of the last failed check. CT_STEP is the actor's own (`self.step`)."""
STOPS = 1
"""A flag of CT_FLAGS: the actor was told to end, and does when its queue is empty, whatever befalls it."""


def kind_of(type_number: int, words: int, flags: int = 0) -> int:
    """A KIND word."""
    return type_number | words << TYPE_BITS | flags


def power_of_two(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Geometry:
    """How large everything is; all offsets follow.

    `stride`: words of a lane's slot, a power of two with room for the largest message. `depth`: slots of a
    lane, of an urgent one, and of an out-lane (powers of two). `lists`: slots of each class's free list.
    """

    workers: int
    capacity: int
    classes: int
    stride: int = 16
    depth: int = 4096
    urgent_depth: int = 256
    out_depth: int = 1024
    priorities: int = 1
    cells: int = 256
    held_room: int = 1024
    list_room: int = 64
    dedup: int = 0

    @property
    def lanes(self) -> int:
        """Lanes between workers and from the host."""
        return self.priorities * self.workers * (self.workers + 1)

    @property
    def event_stride(self) -> int:
        """Words of an out-lane's slot."""
        return EVENT_HEAD_WORDS + self.stride

    @property
    def cell_words(self) -> int:
        """Words of a reply cell."""
        return CE_PAYLOAD + self.stride

    def lane(self, destination: int, source: int, priority: int = 0) -> int:
        """The number of a lane."""
        return (priority * self.workers + destination) * (self.workers + 1) + source

    def lane_depth(self, lane: int) -> int:
        """Slots of a lane."""
        return self.urgent_depth if lane >= self.workers * (self.workers + 1) else self.depth

    def offsets(self) -> dict[str, int]:
        """Where each region begins, in words, and the total under "end"."""
        sources = self.priorities * (self.workers + 1)
        plain = self.workers * (self.workers + 1)
        sizes = {
            "system": SYSTEM_WORDS,
            "worker": self.workers * WORKER_WORDS,
            "lane": self.lanes * LANE_WORDS,
            "out": self.workers * LANE_WORDS,
            "class": self.classes * CLASS_WORDS,
            "cell": (self.cells + self.workers) * self.cell_words,
            "control": self.capacity * CONTROL_WORDS,
            "sent": sources * self.capacity,
            "done": sources * self.capacity,
            "list": self.classes * self.list_room,
            "dedup": self.capacity * self.dedup * 2,
            "held": self.workers * self.held_room * (self.stride + LINE),
            "slots": plain * self.depth * self.stride
            + (self.lanes - plain) * self.urgent_depth * self.stride,
            "events": self.workers * self.out_depth * self.event_stride,
        }
        found, at = {}, 0
        for name, size in sizes.items():
            found[name] = at
            at += -(-size // LINE) * LINE
        found["end"] = at
        return found
