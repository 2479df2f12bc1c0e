"""Systems of actors on devices with memory of their own: in supersteps, and in one launch that stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests import apart
from tests.agreement import needs_device
from tests.fake_cuda import FakeCuda
from tests.msl import shim

import gyral as gy
from gyral.core.errors import ActorStopped, DeviceError, HandlerFailed, LoopLost, StateError


@gy.message
class Deposit:
    amount: gy.f32


@gy.message
class Balance:
    total: gy.f32


@gy.message
class Close:
    pass


@gy.actor(capacity=8)
class Account:
    total: gy.f32 = 0.0
    auditor: gy.Ref = None

    def deposit(self, msg: Deposit) -> Balance:
        assert msg.amount >= 0.0, "negative"
        self.total += msg.amount
        self.auditor.tell(msg)
        return Balance(self.total)

    def close(self, msg: Close) -> None:
        self.stop()


@gy.actor(capacity=4)
class Teller:
    best: gy.f32 = 0.0
    history: gy.Array[gy.f32]

    def deposit(self, msg: Deposit) -> None:
        self.best = max(self.best, msg.amount)
        for k in range(self.history.shape[0]):
            self.history[k] += msg.amount
        self.sender.tell(Balance(self.best))


SUPERSTEPS = [
    apart.KIND,
    pytest.param("opencl", marks=needs_device("opencl", "pocl-opencl-icd")),
    pytest.param("webgpu", marks=needs_device("webgpu", "mesa-vulkan-drivers")),
]


@pytest.fixture(params=[*SUPERSTEPS, "stays"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[gy.ActorSystem]:
    """A system on each sort of device."""
    if request.param == "stays":
        with apart.resident(FakeCuda(), monkeypatch) as device:
            with gy.ActorSystem(device=device, workers=1) as made:
                yield made
        return
    apart.device()
    with gy.ActorSystem(device=request.param, workers=2) as made:
        yield made


def settled(ref: Any) -> Any:
    """The status of an actor that has handled what it was sent, by a last question to it."""
    ref.ask_sync(Deposit(0.0), timeout=20.0)
    return ref.status


def test_actors_answer_and_send_on_every_sort_of_device(system: gy.ActorSystem) -> None:
    """Replies come with the state they were made from, and sends between actors arrive."""
    bob = system.spawn(Account, name="bob")
    alice = system.spawn(Account, total=1.0, auditor=bob)
    for k in range(20):
        alice.tell(Deposit(float(k)))
    reply = alice.ask_sync(Deposit(0.5), timeout=20.0)
    bob.ask_sync(Deposit(0.0), timeout=20.0)
    assert reply.total == 191.5
    assert bob.state()["total"] in (190.0, 190.5)
    assert (alice.state()["total"], settled(alice).handled) == (191.5, 22)


def test_failing_handlers_are_told_and_restarted(system: gy.ActorSystem) -> None:
    """Who asks learns of the failure, and the actor starts anew."""
    alice = system.spawn(Account, total=3.0)
    with pytest.raises(HandlerFailed):
        alice.ask_sync(Deposit(-1.0), timeout=20.0)
    assert alice.ask_sync(Deposit(1.0), timeout=20.0).total == 4.0


def test_a_new_class_joins_what_lives(system: gy.ActorSystem) -> None:
    """An epoch keeps states; a class with arrays of its own works, and messages reach the host's inbox."""
    alice = system.spawn(Account, total=5.0)
    alice.tell(Deposit(1.0))
    teller = system.spawn(Teller, history=np.arange(3, dtype=np.float32))
    teller.tell(Deposit(2.5))
    assert alice.ask_sync(Deposit(1.0), timeout=20.0).total == 7.0
    assert system.inbox.get(timeout=20.0).message.total == 2.5
    assert teller.state()["history"].tolist() == [2.5, 3.5, 4.5]


def test_stopped_actors_take_nothing(system: gy.ActorSystem) -> None:
    """Once it has ended itself, an actor is known to have."""
    alice = system.spawn(Account)
    bob = system.spawn(Account)
    alice.tell(Close())
    bob.ask_sync(Deposit(0.0), timeout=20.0)
    bob.ask_sync(Deposit(0.0), timeout=20.0)
    with pytest.raises(ActorStopped):
        alice.ask_sync(Deposit(1.0), timeout=20.0)


def test_threads_may_tell_while_the_system_stands(system: gy.ActorSystem) -> None:
    """Nothing is lost or doubled when snapshots are taken amid messages of several threads."""
    alice = system.spawn(Account)

    def send() -> None:
        for _ in range(100):
            alice.tell(Deposit(1.0))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    seen = [alice.state()["total"] for _ in range(10)]
    for thread in threads:
        thread.join()
    assert alice.ask_sync(Deposit(0.0), timeout=20.0).total == 300.0
    assert sorted(seen) == seen


@pytest.mark.parametrize("kind", SUPERSTEPS)
def test_supersteps_are_called_batched(kind: str) -> None:
    """A loop that is launched again and again is never called resident."""
    apart.device()
    assert gy.ActorSystem(device=kind).way == "batched"


def test_a_launch_that_stays_is_cooperative(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arena is pinned for every context and mapped; the launch asks for all blocks at the same time."""
    fake = FakeCuda()
    fake.listen()
    with apart.resident(fake, monkeypatch) as device, gy.ActorSystem(device=device, workers=1) as system:
        assert system.way == "resident"
        system.spawn(Account).ask_sync(Deposit(1.0), timeout=20.0)
    heard = fake.heard()
    assert any(text.startswith("launch on stream") and text.endswith("that stays") for text in heard)
    assert any("bytes of host memory are pinned, flags 3" in text for text in heard)
    assert heard.count("host memory is unpinned") == 1


@pytest.mark.skipif(shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12")
def test_cuda_text_stays_in_sight_of_the_host() -> None:
    """CUDA's own text of a loop takes what threads send while it runs, pauses between, and goes on."""
    with gy.ActorSystem(device=apart.text_device(), workers=1) as system:
        bob = system.spawn(Account)
        alice = system.spawn(Account, auditor=bob)
        for k in range(10):
            alice.tell(Deposit(float(k)))
        assert alice.ask_sync(Deposit(1.0), timeout=20.0).total == 46.0
        assert (alice.state()["total"], bob.state()["total"]) == (46.0, 46.0)
        with pytest.raises(HandlerFailed):
            alice.ask_sync(Deposit(-1.0), timeout=20.0)


def test_more_workers_than_the_device_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that wait for one another must all be there; the error says how many there may be."""
    fake = FakeCuda()
    fake.attribute(16, 1)
    fake.attribute(39, 2)
    with apart.resident(fake, monkeypatch) as device:
        with pytest.raises(gy.UnsupportedError, match="holds 2 blocks"):
            gy.ActorSystem(device=device, workers=3).spawn(Account)
    fake.attribute(16, 132)
    fake.attribute(39, 2048)


def test_a_device_that_fails_ends_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a reply learns that the loop is lost, and so does whoever asks next."""
    device = apart.device()
    system = gy.ActorSystem(device=device)
    alice = system.spawn(Account)
    alice.ask_sync(Deposit(1.0), timeout=20.0)
    monkeypatch.setattr(device.driver, "broken", True)
    with pytest.raises(LoopLost):
        alice.ask_sync(Deposit(1.0), timeout=20.0)
    with pytest.raises(StateError):
        alice.tell(Deposit(1.0))
    with pytest.raises(DeviceError, match="fell off the bus"):
        alice.state()


@gy.actor(block=32)
class Crew:
    cells: gy.Local[gy.f32, 32]

    def deposit(self, msg: Deposit) -> Balance:
        self.cells[gy.local_id()] += msg.amount
        return Balance(gy.block_sum(self.cells[gy.local_id()]))


@needs_device("opencl", "pocl-opencl-icd")
def test_blocks_of_threads_are_refused_where_they_cannot_be_compiled() -> None:
    """PoCL cannot compile barriers in many branches: the error says so at once, and what to do."""
    with gy.ActorSystem(device="opencl") as system:
        if system.device.capabilities.branched_barriers:
            pytest.skip("this OpenCL device compiles barriers in branches")
        with pytest.raises(gy.UnsupportedError, match="blocks of 32 threads"):
            system.spawn(Crew)


@needs_device("webgpu", "mesa-vulkan-drivers")
def test_blocks_of_threads_handle_messages_in_supersteps() -> None:
    """Handlers of many threads work together on a device apart."""
    with gy.ActorSystem(device="webgpu") as system:
        assert system.spawn(Crew).ask_sync(Deposit(2.0), timeout=60.0).total == 64.0


def test_thousands_of_actors_are_seen_in_parts() -> None:
    """Where control blocks are read now and then only, counters are whole when the loop has come to rest."""
    apart.device()
    with gy.ActorSystem(device=apart.KIND, workers=3) as system:
        accounts = system.spawn_many(Account, 1500)
        for account in accounts:
            account.tell(Deposit(2.0))
        last = [account.ask_sync(Deposit(1.0), timeout=20.0).total for account in accounts[::100]]
        with system.quiet() as world:
            assert int(world.done.sum()) == int(world.sent.sum()) == 1515
        assert last == [3.0] * 15
        assert sum(account.status.handled for account in accounts) == 1515


def test_lanes_wrap_around_between_launches() -> None:
    """Many times the depth of a lane goes through it, in order, with nothing lost or doubled."""
    apart.device()
    with gy.ActorSystem(device=apart.KIND, workers=2, depth=64) as system:
        account = system.spawn(Account)
        letters = np.ones(50, Deposit.dtype)
        sent = 0
        while sent < 3000:
            sent += account.tell_many(letters, Deposit)
        while True:
            try:
                found = account.ask_sync(Deposit(0.0), timeout=20.0)
                break
            except gy.MailboxFull:
                continue
        assert found.total == sent
