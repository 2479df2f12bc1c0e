"""Barriers between actors: one more actor, told by each who arrives, that tells all when all have."""

# What stands here is written in the kernel language, whose types are values.
# pyright: reportInvalidTypeForm=false, reportAssignmentType=false, reportIndexIssue=false
# pyright: reportAttributeAccessIssue=false
from gyral.actors.declare import actor
from gyral.actors.fields import Local
from gyral.actors.message import message
from gyral.core.dtypes import u32
from gyral.core.wire import REF

MOST = 64


@message
class Arrive:
    """Told to a barrier by an actor, or the host, that has come as far as it."""


@message
class Released:
    """Told by a barrier to all who arrived, when all had: how often that was the case before."""

    round: u32


@actor(mailbox=1024, capacity=16, on_failure="resume", sends=MOST)
class Barrier:
    """Waits for `parties` messages, then tells their senders, and begins anew."""

    parties: u32 = 1
    arrived: u32 = 0
    round: u32 = 0
    waiting: Local[REF, MOST] = None

    def arrive(self, msg: Arrive):
        """Take note of who came; let all go when it was the last one."""
        self.waiting[self.arrived] = self.sender
        self.arrived += 1
        if self.arrived == self.parties:
            for k in range(self.parties):
                self.waiting[k].tell(Released(self.round))
            self.arrived = 0
            self.round += 1
