"""Loops in a process of their own: killed under load, hung, orphaned; what was promised still holds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.actors import Add, Counter, Spin, Total
from tests.mortals import SENDERS, Look, Numbered, Relay, Seen, Sink, Stuck

import gyral as gy
from gyral.actors.hosts import host_for
from gyral.core import wire
from gyral.core.errors import DeviceError, LoopLost, MailboxFull, StateError, UnsupportedError, UserError
from gyral.core.events import Event, LoopRecovered, ProcessLost, listening

PATIENCE = 20.0
KILLS = 6

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory of two processes needs Linux")


class Diary:
    """The deaths and recoveries of loops, as events tell them."""

    def __init__(self) -> None:
        self.lost: list[ProcessLost] = []
        self.recovered: list[LoopRecovered] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, ProcessLost):
            self.lost.append(event)
        elif isinstance(event, LoopRecovered):
            self.recovered.append(event)


@pytest.fixture
def diary() -> Iterator[Diary]:
    """What was told while the test runs."""
    made = Diary()
    with listening(made):
        yield made


def pid_of(system: gy.ActorSystem) -> int:
    """The number of the process in which a system's loop runs."""
    host: Any = system._engine.host
    await_(lambda: host.pid is not None)
    return host.pid


def await_(condition: Callable[[], bool]) -> None:
    """Let others work until something is so."""
    until = time.perf_counter() + PATIENCE
    while not condition():
        assert time.perf_counter() < until, "it never came to that"
        os.sched_yield()


def kill(system: gy.ActorSystem, diary: Diary) -> None:
    """Kill the loop's process, and wait until another one runs it."""
    before = len(diary.recovered)
    os.kill(pid_of(system), signal.SIGKILL)
    await_(lambda: len(diary.recovered) > before)


def send_until(done: threading.Event, to: gy.Ref, sender: int) -> None:
    """Tell numbers, one after another."""
    n = 1
    while not done.is_set():
        try:
            to.tell(Numbered(sender, n))
            n += 1
        except MailboxFull:
            os.sched_yield()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_loop_goes_on_with_all_but_what_was_in_hand(seed: int, diary: Diary) -> None:
    """Under load of several senders: every account is even, nothing comes twice, and order is kept."""
    chance = random.Random(seed)
    with gy.ActorSystem(isolation="process", workers=2, grace=PATIENCE, letters=1 << 16) as system:
        sink = system.spawn(Sink)
        relay = system.spawn(Relay, to=sink)
        done = threading.Event()
        senders = [
            threading.Thread(target=send_until, args=(done, (sink, relay)[k % 2], k)) for k in range(SENDERS)
        ]
        for thread in senders:
            thread.start()
        for _ in range(KILLS):
            handled = sink.status.handled
            await_(lambda least=handled + chance.randrange(1, 10_000): sink.status.handled >= least)
            kill(system, diary)
        done.set()
        for thread in senders:
            thread.join()
        assert system.settle(PATIENCE)
        seen = sink.ask_sync(Look(), timeout=PATIENCE)
        assert seen.disorder == 0
        for status in (sink.status, relay.status):
            ended = status.handled + status.failed + status.dead
            assert (status.state, status.queued, status.accepted - ended) == ("active", 0, 0)
        lost = [letter.reason for letter in system.dead_letters()]
        assert set(lost) <= {"lost"}
        assert len(lost) <= 2 * KILLS
    assert [event.how.split()[-1] for event in diary.lost] == ["SIGKILL"] * KILLS
    assert max(event.seconds for event in diary.recovered) < 10.0


def test_the_message_in_hand_is_lost_and_its_actor_as_before(diary: Diary) -> None:
    """It has failed, and is a dead letter; its actor, which resumes, takes the next one."""
    with gy.ActorSystem(isolation="process", workers=1, hang_after=None) as system:
        sink = system.spawn(Sink)
        sink.tell_many([Numbered(0, 1), Stuck(-1), Numbered(0, 2)])
        await_(lambda: system.stats()["workers"][0]["in_hand"] is not None)
        kill(system, diary)
        assert sink.ask_sync(Look(), timeout=PATIENCE) == Seen(2, 0)
        assert system.settle(PATIENCE)
        assert (sink.status.handled, sink.status.failed) == (3, 1)
        (letter,) = system.dead_letters()
        assert (type(letter.message), letter.receiver, letter.reason) == (Stuck, sink, "lost")
        assert "died" in letter.detail


def test_an_actor_that_restarts_has_its_first_fields_again(diary: Diary) -> None:
    """The policy of its class decides, as for any failure."""
    with gy.ActorSystem(isolation="process", workers=1, hang_after=None) as system:
        counter, other = system.spawn_many(Counter, 2, total=[5, 7])
        counter.tell_many([Add(1), Spin(-1)])
        await_(lambda: system.stats()["workers"][0]["in_hand"] is not None)
        kill(system, diary)
        assert system.settle(PATIENCE)
        assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(6, 1)
        assert other.ask_sync(Add(1), timeout=PATIENCE) == Total(8, 1)
        assert counter.status.restarts == 1


def test_an_ask_that_waits_ends_when_the_process_dies() -> None:
    """In LoopLost, long before its time is up."""
    with gy.ActorSystem(isolation="process", workers=1, hang_after=None) as system:
        sink = system.spawn(Sink)
        token = sink.ask_begin(Stuck(-1))
        await_(lambda: system.stats()["workers"][0]["in_hand"] is not None)
        os.kill(pid_of(system), signal.SIGSEGV)
        mail: Any = sink.mail
        await_(lambda: mail.ask_poll(token))
        with pytest.raises(LoopLost):
            mail.ask_end(token)


def test_what_was_put_aside_survives(diary: Diary) -> None:
    """Messages that wait for a paused actor are there after the death, in order."""
    with gy.ActorSystem(isolation="process", workers=1) as system:
        sink, other = system.spawn(Sink), system.spawn(Sink)
        sink.pause()
        sink.tell_many([Numbered(0, n) for n in range(1, 31)])
        assert other.ask_sync(Look(), timeout=PATIENCE) == Seen(0, 0)
        kill(system, diary)
        sink.tell_many([Numbered(0, n) for n in range(31, 41)])
        sink.resume()
        assert system.settle(PATIENCE)
        assert sink.ask_sync(Look(), timeout=PATIENCE) == Seen(40, 0)


def test_a_handler_that_never_returns_is_killed_where_it_must_be(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that hears no abort goes on in another process, without the message."""
    with gy.ActorSystem(isolation="process", workers=1, hang_after=0.2) as system:
        sink = system.spawn(Sink)
        monkeypatch.setattr("gyral.actors.durable.ABORT_SECONDS", 0.0)
        sink.tell(Stuck(-1))
        await_(lambda: len(diary.recovered) == 1)
        assert sink.ask_sync(Look(), timeout=PATIENCE) == Seen(0, 0)
        assert sink.status.failed == 1


def test_a_failure_that_no_record_tells_of_reaches_its_supervisor(diary: Diary) -> None:
    """Killed after it wrote that an actor fails and before it told the host: the host finds it."""
    with gy.ActorSystem(isolation="process", workers=1) as system:
        sink = system.spawn(Sink)
        with system.quiet() as world:
            world.control(sink.slot)[wire.CT_STATE] = wire.FAILING
            world.control(sink.slot)[wire.CT_ERROR_SITE] = 1
        kill(system, diary)
        assert sink.ask_sync(Look(), timeout=PATIENCE) == Seen(0, 0)
        assert sink.status.state == "active"


def test_classes_and_room_are_added_while_it_runs_apart(diary: Diary) -> None:
    """Epochs go on in the same process, and a kill afterwards finds the last of them."""
    with gy.ActorSystem(isolation="process", workers=2) as system:
        sink = system.spawn(Sink)
        sink.tell(Numbered(0, 1))
        first = pid_of(system)
        counters = system.spawn_many(Counter, 200)
        assert pid_of(system) == first
        kill(system, diary)
        assert counters[-1].ask_sync(Add(2), timeout=PATIENCE) == Total(2, 1)
        assert sink.ask_sync(Look(), timeout=PATIENCE) == Seen(1, 0)
        assert system.lookup("*") == []


def test_a_lost_loop_can_go_back_to_its_checkpoint(diary: Diary, tmp_path: Path) -> None:
    """With on_loss="checkpoint": what came since is forgotten."""
    with gy.ActorSystem(isolation="process", on_loss="checkpoint", workers=1) as system:
        counter = system.spawn(Counter)
        counter.tell(Add(5))
        assert system.settle(PATIENCE)
        system.checkpoint(tmp_path / "saved")
        counter.tell(Add(6))
        assert system.settle(PATIENCE)
        kill(system, diary)
        assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(6, 2)


def test_a_lost_loop_can_be_the_end(diary: Diary) -> None:
    """With on_loss="fail" the system is closed to its users from then on."""
    system = gy.ActorSystem(isolation="process", on_loss="fail", workers=1)
    counter = system.spawn(Counter)
    os.kill(pid_of(system), signal.SIGKILL)
    await_(lambda: len(diary.lost) == 1)

    def refused() -> bool:
        try:
            counter.tell(Add(1))
        except StateError:
            return True
        except MailboxFull:
            pass
        return False

    await_(refused)
    with pytest.raises(DeviceError, match="killed by SIGKILL"):
        system.close()


ORPHAN = """
import os, signal
import gyral as gy
from tests.mortals import Sink, Stuck
system = gy.ActorSystem(isolation="process", workers=1, hang_after=None)
sink = system.spawn(Sink)
sink.tell(Stuck(-1))
print(system._engine.host.pid, flush=True)
if {forks} and os.fork() == 0:
    signal.pause()
os.kill(os.getpid(), signal.{signal})
"""


def lives(pid: int) -> bool:
    """Whether there is such a process that is not a mere record of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_the_process_ends_with_its_parent(name: str) -> None:
    """However that dies, and although a handler runs."""
    text = ORPHAN.format(signal=name, forks=False)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == -getattr(signal, name), done.stderr
    await_(lambda: not lives(int(done.stdout)))


def test_a_forked_child_keeps_nobodys_process() -> None:
    """The loop's process ends with the one that made it, although a fork of that lives on."""
    text = ORPHAN.format(signal="SIGKILL", forks=True)
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as it:
        assert it.stdout is not None
        pid = int(it.stdout.readline())
        try:
            await_(lambda: not lives(pid))
        finally:
            os.killpg(it.pid, signal.SIGKILL)


def test_a_closed_system_leaves_no_process_and_no_memory() -> None:
    """Nothing by name in shared memory at any time, and no process afterwards."""
    before = set(os.listdir("/dev/shm"))
    with gy.ActorSystem(isolation="process", workers=1) as system:
        system.spawn(Counter)
        pid = pid_of(system)
        assert set(os.listdir("/dev/shm")) <= before
    assert not lives(pid)


def test_what_cannot_be_is_refused_in_words() -> None:
    """Words that mean nothing here, and devices whose loops are not in threads."""
    with pytest.raises(UserError, match="isolation= is"):
        gy.ActorSystem(isolation="container")
    with pytest.raises(UserError, match="on_loss= is"):
        gy.ActorSystem(isolation="process", on_loss="shrug")
    elsewhere: Any = SimpleNamespace(name="elsewhere", capabilities=SimpleNamespace(progress=False))
    with pytest.raises(UnsupportedError, match="not for elsewhere; leave it out"):
        host_for(elsewhere, 1, 1.0, 1.0, "process")
