"""Actors for tests of whole systems: they add up, answer, fail, pass on and end."""

from __future__ import annotations

import gyral as gy


@gy.message
class Add:
    n: gy.i32


@gy.message
class Total:
    n: gy.i64
    count: gy.i32


@gy.message
class Fail:
    n: gy.i32


@gy.message
class Get:
    pass


@gy.message
class Spin:
    n: gy.i32


@gy.message
class Quit:
    pass


@gy.actor(mailbox=64)
class Counter:
    """Adds up, and remembers whether what came was in order; starts again when it fails."""

    total: gy.i64 = 0
    count: gy.i32 = 0
    last: gy.i32 = -1
    disorder: gy.i32 = 0

    def add(self, msg: Add) -> Total:
        self.total += msg.n
        self.count += 1
        if msg.n <= self.last:
            self.disorder += 1
        self.last = msg.n
        return Total(self.total, self.count)

    def get(self, msg: Get) -> Total:
        return Total(self.total, self.count)

    def fail(self, msg: Fail) -> Total:
        self.total = 1000
        assert msg.n > 0, "not positive"
        return Total(100 // (msg.n - 1), self.count)

    def spin(self, msg: Spin) -> Total:
        k = 0
        while k < 10 or msg.n < 0:
            k = k + 1 if k < 1000 else 500
        return Total(k, 0)

    def quit(self, msg: Quit):
        self.stop()


@gy.actor(mailbox=64, on_failure="resume")
class Keeper:
    """As before its failure when it fails."""

    total: gy.i64 = 0

    def add(self, msg: Add) -> Total:
        self.total += msg.n
        return Total(self.total, 0)

    def fail(self, msg: Fail):
        self.total = 1000
        assert msg.n > 0, "not positive"


@gy.actor(mailbox=64, on_failure="stop")
class Mayfly:
    """Ends when it fails."""

    total: gy.i64 = 0

    def add(self, msg: Add):
        self.total += msg.n

    def fail(self, msg: Fail):
        assert msg.n > 0, "not positive"


@gy.actor(mailbox=64, on_failure="escalate")
class Member:
    """Takes its group along when it fails."""

    total: gy.i64 = 0

    def add(self, msg: Add):
        self.total += msg.n

    def fail(self, msg: Fail):
        assert msg.n > 0, "not positive"


@gy.actor(mailbox=4096)
class Relay:
    """Passes on to `to`, when there is somebody."""

    to: gy.Ref = None
    passed: gy.i32 = 0

    def add(self, msg: Add):
        if self.to:
            self.to.tell(msg)
            self.passed += 1

    def get(self, msg: Get):
        self.sender.tell(Total(self.passed, 0))
