"""Ordered queues of work on a device, and points in them."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from gyral.core.context import Scoped
from gyral.core.driver import Driver


class Event:
    """A point in a stream, reached when all work put there before it is done."""

    def __init__(self, driver: Driver, mark: Any) -> None:
        self.driver = driver
        self.mark = mark

    def synchronize(self) -> None:
        """Wait until the event is reached; raises what the work before it raised."""
        self.driver.wait(self.mark)


class Stream:
    """An ordered queue of one device. `with stream:` sends the launches inside to it.

    A failed launch raises at the next call on its stream.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.queue = driver.queue()
        self._scoped = Scoped(stream=self)

    def record(self) -> Event:
        """An event behind everything put on the stream so far."""
        return Event(self.driver, self.driver.mark(self.queue))

    def wait(self, event: Event) -> None:
        """Let work put on this stream from now on begin after an event, of whichever stream."""
        if event.driver is self.driver:
            self.driver.after(self.queue, event.mark)
        else:
            event.synchronize()

    def synchronize(self) -> None:
        """Wait for all work on the stream; raises what it raised."""
        self.driver.wait(self.driver.mark(self.queue))

    def __enter__(self) -> Self:
        self._scoped.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scoped.__exit__(kind, error, trace)
