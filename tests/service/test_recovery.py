"""Loops that do not come back: left behind, with their memory, while their actors go on."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests import stuck
from tests.actors import Add, Counter, Get, Spin, Total
from tests.ledgers import wait_for

import gyral as gy
from gyral.core import wire
from gyral.core.errors import HandlerFailed, LoopLost
from gyral.core.events import ActorHung, LoopRecovered, listening

PATIENCE = 20.0


def get_stuck(system: Any) -> None:
    """Let the loop be code that never comes back, from a handler of the first actor as it seems."""
    engine = system._engine
    before = stuck.begun()
    with engine.lock:
        assert engine.host.stop(PATIENCE)
        engine.world.workers[0, wire.WK_HAND] = 1
        engine.host.start(
            engine.world, SimpleNamespace(code=stuck.code(), signature=engine.program.signature)
        )
    wait_for(lambda: stuck.begun() >= before + engine.world.geometry.workers)


@stuck.needs_code
def test_a_lost_loop_is_left_behind(tmp_path: Path) -> None:
    """Recovery gives up threads that do not return; references work, and asks that waited end in LoopLost."""
    told: list[Any] = []
    with gy.ActorSystem(workers=2, hang_after=None) as system, listening(told.append):
        counter = system.spawn(Counter, name="a")
        counter.ask_sync(Add(1), PATIENCE)
        system.checkpoint(tmp_path / "c")
        counter.ask_sync(Add(2), PATIENCE)
        get_stuck(system)
        token = counter.ask_begin(Add(4))
        system.recover()
        with pytest.raises(LoopLost):
            system._engine.host.mail.ask_end(token)
        assert counter.ask_sync(Add(8), PATIENCE) == Total(9, 2)
        assert system.lookup("a") == counter
    recovered = [event for event in told if isinstance(event, LoopRecovered)]
    assert [(e.source, e.given_up, e.seconds < 10) for e in recovered] == [(str(tmp_path / "c"), True, True)]


@stuck.needs_code
def test_a_loop_is_lost_again_and_again(tmp_path: Path) -> None:
    """A system survives the loss of one loop after another."""
    with gy.ActorSystem(workers=1, hang_after=None) as system:
        counter = system.spawn(Counter)
        for n in range(3):
            counter.ask_sync(Add(n), PATIENCE)
            system.checkpoint(tmp_path / "c", incremental=True)
            get_stuck(system)
            system.recover()
        assert counter.ask_sync(Get(), PATIENCE) == Total(3, 3)


@stuck.needs_code
def test_a_loop_that_hangs_is_recovered(tmp_path: Path) -> None:
    """Nobody calls: the hang is noticed, told, found to be beyond an abort, and the actors go on."""
    recovered, told = threading.Event(), []

    def listener(event: Any) -> None:
        told.append(type(event))
        if isinstance(event, LoopRecovered):
            recovered.set()

    with gy.ActorSystem(workers=1, hang_after=0.05) as system, listening(listener):
        counter = system.spawn(Counter)
        counter.ask_sync(Add(1), PATIENCE)
        system.checkpoint(tmp_path / "c")
        get_stuck(system)
        assert recovered.wait(PATIENCE)
        assert counter.ask_sync(Get(), PATIENCE) == Total(1, 1)
    assert [event for event in told if event in (ActorHung, LoopRecovered)][:2] == [ActorHung, LoopRecovered]


def test_a_handler_that_never_ends_needs_no_recovery(tmp_path: Path) -> None:
    """A loop in a handler can be ended: its actor has failed, and all others keep what they did since."""
    told: list[Any] = []
    with gy.ActorSystem(workers=1, hang_after=0.05) as system, listening(told.append):
        spinner, counter = system.spawn(Counter), system.spawn(Counter)
        system.checkpoint(tmp_path / "c")
        counter.ask_sync(Add(5), PATIENCE)
        with pytest.raises(HandlerFailed):
            spinner.ask_sync(Spin(-1), PATIENCE)
        assert counter.ask_sync(Get(), PATIENCE) == Total(5, 1)
        wait_for(lambda: spinner.status.restarts == 1)
    assert not [event for event in told if isinstance(event, LoopRecovered)]


def test_a_dump_says_who_is_where() -> None:
    """The dump of a system is JSON: workers with what they are at, lanes that hold something, actors."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as system:
        counter = system.spawn(Counter, name="a")
        counter.pause()
        counter.tell_many([Add(k) for k in range(3)])
        found = json.loads(json.dumps(system.dump()))
        counter.resume()
    assert found["torn"]
    assert [(row["worker"], row["hand"]) for row in found["workers"]] == [(0, None), (1, None)]
    assert [(row["name"], row["state"], row["queued"]) for row in found["actors"]] == [("a", "paused", 3)]
