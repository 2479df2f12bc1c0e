"""Systems of actors and their process: forks, exits, Ctrl-C, systems that nobody closes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from tests.actors import Add, Counter, Get, Total

import gyral as gy
from gyral.core.errors import StateError

PATIENCE = 20.0
ROOT = Path(__file__).parents[2]


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, with the actors of the tests at hand."""
    text = f"import gyral as gy\nfrom tests.actors import *\n{script}"
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_forked_child_has_no_systems() -> None:
    """Everything raises StateError there, and the parent goes on."""
    with gy.ActorSystem(hang_after=None) as system:
        counter = system.spawn(Counter)
        child = os.fork()
        if child == 0:
            refused = 0
            for act in (
                lambda: counter.tell(Add(1)),
                lambda: counter.ask_sync(Add(1)),
                lambda: system.spawn(Counter),
                counter.state,
                counter.stop,
            ):
                try:
                    act()
                except StateError:
                    refused += 1
            system.close()
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
        assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(1, 1)


def test_a_process_ends_although_nobody_closed() -> None:
    """With actors that are idle, busy, and awaited, and nothing on stderr."""
    done = run(
        "system = gy.ActorSystem(hang_after=None)\n"
        "counter = system.spawn(Counter)\n"
        "counter.tell_many([Add(n) for n in range(50)])\n"
        "system.spawn(Counter).tell(Spin(-1))\n"
        "print(counter.ask_sync(Add(1), timeout=20).count)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "51\n", "")


def test_a_process_ends_by_an_exception() -> None:
    """The block of the system is left, and the exception is what is seen."""
    done = run(
        "with gy.ActorSystem() as system:\n"
        "    system.spawn(Counter).tell(Add(1))\n"
        "    raise KeyError('mine')\n"
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("KeyError: 'mine'")


def test_a_dropped_system_ends() -> None:
    """Its threads too."""
    system = gy.ActorSystem(hang_after=None)
    system.spawn(Counter).tell(Add(1))
    gone = weakref.ref(system)
    pump = next(
        t for t in threading.enumerate() if t.name == "gyral-actors-pump" and t is system._pump._thread
    )
    del system
    gc.collect()
    assert gone() is None
    pump.join(PATIENCE)
    assert not pump.is_alive()


def test_ctrl_c_ends_an_ask() -> None:
    """A signal raises in the thread that waits, and the actor lives on."""
    with gy.ActorSystem(hang_after=None, grace=0.0) as system:
        counter = system.spawn(Counter)
        counter.pause()

        def interrupt() -> None:
            while counter.status.accepted == 0:
                counter.mail.wake()
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            counter.ask_sync(Get())
        thread.join(PATIENCE)
        counter.resume()
        assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(1, 1)


def test_a_closed_system_refuses() -> None:
    """Whatever is asked of it; closing it again does nothing."""
    with gy.ActorSystem(hang_after=None) as system:
        counter = system.spawn(Counter)
    system.close()
    for act in (
        lambda: system.spawn(Counter),
        lambda: counter.tell(Add(1)),
        lambda: counter.tell_many([Add(1)]),
        lambda: counter.ask_sync(Get()),
        counter.state,
        counter.stop,
        counter.pause,
        counter.resume,
        lambda: system.replace(Counter, Counter),
    ):
        with pytest.raises(StateError):
            act()
    assert counter.status.handled == 0


def test_a_system_without_actors_closes() -> None:
    """It has never launched anything."""
    with gy.ActorSystem() as system:
        assert (system.epochs, system.queued, system.actors(), system.stats()["workers"]) == (0, 0, [], [])
    assert system.dead_letters() == []
