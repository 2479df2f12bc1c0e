"""Actors whose loop is killed under load: they notice what comes twice, and what comes too late."""

from __future__ import annotations

import gyral as gy

SENDERS = 4


@gy.message
class Numbered:
    sender: gy.i32
    n: gy.i32


@gy.message
class Seen:
    count: gy.i64
    disorder: gy.i64


@gy.message
class Look:
    pass


@gy.message
class Stuck:
    n: gy.i32


@gy.actor(mailbox=256, on_failure="resume", max_restarts=1_000_000)
class Sink:
    """Counts what comes, and what is not after the last one of its sender; as before when it is lost."""

    last: gy.Local[gy.i32, SENDERS]
    count: gy.i64 = 0
    disorder: gy.i64 = 0

    def take(self, msg: Numbered):
        self.count += 1
        if msg.n <= self.last[msg.sender]:
            self.disorder += 1
        self.last[msg.sender] = msg.n

    def look(self, msg: Look) -> Seen:
        return Seen(self.count, self.disorder)

    def stuck(self, msg: Stuck):
        k = 0
        while msg.n < 0:
            k = k + 1 if k < 1000 else 500


@gy.actor(mailbox=256, on_failure="resume", max_restarts=1_000_000)
class Relay:
    """Passes on what comes, and counts it."""

    to: gy.Ref = None
    count: gy.i64 = 0

    def take(self, msg: Numbered):
        self.count += 1
        self.to.tell(msg)
