"""References to actors: what the host sends by."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from gyral.core import native
from gyral.core.errors import ActorStopped, AskTimeout, GyralError, LoopLost, MailboxFull, StateError
from gyral.core.wire import REF

FIRST_WAIT, LONGEST_WAIT = 50e-6, 5e-3
"""Seconds between looks at a mailbox that is full."""


@dataclass(frozen=True, slots=True)
class Status:
    """An actor at a glance. Counts are messages; `queued` wait, `site` says where a handler failed last.

    `sent`, `to_nobody` and `no_room` are its own sends: all, those by empty references, and those that went
    to the dead letters because the lane to their receiver was full.
    """

    name: str
    actor: str
    state: str
    generation: int
    accepted: int
    handled: int
    failed: int
    expired: int
    duplicate: int
    dead: int
    queued: int
    sent: int
    replies: int
    late_replies: int
    to_nobody: int
    no_room: int
    restarts: int
    step: int
    site: str


class Home(Protocol):
    """What a reference asks of the system its actor lives in. `journal`: where sends are kept, or None."""

    journal: Any

    def state_of(self, slot: int, gen: int) -> dict[str, Any]:
        """The fields of an actor, between two messages."""
        ...

    def status_of(self, slot: int, gen: int) -> Status:
        """An actor's counters."""
        ...

    def stop_actor(self, slot: int, gen: int) -> None:
        """Let an actor end once its queue is empty."""
        ...

    def pause_actor(self, slot: int, gen: int) -> None:
        """Let an actor's messages wait."""
        ...

    def resume_actor(self, slot: int, gen: int) -> None:
        """Let an actor take messages again."""
        ...

    def subscribe(self, pattern: str, ref: Any) -> None:
        """Let an actor get what is published."""
        ...

    def unsubscribe(self, pattern: str, ref: Any) -> None:
        """End a subscription."""
        ...

    def awaited(self, token: Any, done: Any) -> None:
        """Call `done` when a reply is there."""
        ...

    def forget(self, token: Any) -> None:
        """Nobody waits for a reply any more."""
        ...


class Ref(native.Ref):
    """An actor, as its senders know it. In a field of an actor or message it is two words; empty, nobody.

    `tell`, `tell_many` and `ask_sync` are native. A reference stays what it is when its actor has ended: what
    is sent by it then raises ActorStopped.
    """

    __slots__ = ("_home", "name")
    __gyral_struct__ = REF
    _home: Home
    name: str

    async def send(self, message: Any, timeout: float | None = None) -> None:
        """As `tell`, but waits while the mailbox is full. TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            wait = FIRST_WAIT
            while True:
                try:
                    self.tell(message)
                except MailboxFull:
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LONGEST_WAIT)
                else:
                    return

    async def ask(self, message: Any, timeout: float | None = None) -> Any:
        """Send a message and await the reply. AskTimeout after `timeout` seconds, the outcome unknown."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        try:
            async with asyncio.timeout(timeout):
                token = await self._begin(message)
                self._home.awaited(token, lambda: loop.call_soon_threadsafe(_finish, done))
                try:
                    await done
                except BaseException:
                    self._home.forget(token)
                    with suppress(GyralError):
                        self.mail.ask_end(token)
                    raise
        except TimeoutError:
            raise AskTimeout(
                f"no reply of {self!r} within {timeout} s; whether it was handled is unknown"
            ) from None
        try:
            return self.mail.ask_end(token)
        except StateError as error:
            if isinstance(error, ActorStopped):
                raise
            raise LoopLost(
                f"the system ended before {self!r} answered; whether it handled the message is unknown"
            ) from None

    async def _begin(self, message: Any) -> Any:
        """Send a message that asks, as soon as there is room."""
        wait = FIRST_WAIT
        while True:
            try:
                return self.ask_begin(message)
            except MailboxFull:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def state(self) -> dict[str, Any]:
        """The fields as they stand between two messages."""
        return self._home.state_of(self.slot, self.gen)

    @property
    def status(self) -> Status:
        """Life-cycle state and counters, read without disturbing the actor."""
        return self._home.status_of(self.slot, self.gen)

    def stop(self) -> None:
        """Let the actor end once what is queued was handled; nothing more is accepted."""
        self._home.stop_actor(self.slot, self.gen)

    def pause(self) -> None:
        """Let messages wait, from the next one on."""
        self._home.pause_actor(self.slot, self.gen)

    def resume(self) -> None:
        """Handle messages again, those that waited first."""
        self._home.resume_actor(self.slot, self.gen)

    def subscribe(self, pattern: str) -> None:
        """Get what is published to topics that fit a pattern, such as `orders.*` or `inventory.#`."""
        self._home.subscribe(pattern, self)

    def unsubscribe(self, pattern: str) -> None:
        """End a subscription."""
        self._home.unsubscribe(pattern, self)

    def __repr__(self) -> str:
        return f"<actor {self.name or f'#{self.slot}'}>"


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
