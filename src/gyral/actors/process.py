"""Loops on the CPU in a process of their own, over memory that both have: one that is killed is replaced."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gyral.actors.host import open_mail
from gyral.actors.pages import SharedPages, nameless
from gyral.actors.repair import Casualty, repair
from gyral.actors.worker import HEADER, MOST
from gyral.actors.world import World
from gyral.core import native, wire
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, StateError, UnsupportedError
from gyral.jit.records import PRINTED, new_record, report

ENDLESS = 0xFFFFFFFF
ATTEMPTS = 5
START_SECONDS, END_SECONDS, MARGIN_SECONDS = 20.0, 1.0, 0.5
CONSERVED = slice(wire.WK_HANGS, wire.WK_STALLS + 1)

_live: weakref.WeakSet[Child] = weakref.WeakSet()


class Child:
    """A process that runs loops. `code`: how it ended, as subprocess says it; None while it lives."""

    def __init__(self, ended: Callable[[Child], None]) -> None:
        self.code: int | None = None
        self._dead = threading.Event()
        self._ends, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = str(Path(__file__).with_name("worker.py"))
        with theirs:
            command = [
                sys.executable,
                "-I",
                "-S",
                script,
                str(native.require().__file__),
                str(theirs.fileno()),
            ]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )
        self.pid = self._process.pid
        self._ended = ended
        _live.add(self)
        threading.Thread(target=self._watch, name="gyral-actors-process", daemon=True).start()

    def ask(self, what: bytes, fds: list[int], seconds: float) -> str:
        """Say something, and what is answered; "" when nothing is in time, or the process died."""
        self._ends.settimeout(seconds)
        try:
            socket.send_fds(self._ends, [what], fds)
            return self._ends.recv(MOST).decode()
        except OSError:
            return ""

    def kill(self) -> None:
        """End it where it stands; back when it has ended."""
        self._process.kill()
        self._dead.wait(END_SECONDS * 10)

    def close(self) -> None:
        """Let it end."""
        self._ends.close()
        if not self._dead.wait(END_SECONDS):
            self.kill()

    def forsake(self) -> None:
        """In a forked child: this process is its parent's."""
        self._ends.close()

    def _watch(self) -> None:
        self.code = self._process.wait()
        self._dead.set()
        self._ended(self)


class ProcessHost:
    """The CPU's host with `isolation="process"`. `spins`: idle turns of a worker before it parks.

    `on_loss`: what becomes of actors when the process dies. With "recover" it is replaced: what it had in
    hand has failed, one message a worker at most, and all else goes on. With "checkpoint" nothing goes on
    before the system went back to its last checkpoint; with "fail" nothing does.

    `casualty` is called, under the pause, for each message that was in hand.
    """

    way = "resident"

    def __init__(self, spins: int, stall: float, hang_after: float, on_loss: str) -> None:
        if not hasattr(os, "memfd_create"):
            raise UnsupportedError('isolation="process" needs Linux; leave it out')
        if not sys.executable:
            raise UnsupportedError('isolation="process" needs to know which Python this is (sys.executable)')
        self.on_loss = on_loss
        self.casualty: Callable[[Casualty], None] = lambda casualty: None
        self._options = {"spins": spins, "stall": stall, "hang_after": hang_after}
        self._mail: Any = None
        self._world: World | None = None
        self._program: Any = None
        self._record: Any = None
        self._children: list[Child] = []
        self._lost: Child | None = None
        self._obituaries: list[str] = []
        self._revivals: list[float] = []
        self._lost_at = 0.0
        self._whole = True
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _close, self._children)

    @property
    def mail(self) -> Any:
        """What host threads send by."""
        return self._mail

    @property
    def rests(self) -> bool:
        """Whether the counts of the world are whole: not while those of a dead process are to be repaired."""
        return self._lost is None

    @property
    def pid(self) -> int | None:
        """The number of the process that runs the loop."""
        return self._children[0].pid if self._children else None

    @property
    def lost(self) -> str:
        """How the process died whose loop is not replaced yet, "" when it lives."""
        return "" if self._lost is None else _manner(self._lost)

    def obituaries(self) -> list[str]:
        """How processes died since the last call."""
        with self._lock:
            found, self._obituaries = self._obituaries, []
        return found

    def revivals(self) -> list[float]:
        """Seconds from a loss to a successor that ran, for each since the last call."""
        with self._lock:
            found, self._revivals = self._revivals, []
        return found

    def memory(self) -> SharedPages:
        """Where the next world is to lie."""
        return SharedPages()

    def start(self, world: World, program: Any) -> None:
        """Have the process run a world's loop; it is made when there is none."""
        if self._mail is not None and self._world is not None:
            world.workers[:, CONSERVED] = self._world.workers[:, CONSERVED]
        self._mail = open_mail(self._mail, world.arena, shared=True)
        self.flush()
        self._world, self._program, self._record = world, program, None
        if self.prints:
            first = np.frombuffer(new_record(program.signature), np.int64)
            self._record = world.memory.zeros(first.shape, first.dtype)
            self._record[:] = first
        self._launch()

    def pause(self, timeout: float) -> bool:
        """Bring all workers to a message boundary; those of a process that died are brought there by repair.

        DeviceError where a lost process is not to be replaced.
        """
        stands = self._mail.pause(timeout)
        if self._lost is None:
            return stands
        if self.on_loss != "recover":
            raise DeviceError(f"the process of the loop is gone: {self.lost}")
        self._repair()
        return True

    def resume(self) -> None:
        """Let the workers go on, in another process if theirs died."""
        if self._lost is None:
            self._mail.resume()
            return
        self._repair()
        self._launch()
        with self._lock:
            self._revivals.append(MONOTONIC() - self._lost_at)
        self._mail.wake_host()

    def stop(self, timeout: float) -> bool:
        """End the loop; the process stays for the next one, unless a handler does not come back."""
        if not self._children or not self._mail.running:
            self._repair()
            return True
        child = self._children[0]
        answer = child.ask(str(timeout).encode(), [], timeout + MARGIN_SECONDS)
        self._whole = answer == "ended"
        if not self._whole:
            self._dismiss(child)
        if self._mail.running:
            self._mail.attend(False)
        self._repair()
        return True

    def kill(self) -> None:
        """End a process whose loop does not come back; it is lost, as if somebody else had killed it."""
        for child in list(self._children):
            child.kill()

    def close(self) -> None:
        """End the process."""
        self._end()

    @property
    def prints(self) -> bool:
        """Whether any handler prints."""
        return self._program is not None and any(s.kind == "print" for s in self._program.signature.sites)

    @property
    def printed(self) -> bool:
        """Whether something was printed that is not written out."""
        return self._record is not None and bool(self._record[PRINTED])

    def flush(self) -> None:
        """Write out what was printed, by worker, and how much was lost. While the loop rests."""
        if self._record is not None and self.printed:
            report(array("q", self._record.tobytes()), self._program.signature, ())
            self._record[PRINTED] = 0

    # The process.

    def _launch(self) -> None:
        """Have a process run the loop; one that dies on the way is replaced, a few times."""
        answer = ""
        me: weakref.ref[ProcessHost] = weakref.ref(self)
        for _ in range(ATTEMPTS):
            if not self._children:
                self._children.append(Child(lambda child: _tell(me, child)))
            child = self._children[0]
            plan = nameless("gyral-loop", self._plan())
            try:
                answer = child.ask(b"start", [self._pages.fd, plan], START_SECONDS) or _manner(child)
            finally:
                os.close(plan)
            with self._lock:
                if answer == "running" and child in self._children:
                    self._lost, self._whole = None, False
                    self._mail.attend(True)
                    return
            self._dismiss(child)
            with self._lock:
                self._obituaries.append(_manner(child))
            self._whole = False
            self._repair()  # it may have begun
        raise DeviceError(f"the process of the loop does not start: {answer}")

    @property
    def _pages(self) -> SharedPages:
        world = self._world
        if world is None or not isinstance(world.memory, SharedPages):
            raise StateError("the loop was not started")
        return world.memory

    def _plan(self) -> tuple[bytes, bytes, bytes]:
        world, program, pages = self._world, self._program, self._pages
        if world is None:
            raise StateError("the loop was not started")
        told = {
            "arrays": [[pages.offset(a), *_extents(a)] for a in world.arguments()],
            "bits": [ENDLESS, self._options["spins"]],
            "arena": world.arena.nbytes,
            "workers": world.geometry.workers,
            "block": program.signature.item[2],
            "scratch": program.signature.scratch_bytes,
            "record": None if self._record is None else pages.offset(self._record),
            "entry": program.code.entry,
            "stall": self._options["stall"],
            "hang_after": self._options["hang_after"],
        }
        text = json.dumps(told).encode()
        return HEADER.pack(len(text)), text, program.code.image

    def _dismiss(self, child: Child) -> None:
        """Kill a process whose end is no news."""
        with self._lock:
            if child in self._children:
                self._children.remove(child)
        child.kill()
        child.close()

    def _died(self, child: Child) -> None:
        """On the thread that waited for it: what it ran is lost, and whoever serves the system is told."""
        with self._lock:
            if child not in self._children:
                return
            self._children.remove(child)
            self._obituaries.append(_manner(child))
            if self._mail.running:
                self._lost, self._whole = child, False
                self._lost_at = MONOTONIC()
                self._mail.attend(False)
        child.close()
        self._mail.wake_host()

    def _repair(self) -> None:
        """Make the memory whole that a dead process left, and end the asks that it was to answer."""
        if self._whole or self._world is None:
            return
        found = repair(self._world)
        self._whole = True
        with suppress(StateError):  # nobody asks any more where it is closed
            self._mail.end_asks()
        for casualty in found:
            self.casualty(casualty)


def _extents(words: np.ndarray[Any, Any]) -> list[int]:
    return [*words.shape, *(stride & 0xFFFFFFFFFFFFFFFF for stride in words.strides)]


def _manner(child: Child) -> str:
    """How a process ended, in words."""
    code = child.code
    if code is None:
        return f"process {child.pid} does not answer"
    if code >= 0:
        return f"process {child.pid} ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"process {child.pid} was killed by {name}"


def _tell(host: weakref.ref[ProcessHost], child: Child) -> None:
    found = host()
    if found is not None:
        with suppress(StateError):  # the system was closed meanwhile
            found._died(child)


def _close(children: list[Child]) -> None:
    while children:
        children.pop().close()


def _forsake() -> None:
    for child in list(_live):
        child.forsake()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake)
