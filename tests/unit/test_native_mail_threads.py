"""The native mail with its threads: loops that run, rest, stand and end."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.mailed import SPIN, Add, Divide, End, Mailed, Total

from gyral.core import wire
from gyral.core.errors import AskTimeout, HandlerFailed, LoopLost, MailboxFull, StateError

EVENTS, REPLIES, HANG, STALL, HOST = 1, 2, 4, 8, 16


def stage(world: Mailed, worker: int = 0) -> str:
    return world.mail.workers()[worker]["stage"]


def until_parked(world: Mailed, parks: int = 1) -> None:
    """Return when all workers rest, after at least so many times; each look is one of up to a million."""
    for _ in range(1_000_000):
        workers = world.mail.workers()
        if all(worker["stage"] == "parked" and worker["parks"] >= parks for worker in workers):
            return
    raise AssertionError("a worker with nothing to do does not rest")


def test_an_ask_is_answered() -> None:
    """`ask_sync` gives the handler's reply, once per ask and in order."""
    with Mailed().go() as world:
        keeper = world.keeper(total=1)
        assert [keeper.ask_sync(Add(k), 10.0) for k in range(5)] == [
            Total(1 + sum(range(k + 1))) for k in range(5)
        ]
        assert keeper.ask_sync(Add, 1, timeout=10.0).n == 12


def test_a_worker_at_rest_is_woken() -> None:
    """A parked worker handles what it is told."""
    with Mailed().go(spin_us=0) as world:
        keeper = world.keeper()
        for k in range(20):
            until_parked(world, parks=k + 1)
            assert keeper.ask_sync(Add, 1, timeout=10.0) == Total(k + 1)


def test_a_failed_check_reaches_who_asked() -> None:
    """The handler's failure is raised with its site, and the host is told."""
    with Mailed().go() as world:
        keeper = world.keeper()
        with pytest.raises(HandlerFailed) as caught:
            keeper.ask_sync(Divide, 0, timeout=10.0)
        assert world.control(3)[wire.CT_ERROR_SITE] == caught.value.site + 1
        assert world.mail.wait_events(10.0) & EVENTS
        assert [event[0] for event in world.mail.take_events()] == [wire.EVENT_FAILED]


def test_an_ask_times_out() -> None:
    """Without a reply in time AskTimeout is raised; the late reply is dropped and counted."""
    with Mailed().go() as world:
        keeper = world.keeper(state=wire.PAUSED)
        with pytest.raises(AskTimeout, match="unknown"):
            keeper.ask_sync(Add, 1, timeout=0.02)
        assert world.mail.pause(10.0)
        world.resume(3)
        world.mail.resume()
        assert keeper.ask_sync(Add, 2, timeout=10.0) == Total(3)
        assert world.counts(3)["late"] == 1


def test_an_ask_waits_for_room() -> None:
    """A full mailbox makes an ask wait, within its timeout."""
    with Mailed(mailbox=2).go() as world:
        keeper = world.keeper(state=wire.PAUSED)
        keeper.tell(Add, 1)
        keeper.tell(Add, 2)
        with pytest.raises(AskTimeout, match="was not sent"):
            keeper.ask_sync(Add, 4, timeout=0.02)
        replies: list[Any] = []
        asking = threading.Thread(target=lambda: replies.append(keeper.ask_sync(Add, 4, timeout=10.0)))
        asking.start()
        assert world.mail.pause(10.0)
        world.resume(3)
        world.mail.resume()
        asking.join()
        assert replies == [Total(7)]


def test_an_ask_can_be_polled() -> None:
    """A token is done when the reply is there; the host's waiter is rung, and a token is used once."""
    with Mailed().go() as world:
        keeper = world.keeper()
        token = keeper.ask_begin(Add, 5)
        assert world.mail.wait_events(10.0) & REPLIES
        assert (world.mail.ask_poll(token), world.mail.ask_end(token)) == (True, Total(5))
        with pytest.raises(ValueError, match="ended before"):
            world.mail.ask_poll(token)


def test_all_cells_can_be_out() -> None:
    """With no reply cell left an ask says so when its time is up, and cells that are dropped come back."""
    geometry = wire.Geometry(workers=1, capacity=8, classes=2, depth=64, cells=2)
    with Mailed(geometry).go() as world:
        keeper = world.keeper(state=wire.PAUSED)
        tokens = [keeper.ask_begin(Add, 1) for _ in range(2)]
        with pytest.raises(MailboxFull):
            keeper.ask_begin(Add, 1)
        with pytest.raises(AskTimeout, match="all 2 reply cells"):
            keeper.ask_sync(Add, 1, timeout=0.02)
        for token in tokens:
            world.mail.ask_drop(token)
        assert isinstance(keeper.ask_begin(Add, 1), int)


def test_a_lost_loop_ends_its_asks() -> None:
    """When the system closes, whoever waits for a reply gets LoopLost."""
    world = Mailed().go()
    keeper = world.keeper(state=wire.PAUSED)
    token = keeper.ask_begin(Add, 1)
    failed: list[str] = []

    def ask() -> None:
        try:
            keeper.ask_sync(Add, 1)
        except LoopLost as error:
            failed.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while world.arena[world.at["sent"] + 3] < 2:
        pass
    assert world.mail.stop(10.0)
    world.mail.end_asks()
    with pytest.raises(LoopLost):
        world.mail.ask_end(token)
    asking.join()
    world.mail.close()
    assert len(failed) == 1


def test_many_threads_keep_their_order() -> None:
    """What each of several threads tells an actor is handled in that thread's order, and all of it."""
    geometry = wire.Geometry(workers=2, capacity=8, classes=2, depth=64, out_depth=4096)
    with Mailed(geometry, mailbox=50).go() as world:
        relay = world.relay(1, wire.HOST)
        found: list[int] = []

        def tell(thread: int) -> None:
            for k in range(500):
                while True:
                    try:
                        relay.tell(Add, thread * 1000 + k)
                        break
                    except MailboxFull:
                        pass

        threads = [threading.Thread(target=tell, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        while len(found) < 1500:
            world.mail.wait_events(1.0)
            found += [int.from_bytes(event[4][32:36], "little") for event in world.mail.take_events()]
        for thread in threads:
            thread.join()
        orders = [[n % 1000 for n in found if n // 1000 == k] for k in range(3)]
        assert orders == [list(range(500))] * 3


def test_actors_of_two_workers_talk() -> None:
    """A message from one worker wakes the other."""
    geometry = wire.Geometry(workers=2, capacity=8, classes=2, depth=64, out_depth=16)
    with Mailed(geometry).go(spin_us=0) as world:
        keeper = world.keeper(5)
        world.relay(2, 5)
        first = world.relay(1, 2)
        until_parked(world)
        first.tell(Add, 7)
        for _ in range(100_000):
            if keeper.ask_sync(Add, 0, timeout=10.0) == Total(7):
                break
        assert (world.counts(1)["sent"], world.counts(2)["sent"], world.record(5)["total"]) == (1, 1, 7)


def test_a_pause_stands_at_a_boundary() -> None:
    """Between `pause` and `resume` nothing is handled; afterwards everything is."""
    with Mailed().go() as world:
        keeper = world.keeper()
        assert (world.mail.pause(10.0), stage(world)) == (True, "standing")
        before = world.counts(3)
        token = threading.Thread(target=keeper.tell, args=(Add, 1))
        token.start()
        assert world.counts(3) == before
        world.mail.resume()
        token.join()
        assert keeper.ask_sync(Add, 1, timeout=10.0) == Total(2)


def test_one_worker_can_pause_alone() -> None:
    """The others go on while one stands, and what it is told waits."""
    geometry = wire.Geometry(workers=2, capacity=8, classes=2, depth=64, out_depth=16)
    with Mailed(geometry).go() as world:
        even, odd = world.keeper(2), world.keeper(3)
        assert world.mail.pause(10.0, 1)
        odd.tell(Add, 1)
        assert (even.ask_sync(Add, 1, timeout=10.0).n, world.counts(3)) == (1, {})
        world.mail.resume(1)
        assert odd.ask_sync(Add, 1, timeout=10.0) == Total(2)


def test_loops_stop_and_start_again() -> None:
    """After `stop` the threads are gone, and `start` goes on with what waits."""
    with Mailed().go() as world:
        keeper = world.keeper()
        assert keeper.ask_sync(Add, 1, timeout=10.0) == Total(1)
        with pytest.raises(StateError, match="run already"):
            world.go()
        assert (world.mail.stop(10.0), world.mail.running, stage(world)) == (True, False, "away")
        keeper.tell(Add, 1)
        assert world.counts(3)["handled"] == 1
        world.go()
        assert keeper.ask_sync(Add, 1, timeout=10.0) == Total(3)


def test_an_actor_that_ends_tells_the_host() -> None:
    """A handler that stops its actor rings, and later messages are refused."""
    with Mailed().go() as world:
        keeper = world.keeper()
        keeper.tell(End, 0)
        assert world.mail.wait_events(10.0) & EVENTS
        assert world.control(3)[wire.CT_STATE] == wire.TERMINATED


def test_the_host_can_be_woken() -> None:
    """`wake_host` ends a wait for events, with a bit of its own; without it the wait ends in time."""
    world = Mailed()
    assert world.mail.wait_events(0.0) == 0
    waiting = threading.Thread(target=world.mail.wake_host)
    waiting.start()
    assert world.mail.wait_events(10.0) == HOST
    waiting.join()


def test_a_hang_is_seen_and_can_be_broken_off() -> None:
    """A handler that never returns is reported once; `abort` fails it, and the worker goes on."""
    geometry = wire.Geometry(workers=1, capacity=8, classes=1, depth=64, out_depth=16)
    with Mailed(geometry, actors=SPIN).go(ticker=False, hang_after=5.0) as world:
        keeper, other = world.keeper(3), world.keeper(4)
        keeper.tell(Add, 1)
        while world.worker(0)[wire.WK_HAND] == 0:
            pass
        hung = []
        for now in (10_000, 14_999, 15_000, 16_000):
            world.mail.tick(now)
            hung.append((world.mail.workers()[0]["hung"], world.mail.wait_events(0.0) & HANG))
        assert hung == [(False, 0), (False, 0), (True, HANG), (True, 0)]
        assert not world.mail.pause(0.0, 0)
        world.mail.resume(0)
        assert world.mail.abort(0, 10.0)
        assert (world.counts(3)["failed"], world.control(3)[wire.CT_STATE]) == (1, wire.FAILING)
        other.tell(Add, 1)
        while world.worker(0)[wire.WK_HAND] != 5:
            pass
        assert (world.mail.stop(0.0), world.counts(4)["failed"]) == (True, 1)


def test_what_does_not_run_does_not_hang() -> None:
    """Without threads, and at rest, a heartbeat that stands still says nothing."""
    with Mailed() as world:
        hung = []
        for now in (1_000, 600_000, 7_000_000):
            world.mail.tick(now)
            hung.append(world.mail.workers()[0]["hung"])
        assert (hung, world.mail.wait_events(0.0)) == ([False] * 3, 0)


def test_a_stall_is_seen_and_ends() -> None:
    """A lane whose head waits for room for longer than `stall` is let go, and the host is told."""
    world = Mailed()
    relay, keeper = world.relay(1, 3), world.keeper(3)
    header = world.lane(world.geometry.lane(0, 1))
    for _ in range(64):
        relay.tell(Add, 1)
    worker = world.worker(0)
    worker[wire.WK_WAITING] = 1
    ticks = []
    for now in (1_000, 1_500, 1_999, 2_000, 2_500):
        world.mail.tick(now)
        ticks.append(int(worker[wire.WK_STALLED]))
    told = world.mail.wait_events(0.0) & STALL
    host = world.lane(0)
    host[wire.LN_HEAD] += 1
    world.mail.tick(2_600)
    assert (ticks, told, int(worker[wire.WK_STALLED])) == ([0, 0, 0, 1, 1], STALL, 0)
    assert (keeper.slot, int(header[wire.LN_TAIL]), world.mail.workers()[0]["stalls"]) == (3, 0, 1)


def test_time_is_published() -> None:
    """A ticker publishes the time while workers run."""
    with Mailed().go() as world:
        first = int(world.arena[wire.SYS_TIME_LO])
        keeper = world.keeper()
        while int(world.arena[wire.SYS_TIME_LO]) == first:
            keeper.ask_sync(Add, 0, timeout=10.0)
        assert int(world.arena[wire.SYS_TIME_HI]) > 0


def test_a_system_at_rest_does_nothing() -> None:
    """When all workers are parked the time stands still: nobody runs who would publish it."""
    with Mailed().go(spin_us=0) as world:
        until_parked(world)
        before = np.array(world.arena[wire.SYS_TIME_LO : wire.SYS_TIME_HI + 1])
        assert world.mail.wait_events(0.1) == 0
        after = world.arena[wire.SYS_TIME_LO : wire.SYS_TIME_HI + 1]
        assert int(after[0]) - int(before[0]) <= 5


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads cannot be tied to CPUs here")
def test_workers_can_be_tied_to_cpus() -> None:
    """With `pin` each worker keeps to one CPU of those that the process may use, the first one last."""
    geometry = wire.Geometry(workers=2, capacity=8, classes=2, depth=64, out_depth=16)
    with Mailed(geometry).go(pin=True) as world:
        until_parked(world)
        threads = {
            Path(task, "comm").read_text().strip(): task.name for task in Path("/proc/self/task").iterdir()
        }
        found = [os.sched_getaffinity(int(threads[f"gyral-actor-{w}"])) for w in range(2)]
    cpus = sorted(os.sched_getaffinity(0))
    assert found == [{cpus[(w + 1) % len(cpus)]} for w in range(2)]
