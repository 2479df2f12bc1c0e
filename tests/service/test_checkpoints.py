"""Checkpoints: what is saved comes back, on any number of workers; what is damaged is refused."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.actors import Add, Counter, Fail, Get, Total
from tests.ledgers import Book, Break, Ledger, bank, flip, pages, seen, wait_for

import gyral as gy
from gyral.actors.disk import DISK
from gyral.actors.savefile import save
from gyral.core.errors import (
    ActorStopped,
    DeviceError,
    DuplicateMessage,
    StateError,
    UnsupportedError,
    UserError,
)
from gyral.core.events import CheckpointTrouble, listening

PATIENCE = 20.0
OPTIONS: dict[str, Any] = {"hang_after": None, "grace": PATIENCE}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a checkpoint goes."""
    return tmp_path / "bank.ckpt"


@pytest.mark.parametrize("compress", [None, "zlib"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_restored_is_as_it_was(path: Path, workers: int, compress: str | None) -> None:
    """Fields of every kind, counters, states and queues are equal, with as many workers or others."""
    with gy.ActorSystem(workers=2, **OPTIONS) as system:
        bank(system)
        record = system.checkpoint(path, compress)
        before = seen(system)
        system.lookup("bank/auditor").resume()
    assert (record.actors, record.nbytes, record.number) == (2, path.stat().st_size, 0)
    with gy.ActorSystem.restore(path, workers=workers, **OPTIONS) as again:
        assert seen(again) == before
        auditor = again.lookup("bank/auditor")
        assert auditor.status.queued == 20
        auditor.resume()
        assert auditor.ask_sync(Book(0, 0), PATIENCE).total == sum(range(20))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_queues_keep_their_order(path: Path, workers: int) -> None:
    """Messages that were put aside, and those behind them, are handled in the order they were sent in."""
    with gy.ActorSystem(workers=2, **OPTIONS) as system:
        counters = system.spawn_many(Counter, 5)
        for counter in counters:
            counter.pause()
            for k in range(40):
                counter.tell(Add(k))
        system.checkpoint(path)
        for counter in counters:
            counter.resume()
    with gy.ActorSystem.restore(path, workers=workers, **OPTIONS) as again:
        for counter in again.refs():
            counter.tell(Add(40))
            counter.resume()
        assert again.settle(PATIENCE)
        found = [counter.state() for counter in again.refs()]
    assert found == [{"total": 820, "count": 41, "last": 40, "disorder": 0}] * 5


def test_accounts_are_closed(path: Path) -> None:
    """What was accepted is what was handled, failed, expired, refused, buried, or is queued."""
    with gy.ActorSystem(workers=2, **OPTIONS) as system:
        counter = system.spawn(Counter)
        for n in (1, -1, 2):
            counter.tell(Fail(n))
        assert system.settle(PATIENCE)
        counter.pause()
        counter.tell_many([Add(1), Add(2)])
        system.checkpoint(path)
        counter.resume()
    with gy.ActorSystem.restore(path, workers=1, **OPTIONS) as again:
        status = again.refs()[0].status
        ends = status.handled + status.failed + status.expired + status.duplicate + status.dead
        assert (status.accepted, ends + status.queued, status.queued) == (5, 5, 2)
        again.refs()[0].resume()


def test_keys_are_remembered(path: Path) -> None:
    """A message that was handled before the checkpoint is a duplicate after it."""
    with gy.ActorSystem(**OPTIONS) as system:
        ledger = system.spawn(Ledger, name="a", pages=pages())
        ledger.ask_sync(Book(1, 0), PATIENCE, key=77)
        system.checkpoint(path)
    with gy.ActorSystem.restore(path, **OPTIONS) as again, pytest.raises(DuplicateMessage):
        again.lookup("a").ask_sync(Book(1, 0), PATIENCE, key=77)


def test_restarts_give_the_first_fields(path: Path) -> None:
    """What an actor was spawned with is kept, arrays too, for the restarts to come."""
    with gy.ActorSystem(**OPTIONS) as system:
        worker, auditor = bank(system)
        first = {"total": 1.0, "auditor": auditor, "pages": pages().tolist()}
        system.checkpoint(path)
        auditor.resume()
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        worker = again.lookup("bank/worker")
        worker.tell(Break(0))
        wait_for(lambda: worker.status.restarts == 1)
        state = worker.state()
        found = {"total": state["total"], "auditor": state["auditor"], "pages": state["pages"].tolist()}
        assert found == first | {"auditor": again.lookup("bank/auditor")}
        again.lookup("bank/auditor").resume()


def test_subscriptions_groups_and_errors_are_kept(path: Path) -> None:
    """Topics reach whom they reached, groups hold together, and the place of an error stays known."""
    with gy.ActorSystem(**OPTIONS) as system:
        with system.group("all", restart="one_for_all"):
            counters = [system.spawn(Counter, name=name) for name in "ab"]
        counters[0].subscribe("news.*")
        counters[1].tell(Fail(0))
        wait_for(lambda: counters[1].status.restarts == 1)
        site = counters[1].status.site
        system.checkpoint(path)
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert (again.publish("news.x", Add(5)), again.lookup("b").status.site) == (1, site)
        assert again.lookup("a").ask_sync(Get(), PATIENCE) == Total(5, 1)
        again.lookup("b").tell(Fail(0))
        wait_for(lambda: again.lookup("a").status.restarts == 2)
        assert again.dead_letters()[-1].reason == "failed"


def test_a_late_reply_meets_no_new_question(path: Path) -> None:
    """A question that waited in the checkpoint is not answered in place of one that is asked now."""
    with gy.ActorSystem(**OPTIONS) as system:
        counter = system.spawn(Counter, name="a")
        counter.pause()
        counter.ask_begin(Add(7))
        system.checkpoint(path)
        counter.resume()
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        counter = again.lookup("a")
        counter.resume()
        assert counter.ask_sync(Get(), PATIENCE) == Total(7, 1)
        assert counter.status.late_replies == 1


def test_time_does_not_go_back(path: Path) -> None:
    """The clock of messages goes on from where it was."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter)
        system._engine.host.mail.clock = ahead = 1 << 60
        system.checkpoint(path)
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert again._engine.host.mail.clock >= ahead


def test_restored_actors_end_and_are_followed(path: Path) -> None:
    """Slots, generations and free places are kept: new actors take places that nobody has."""
    with gy.ActorSystem(**OPTIONS) as system:
        first, second = system.spawn_many(Counter, 2)
        first.stop()
        wait_for(lambda: first.status.state == "terminated")
        third = system.spawn(Counter, name="third")
        system.checkpoint(path)
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert {(r.slot, r.gen) for r in again.refs()} == {(r.slot, r.gen) for r in (second, third)}
        again.spawn_many(Counter, 100)
        assert len({r.slot for r in again.refs()}) == 102


def test_urgent_messages_stay_urgent(path: Path) -> None:
    """With two priorities, urgent messages are handled first after a restore too."""
    with gy.ActorSystem(priorities=2, workers=2, **OPTIONS) as system:
        counter = system.spawn(Counter, name="a")
        counter.pause()
        for k in range(10):
            counter.tell(Add(k))
        counter.tell(Add(100), priority=1)
        system.checkpoint(path)
        counter.resume()
    with gy.ActorSystem.restore(path, workers=1, **OPTIONS) as again:
        counter = again.lookup("a")
        counter.resume()
        assert counter.ask_sync(Get(), PATIENCE).count in (10, 11)
        assert again.settle(PATIENCE)
        assert counter.state()["count"] == 11


# Classes that are not what they were.


def fields(extra: bool) -> type:
    """A class by one name, with a field more or less."""
    if extra:

        class Account:
            total: gy.f64 = 0.0
            currency: gy.i32 = 978

            def add(self, msg: Add):
                self.total += msg.n

    else:

        class Account:
            total: gy.f32 = 0.0

            def add(self, msg: Add):
                self.total += msg.n

    Account.__qualname__ = "Account"
    return gy.actor(Account)


def test_other_fields_are_refused_by_name(path: Path) -> None:
    """A class whose fields have changed is refused, and each difference is named."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(fields(False), name="a", total=2.5)
        system.checkpoint(path)
    with pytest.raises(UserError, match=r"'currency' is new, 'total' was <f4 and is <f8; give migrate="):
        gy.ActorSystem.restore(path, classes=[fields(True)])


def test_a_migration_makes_new_fields(path: Path) -> None:
    """A function from old fields to new ones moves actors to a class that has changed."""
    with gy.ActorSystem(**OPTIONS) as system:
        accounts = system.spawn_many(fields(False), 3, names=["a", "b", "c"], total=[1.0, 2.0, 3.0])
        accounts[1].pause()
        accounts[1].tell(Add(5))
        system.checkpoint(path)
        accounts[1].resume()

    def moved(old: dict[str, Any]) -> dict[str, Any]:
        return {"total": 100 * old["total"], "currency": 756}

    with gy.ActorSystem.restore(path, classes=[fields(True)], migrate={"Account": moved}, **OPTIONS) as again:
        again.lookup("b").resume()
        assert again.settle(PATIENCE)
        found = {ref.name: ref.state() for ref in again.refs()}
    assert found == {
        name: {"total": total, "currency": 756} for name, total in (("a", 100.0), ("b", 205.0), ("c", 300.0))
    }


def test_a_migration_to_unknown_fields_is_refused(path: Path) -> None:
    """A migration that gives a field the class does not have is told the fields it has."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(fields(False))
        system.checkpoint(path)
    with pytest.raises(UserError, match=r"gave 'sum', and Account has the fields total, currency"):
        gy.ActorSystem.restore(path, classes=[fields(True)], migrate={"Account": lambda old: {"sum": 1}})


def test_a_missing_class_is_named(path: Path) -> None:
    """A class that this program does not have is named, with what to do."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(fields(False))
        system.checkpoint(path)
    with pytest.raises(UserError, match=r"actors of .*Account, which is not there; import its module first"):
        gy.ActorSystem.restore(path)


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    """A sound file that holds no actors is refused."""
    save(path, {"kind": "something"}, {"x": np.zeros(3)})
    with pytest.raises(UserError, match="no checkpoint of a system of actors"):
        gy.ActorSystem.restore(path)


def test_nothing_to_save(path: Path) -> None:
    """A system without actors has nothing to save, and a closed one cannot."""
    with gy.ActorSystem() as system:
        with pytest.raises(UserError, match="no actors yet"):
            system.checkpoint(path)
    with pytest.raises(StateError, match="closed"):
        system.checkpoint(path)


# Increments.


def add_to(system: Any, name: str, n: int) -> None:
    """Let an actor handle one more message."""
    system.lookup(name).ask_sync(Add(n), PATIENCE)


def test_increments_are_put_together(path: Path) -> None:
    """A whole checkpoint and its increments give the newest state, queues and names included."""
    with gy.ActorSystem(**OPTIONS) as system:
        bank(system)
        system.spawn_many(Counter, 3, names=["a", "b", "c"])
        records = [system.checkpoint(path)]
        for n, name in enumerate("abca"):
            add_to(system, name, n + 1)
            system.lookup("bank/worker").tell(Book(n, n))
            records.append(system.checkpoint(path, incremental=True))
        system.spawn(Counter, name="d")
        wait_for(lambda: system.lookup("bank/worker").status.handled == 24)
        records.append(system.checkpoint(path, "zlib", incremental=True))
        before = seen(system)
        system.lookup("bank/auditor").resume()
    assert [record.number for record in records] == [0, 1, 2, 3, 4, 5]
    with gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert seen(again) == before
        again.lookup("bank/auditor").resume()


def test_increments_hold_what_changed(path: Path) -> None:
    """An increment has the rows of those who did something, and no others."""
    with gy.ActorSystem(**OPTIONS) as system:
        made = system.spawn_many(Counter, 4000, names=[f"{k}" for k in range(4000)])
        whole = system.checkpoint(path)
        made[7].ask_sync(Add(1), PATIENCE)
        part = system.checkpoint(path, incremental=True)
    assert part.number == 1
    assert part.nbytes < whole.nbytes / 2


def test_growth_makes_the_next_one_whole(path: Path) -> None:
    """When there is room for more actors than before, an increment cannot say so: all is saved."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter)
        numbers = [system.checkpoint(path, incremental=True).number for _ in range(2)]
        system.spawn_many(Counter, 200)
        numbers.append(system.checkpoint(path, incremental=True).number)
    assert numbers == [0, 1, 0]


def test_a_damaged_increment_gives_the_state_before_it(path: Path) -> None:
    """Increments are used up to the first that is damaged, and an event says so."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter, name="a")
        system.checkpoint(path)
        files = []
        for n in (1, 2, 4):
            add_to(system, "a", n)
            files.append(system.checkpoint(path, incremental=True).path)
    flip(files[1])
    told: list[Any] = []
    with listening(told.append), gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert again.lookup("a").state()["total"] == 1
    trouble = [event for event in told if isinstance(event, CheckpointTrouble)]
    assert [(event.path, event.used) for event in trouble] == [(str(files[1]), str(files[0]))]


def test_the_previous_one_is_used(path: Path) -> None:
    """When the newest file is damaged, the one before is used with its increments; when both are, neither."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter, name="a")
        add_to(system, "a", 1)
        system.checkpoint(path)
        add_to(system, "a", 2)
        system.checkpoint(path, incremental=True)
        add_to(system, "a", 4)
        system.checkpoint(path)
    flip(path)
    told: list[Any] = []
    with listening(told.append), gy.ActorSystem.restore(path, **OPTIONS) as again:
        assert again.lookup("a").state()["total"] == 3
    assert [e.used for e in told if isinstance(e, CheckpointTrouble)] == [f"{path}.previous"]
    flip(path.with_name("bank.ckpt.previous"))
    with pytest.raises(StateError, match=r"damaged.*the one before it cannot be used either"):
        gy.ActorSystem.restore(path)


def test_old_increments_go(path: Path) -> None:
    """Beside a file and the previous one there are only increments of these two."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter, name="a")
        for _ in range(3):
            system.checkpoint(path)
            add_to(system, "a", 1)
            system.checkpoint(path, incremental=True)
    assert len(list(path.parent.iterdir())) == 4


def test_a_full_disk_harms_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the file before stays, the system goes on, and the next checkpoint is whole."""

    def full(file: int, data: memoryview, at: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter, name="a")
        add_to(system, "a", 1)
        system.checkpoint(path)
        add_to(system, "a", 2)
        with monkeypatch.context() as patch:
            patch.setattr(type(DISK), "write", lambda self, *given: full(*given))
            for incremental in (True, False):
                with pytest.raises(DeviceError, match="no room to save"):
                    system.checkpoint(path, incremental=incremental)
        with gy.ActorSystem.restore(path, **OPTIONS) as again:
            assert again.lookup("a").state()["total"] == 1
        assert system.checkpoint(path, incremental=True).number == 0
        add_to(system, "a", 4)
        assert system.lookup("a").state()["total"] == 7


# Back to the last checkpoint, in one process.


def test_recovery_goes_back(path: Path) -> None:
    """Actors are as they were at the checkpoint, references stay, and who came since has ended."""
    with gy.ActorSystem(workers=2, **OPTIONS) as system:
        worker, auditor = bank(system)
        system.checkpoint(path)
        before = seen(system)
        worker.ask_sync(Book(1000, 0), PATIENCE)
        late = system.spawn_many(Counter, 100)[-1]
        system.recover()
        assert seen(system) == before
        auditor.resume()
        assert auditor.ask_sync(Book(0, 0), PATIENCE).total == sum(range(20))
        with pytest.raises(ActorStopped):
            late.tell(Add(1))
        system.spawn_many(Counter, 200)
        with pytest.raises(ActorStopped):
            late.tell(Add(1))


def test_generations_are_not_given_twice(path: Path) -> None:
    """Who followed an actor that lives again has ended for good, even when that one is followed anew."""
    with gy.ActorSystem(**OPTIONS) as system:
        first = system.spawn(Counter, name="first")
        slots = first.slot, system.spawn_many(Counter, 63) and first.gen
        system.checkpoint(path)
        first.stop()
        wait_for(lambda: first.status.state == "terminated")
        second = system.spawn(Counter)
        assert (second.slot, second.gen) == (slots[0], slots[1] + 1)
        system.recover()
        assert first.ask_sync(Add(1), PATIENCE) == Total(1, 1)
        first.stop()
        wait_for(lambda: first.status.state == "terminated")
        third = system.spawn(Counter)
        assert third.slot == second.slot
        with pytest.raises(ActorStopped):
            second.tell(Add(1))


def test_recovery_counts_increments(path: Path) -> None:
    """What an increment saved is what recovery goes back to."""
    with gy.ActorSystem(**OPTIONS) as system:
        system.spawn(Counter, name="a")
        system.checkpoint(path)
        for n in (1, 2):
            add_to(system, "a", n)
            system.checkpoint(path, incremental=True)
        add_to(system, "a", 4)
        system.recover()
        assert system.lookup("a").state()["total"] == 3


def test_recovery_without_a_checkpoint(path: Path) -> None:
    """Actors have their first fields again, and nothing is queued."""
    with gy.ActorSystem(**OPTIONS) as system:
        worker, auditor = bank(system)
        dump = system.recover()
        assert [row["queued"] for row in dump["actors"]] == [20, 0]
        assert (worker.state()["total"], worker.state()["pages"].tolist()) == (1.0, pages().tolist())
        assert (auditor.status.state, auditor.status.queued) == ("paused", 0)
        assert worker.ask_sync(Book(2, 0), PATIENCE).total == 3.0
        auditor.resume()


@pytest.mark.parametrize("device", ["opencl", "webgpu"])
def test_devices_restore_each_others_actors(path: Path, device: str) -> None:
    """A system moves to a device of another kind and back; what it holds stays as it is."""
    try:
        gy.device(device)
    except UnsupportedError as error:
        pytest.skip(str(error))
    with gy.ActorSystem(workers=2, **OPTIONS) as system:
        bank(system)
        system.checkpoint(path)
        before = seen(system)
        system.lookup("bank/auditor").resume()
    with gy.ActorSystem.restore(path, device, workers=1, **OPTIONS) as there:
        assert seen(there) == before
        there.lookup("bank/auditor").resume()
        there.lookup("bank/worker").ask_sync(Book(5, 1), PATIENCE)
        assert there.settle(PATIENCE)
        there.checkpoint(path)
        after = seen(there)
    with gy.ActorSystem.restore(path, workers=3, **OPTIONS) as again:
        assert seen(again) == after
        assert again.lookup("bank/auditor").state()["total"] == sum(range(20)) + 5
