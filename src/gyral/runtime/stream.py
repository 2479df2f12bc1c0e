"""Ordered queues of work on a device, and points in them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from gyral.core.context import Scoped
from gyral.core.driver import Deadlines, Driver, Timing
from gyral.core.errors import StateError, UnsupportedError, UserError


class Event:
    """A point in a stream, reached when all work put there before it is done."""

    def __init__(self, driver: Driver, mark: Any, *, timing: bool = False) -> None:
        self.driver = driver
        self.mark = mark
        self.timing = timing

    @property
    def done(self) -> bool:
        """Whether the event is reached, without waiting; raises what the work before it raised."""
        return _reached(self.driver, self.mark)

    def synchronize(self) -> None:
        """Wait until the event is reached; raises what the work before it raised."""
        self.driver.wait(self.mark)

    def elapsed(self, later: Event) -> float:
        """Milliseconds of the device's clock from this event to a later one; waits for both.

        UserError unless both were recorded with timing=True on streams of one device.
        """
        if not (self.timing and later.timing):
            raise UserError("only events made by stream.record(timing=True) tell the time between them")
        if self.driver is not later.driver or not isinstance(self.driver, Timing):
            raise UserError("the events belong to different devices, whose clocks do not compare")
        self.synchronize()
        later.synchronize()
        return self.driver.elapsed_ms(self.mark, later.mark)


class Stream:
    """An ordered queue of one device, made by `gy.device(...).stream()`. `with stream:` sends launches to it.

    A failed launch raises at the next call on its stream. Work on a stream that is dropped is done all the
    same, and `Device.synchronize` waits for it: `leave` is given a mark behind it.
    """

    def __init__(self, driver: Driver, leave: Callable[[Any], None] | None = None) -> None:
        self.driver = driver
        self._leave = leave
        if not hasattr(driver, "queue"):
            raise UserError(f"a stream is made by gy.device(...).stream(), not of {driver!r}")
        self.queue = driver.queue()
        self._scoped = Scoped(stream=self)

    @property
    def done(self) -> bool:
        """Whether all work on the stream is done, without waiting; raises what it raised."""
        return _reached(self.driver, self.driver.mark(self.queue))

    def record(self, *, timing: bool = False) -> Event:
        """An event behind everything put on the stream so far; with `timing`, one for `Event.elapsed`.

        UnsupportedError when the device has no clock to tell.
        """
        if not timing:
            return Event(self.driver, self.driver.mark(self.queue))
        if not isinstance(self.driver, Timing):
            raise UnsupportedError(f"{self.driver.name} cannot time its work; measure on the host")
        return Event(self.driver, self.driver.timed_mark(self.queue), timing=True)

    def wait(self, event: Event) -> None:
        """Let work put on this stream from now on begin after an event, of whichever stream."""
        if event.driver is self.driver:
            self.driver.after(self.queue, event.mark)
        else:
            event.synchronize()

    def synchronize(self) -> None:
        """Wait for all work on the stream; raises what it raised."""
        self.driver.wait(self.driver.mark(self.queue))

    def __del__(self) -> None:
        # A closed device has nothing left to wait for.
        if self._leave is not None and hasattr(self, "queue"):
            with suppress(StateError):
                self._leave(self.driver.mark(self.queue))

    def __enter__(self) -> Self:
        self._scoped.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scoped.__exit__(kind, error, trace)


def _reached(driver: Driver, mark: Any) -> bool:
    if not isinstance(driver, Deadlines):
        raise UnsupportedError(f"{driver.name} cannot be asked without waiting; use synchronize()")
    return driver.wait_until(mark, 0)
