"""The actors that are measured: one that adds up, players that pass a ball on, one that answers late."""

import gyral as gy


@gy.message
class Add:
    """One number."""

    amount: gy.f32


@gy.message
class Count:
    """Asks how many numbers came."""

    salt: gy.u32


@gy.message
class Counted:
    """How many came, by the count of the actor itself."""

    count: gy.i64


@gy.actor(mailbox=4096)
class Adder:
    """Adds up what it is told."""

    total: gy.f32 = 0.0
    count: gy.i64 = 0

    def add(self, msg: Add):
        """Take a number in."""
        self.total += msg.amount
        self.count += 1

    def counted(self, msg: Count) -> Counted:
        """All messages before this one are counted: they come in order."""
        return Counted(self.count)


@gy.actor(mailbox=4096)
class Doubler:
    """What may stand in an Adder's place."""

    total: gy.f32 = 0.0
    count: gy.i64 = 0

    def add(self, msg: Add):
        """Take a number in, twice."""
        self.total += 2.0 * msg.amount
        self.count += 1

    def counted(self, msg: Count) -> Counted:
        """As an Adder."""
        return Counted(self.count)


@gy.message
class Meet:
    """Whom to pass the ball on to."""

    other: gy.Ref


@gy.message
class Serve:
    """Begin with a ball that is passed on so often."""

    left: gy.u32


@gy.message
class Ball:
    """A ball that is passed on so often."""

    left: gy.u32


@gy.message
class Look:
    """Asks for the time the last ball took."""

    salt: gy.u32


@gy.message
class Seen:
    """Ticks of the device's clock from the serve to the ball's end, 0 while it is under way; the clock."""

    ticks: gy.u64
    now: gy.u64


@gy.actor(mailbox=4096)
class Player:
    """Passes balls on; the one who serves keeps the time."""

    other: gy.Ref = None
    began: gy.u64 = 0
    ticks: gy.u64 = 0

    def meet(self, msg: Meet):
        """Know the other."""
        self.other = msg.other

    def serve(self, msg: Serve):
        """Start the clock, and a ball."""
        self.ticks = gy.u64(0)
        self.began = gy.clock()
        self.other.tell(Ball(msg.left))

    def ball(self, msg: Ball):
        """Pass it on; where it ends the clock is read."""
        if msg.left != 0:
            self.other.tell(Ball(msg.left - 1))
        else:
            self.ticks = gy.clock() - self.began

    def look(self, msg: Look) -> Seen:
        """The time it took."""
        return Seen(self.ticks, gy.clock())
