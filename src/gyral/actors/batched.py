"""Loops on devices where none can stay: supersteps, launched by a thread of the host while mail waits."""

from __future__ import annotations

import atexit
import threading
import weakref
from typing import Any

import numpy as np

from gyral.actors.dispatch import Dispatch
from gyral.actors.host import open_mail
from gyral.actors.mirror import Mirror
from gyral.actors.supersteps import Stalls, is_waiting
from gyral.actors.world import World
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, StateError
from gyral.runtime.device import Device

BUDGET = 1 << 14
"""Messages that a worker handles in one launch, at most: a pause waits for no more."""
SPINS = 1
IDLE_SECONDS = 1.0
STUCK_SECONDS = 0.001
"""How long a launch in which nothing could go on is waited with."""

_live: weakref.WeakSet[BatchedHost] = weakref.WeakSet()


class BatchedHost:
    """Runs a loop in supersteps: what is sent in one launch is read in the next.

    `stall`: seconds after which what nobody has room for is let go. A launch that fails ends the system: asks
    that are waited for end in LoopLost.
    """

    way = "batched"

    def __init__(self, device: Device, stall: float) -> None:
        self._device, self._stall = device, stall
        self._mail: Any = None
        self._mirror: Mirror | None = None
        self._dispatch: Dispatch | None = None
        self._arena: Any = None
        self._thread: threading.Thread | None = None
        self._bell = threading.Condition()
        self._wanted = self._at = "stands"
        self._failure: BaseException | None = None
        self._stalls: Any = None
        self._under_way = False
        _live.add(self)

    @property
    def mail(self) -> Any:
        """What host threads send by."""
        return self._mail

    @property
    def rests(self) -> bool:
        """Whether the host has seen all that launches did: they do not bring every count each time."""
        return not self._under_way

    def start(self, world: World, program: Any) -> None:
        """Copy a world to the device and begin to launch its loop, once before the first message."""
        self._mail = open_mail(self._mail, world.arena)
        workers = world.geometry.workers
        self._arena = world.arena
        self._dispatch = Dispatch(self._device, program, world.arguments(), workers)
        self._mirror = Mirror(world, self._dispatch, self._mail)
        self._stalls = Stalls(world.arena, self._stall)
        self._build(self._dispatch)
        self._wanted = self._at = "stands"
        self._thread = threading.Thread(target=self._serve, name="gyral-actors-batched", daemon=True)
        self._thread.start()
        self.resume()

    def pause(self, timeout: float) -> bool:
        """Let the launch in flight end, and bring the world to the host."""
        self._check()
        self._mail.pause(0)
        return self._ask("stands", timeout)

    def resume(self) -> None:
        """Copy the world to the device and go on."""
        self._check()
        self._mail.resume()
        self._ask("runs", None)

    def stop(self, timeout: float) -> bool:
        """End the thread; a launch that does not end by then is given up."""
        thread = self._thread
        if thread is None:
            return True
        if self._failure is None and not self._ask("ended", timeout):
            if self._dispatch is not None:
                self._dispatch.abandon()
            return False
        thread.join()
        self._thread = None
        return True

    def _ask(self, state: str, timeout: float | None) -> bool:
        """Have the thread reach a state; whether it did in time."""
        until = None if timeout is None else MONOTONIC() + timeout
        with self._bell:
            self._wanted = state
            self._bell.notify_all()
            while self._at != state and self._failure is None:
                left = None if until is None else until - MONOTONIC()
                if left is not None and left <= 0:
                    return False
                self._mail.wake(0)
                self._bell.wait(0.002 if left is None else min(0.002, left))
        self._check()
        return True

    def _check(self) -> None:
        if self._failure is not None:
            raise DeviceError(f"the loop on {self._device.name} was lost: {self._failure}") from self._failure
        if self._mail is None:
            raise StateError("the loop was not started")

    def _build(self, dispatch: Dispatch) -> None:
        """Launch on an arena of zeros, in which there is nothing to do, so that drivers compile now."""
        dispatch.put(0, np.zeros_like(self._arena))
        dispatch.wait()
        dispatch.run(0, SPINS)
        dispatch.wait()

    # The thread.

    def _serve(self) -> None:
        try:
            while self._wanted != "ended":
                if self._wanted == "stands":
                    self._stand()
                else:
                    self._reach("runs")
                    self._turn()
            if self._at == "runs":
                self._bring()
        except BaseException as error:  # noqa: BLE001  whoever asks next is told
            self._fail(error)
        self._reach("ended")

    def _stand(self) -> None:
        """Bring the world to the host, wait, and take it back."""
        if self._at == "runs":
            self._bring()
        self._reach("stands")
        with self._bell:
            while self._wanted == "stands":
                self._bell.wait()
        if self._wanted == "runs" and self._mirror is not None:
            self._mirror.put_all()
            self._launch()

    def _reach(self, state: str) -> None:
        with self._bell:
            if self._at != state:
                self._at = state
                self._bell.notify_all()

    def _turn(self) -> None:
        """One launch, if there is work; a short rest when nothing could go on."""
        if not is_waiting(self._arena):
            if self._mirror is not None and self._mirror.stale:
                self._mirror.get_controls()
            self._under_way = False
            if not self._mail.wait_work(IDLE_SECONDS):
                return
        if not self._launch() and self._wanted == "runs":
            with self._bell:
                self._bell.wait(STUCK_SECONDS)

    def _launch(self) -> bool:
        """One superstep; whether anything moved."""
        mirror, dispatch = self._mirror, self._dispatch
        if mirror is None or dispatch is None:
            return False
        self._under_way = True
        mirror.put_news()
        dispatch.run(BUDGET, SPINS)
        if mirror.get_news():
            self._mail.wake_host()
        return self._stalls.look()

    def _bring(self) -> None:
        if self._mirror is not None and self._mirror.get_all():
            self._mail.wake_host()

    def _fail(self, error: BaseException) -> None:
        """End everything: who waits for a reply learns that the loop is lost."""
        with self._bell:
            self._failure = error
            self._bell.notify_all()
        self._mail.close()


@atexit.register
def _end() -> None:
    """Launches end before the devices are closed."""
    for host in list(_live):
        if host._thread is not None and host._failure is None:
            host.stop(1.0)
