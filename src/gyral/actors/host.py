"""What keeps a loop running: the one protocol behind which the ways of residing stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from gyral.actors.repair import Casualty
from gyral.actors.world import Memory, World
from gyral.core import errors, native


class Host(Protocol):
    """Runs the loop of one world on one device.

    Between `pause` and `resume` the loop stands at message boundaries and the world's memory, as the host
    sees it, is whole and may be changed.
    """

    @property
    def mail(self) -> Any:
        """The `_native.Mail` that host threads send by."""
        ...

    @property
    def way(self) -> str:
        """Either "resident": the loop stays on the device; or "batched": it is dispatched again and again."""
        ...

    @property
    def rests(self) -> bool:
        """Whether the counts of messages in the world are those of now, so that none under way is missed."""
        ...

    def start(self, world: World, program: Any) -> None:
        """Let a world's loop run."""
        ...

    def pause(self, timeout: float) -> bool:
        """Bring all workers to a message boundary; False when one does not come in time."""
        ...

    def resume(self) -> None:
        """Let the workers go on."""
        ...

    def stop(self, timeout: float) -> bool:
        """End the loop; False when a worker had to be given up."""
        ...


@runtime_checkable
class Printing(Protocol):
    """A host whose loop leaves what handlers print in a buffer, until somebody writes it out."""

    @property
    def prints(self) -> bool:
        """Whether any handler prints."""
        ...

    @property
    def printed(self) -> bool:
        """Whether something was printed that is not written out."""
        ...

    def flush(self) -> None:
        """Write out what was printed, and how much was lost. While the loop rests."""
        ...


@runtime_checkable
class Mortal(Host, Protocol):
    """A host whose loop runs in a process of its own, which may die.

    `casualty` is called, under the pause, for each message that was in hand then.
    """

    casualty: Callable[[Casualty], None]
    on_loss: str

    @property
    def lost(self) -> str:
        """How the process died whose loop is not replaced yet, "" when it lives."""
        ...

    def obituaries(self) -> list[str]:
        """How processes died since the last call."""
        ...

    def revivals(self) -> list[float]:
        """Seconds from a loss to a successor that ran, for each since the last call."""
        ...

    def memory(self) -> Memory:
        """Where the next world is to lie."""
        ...

    def kill(self) -> None:
        """End a process whose loop does not come back; it is lost, as if somebody else had killed it."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


def open_mail(mail: Any, arena: Any, **options: Any) -> Any:
    """What host threads send by over an arena: made anew, or moved there with all who wait."""
    if mail is not None:
        mail.rebind(arena)
        return mail
    module = native.require("a system of actors")
    module.set_actor_errors(errors.ACTOR_ERRORS)
    return module.Mail(arena, **options)
