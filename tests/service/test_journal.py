"""Journals: what the host sent since a checkpoint is sent again after a crash."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.actors import Add, Counter, Get, Total
from tests.ledgers import Book, Ledger, Meet, pages

import gyral as gy
from gyral.actors.disk import DISK
from gyral.actors.journal import segments
from gyral.core.errors import AskTimeout, DeviceError
from gyral.core.events import CheckpointTrouble, listening

PATIENCE = 20.0
OPTIONS: dict[str, Any] = {"hang_after": None, "grace": PATIENCE}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Where a checkpoint and a journal go."""
    return {"path": tmp_path / "state", "journal": tmp_path / "sent"}


def test_what_was_sent_is_sent_again(paths: dict[str, Path]) -> None:
    """All ways to send are kept, in their order; what the checkpoint has is not sent again."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        counter = system.spawn(Counter, name="a")
        counter.tell(Add(1))
        system.checkpoint(paths["path"])
        counter.tell(Add, 2)
        assert counter.tell_many([Add(3), Add(4)]) == 2
        batch = np.zeros(8, Add.dtype)
        batch["n"] = np.arange(5, 13)
        assert counter.tell_many(batch[::2], Add) == 4
        assert counter.ask_sync(Add(20), PATIENCE).count == 9
        assert counter.ask_sync(Add, 21, timeout=PATIENCE).count == 10
        assert asyncio.run(counter.ask(Add(22), PATIENCE)).count == 11
        before = counter.state()
    with gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS) as again:
        assert again.settle(PATIENCE)
        assert again.lookup("a").state() == before
        again.lookup("a").tell(Add(30))
    with gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS) as third:
        assert third.settle(PATIENCE)
        assert third.lookup("a").state() == before | {"total": before["total"] + 30, "count": 12, "last": 30}


def test_a_killed_process_loses_nothing_that_was_synced(paths: dict[str, Path]) -> None:
    """A process killed between two messages is followed by one that has handled what it sent."""
    program = (
        "import sys, os, signal\n"
        "import gyral as gy\n"
        "from tests.actors import Add, Counter\n"
        f"system = gy.ActorSystem(journal={str(paths['journal'])!r})\n"
        "counter = system.spawn(Counter, name='a')\n"
        f"system.checkpoint({str(paths['path'])!r})\n"
        "for n in range(40): counter.tell(Add(n))\n"
        "system.journal.sync()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    with gy.ActorSystem.restore(
        paths["path"], classes=[Counter], journal=paths["journal"], **OPTIONS
    ) as again:
        assert again.settle(PATIENCE)
        assert again.lookup("a").state() == {"total": 780, "count": 40, "last": 39, "disorder": 0}


def test_keys_make_it_once(paths: dict[str, Path]) -> None:
    """Messages with a key that the checkpoint knows are not handled twice, whoever sends them."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        ledger = system.spawn(Ledger, name="a", pages=pages())
        system.checkpoint(paths["path"])
        ledger.ask_sync(Book(1, 0), PATIENCE, key=7)
    with gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS) as again:
        ledger = again.lookup("a")
        ledger.tell(Book(1, 0), key=7)
        assert again.settle(PATIENCE)
        assert (ledger.status.handled, ledger.status.duplicate) == (1, 1)


def test_references_in_messages_are_followed(paths: dict[str, Path]) -> None:
    """A reference that was sent means the same actor when it is sent again."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        first, second = (system.spawn(Ledger, name=name, total=5.0, pages=pages()) for name in "ab")
        system.checkpoint(paths["path"])
        first.tell(Meet(second))
        assert system.settle(PATIENCE)
    with gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS) as again:
        assert again.settle(PATIENCE)
        assert again.lookup("b").state()["total"] == 10.0


def test_a_torn_record_ends_its_segment(paths: dict[str, Path]) -> None:
    """What was not written whole is left out, and what stands before it is sent."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        counter = system.spawn(Counter, name="a")
        system.checkpoint(paths["path"])
        for n in (1, 2, 3):
            counter.tell(Add(n))
        system.journal.sync()
    newest = paths["journal"].with_name(f"sent.{segments(paths['journal'])[-1]}")
    newest.write_bytes(newest.read_bytes()[:-1])
    with gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS) as again:
        assert again.settle(PATIENCE)
        assert again.lookup("a").ask_sync(Get(), PATIENCE) == Total(3, 2)


def test_recovery_sends_again(paths: dict[str, Path]) -> None:
    """With a journal, going back in one process loses no message, with a checkpoint or without."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        counter = system.spawn(Counter, name="a")
        counter.tell(Add(1))
        system.recover()
        counter.tell(Add(2))
        assert counter.ask_sync(Get(), PATIENCE) == Total(3, 2)
        system.checkpoint(paths["path"])
        counter.tell(Add(4))
        system.recover()
        system.recover()
        assert counter.ask_sync(Get(), PATIENCE) == Total(7, 3)


def test_who_came_after_the_checkpoint_is_told_of(paths: dict[str, Path]) -> None:
    """Messages to actors that the checkpoint does not have are counted in an event."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        system.spawn(Counter)
        system.checkpoint(paths["path"])
        system.spawn(Counter).tell(Add(1))
    told: list[Any] = []
    with listening(told.append), gy.ActorSystem.restore(paths["path"], journal=paths["journal"], **OPTIONS):
        pass
    assert [e.reason[:22] for e in told if isinstance(e, CheckpointTrouble)] == ["1 messages of the jour"]


def test_old_segments_go(paths: dict[str, Path]) -> None:
    """Segments are kept as far back as the previous checkpoint needs them."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        counter = system.spawn(Counter)
        for n in range(5):
            counter.tell(Add(n))
            system.journal.sync()
            system.checkpoint(paths["path"])
        counter.tell(Add(9))
        system.journal.sync()
        assert len(segments(paths["journal"])) == 2


def test_a_reply_that_does_not_come(paths: dict[str, Path]) -> None:
    """An ask through a journal ends by its deadline."""
    with gy.ActorSystem(journal=paths["journal"], **OPTIONS) as system:
        counter = system.spawn(Counter)
        counter.pause()
        with pytest.raises(AskTimeout, match="is unknown"):
            counter.ask_sync(Get(), 0.01)
        counter.resume()


def test_a_full_disk_is_told_to_who_sends(paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """When the journal cannot be written, sends raise from then on, and closing says so too."""

    def full(*given: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    system = gy.ActorSystem(journal=paths["journal"], **OPTIONS)
    counter = system.spawn(Counter)
    monkeypatch.setattr(type(DISK), "write", full)
    counter.tell(Add(1))
    with pytest.raises(DeviceError, match="cannot be written"):
        system.journal.sync()
    with pytest.raises(DeviceError, match="cannot be written"):
        counter.tell(Add(1))
    with pytest.raises(DeviceError, match="cannot be written"):
        system.close()
