"""Loops that stay on a device of their own memory: one launch of all workers, in sight of the host's arena.

The arena is the host's own memory, pinned, which the device reads and writes in place; the classes' arrays
lie on the device and come back under a pause, which ends the launch. A thread of the host publishes the time
and carries on what the loop cannot: it wakes who sleeps for a reply, and says that there are records.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from gyral.actors.dispatch import Dispatch
from gyral.actors.host import open_mail
from gyral.actors.supersteps import Stalls, workers_of
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, InternalError, StateError
from gyral.runtime.device import Device

LOOK_SECONDS = 0.0005
"""How often the host's thread looks: who sleeps for a reply waits so much longer at most."""
ABORT_SECONDS = 1.0
ENDLESS = 0xFFFFFFFF
RUNS = wire.NONE
"""In WK_REASON, of a worker that has not returned."""


class CooperativeHost:
    """Runs a loop in one cooperative launch, from `resume` to `pause`."""

    way = "resident"

    def __init__(self, device: Device, stall: float) -> None:
        self._device, self._stall = device, stall
        self._mail: Any = None
        self._world: World | None = None
        self._dispatch: Dispatch | None = None
        self._running = False
        self._stalls: Any = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._failure: BaseException | None = None

    @property
    def mail(self) -> Any:
        """What host threads send by."""
        return self._mail

    @property
    def rests(self) -> bool:
        """Whether the counts of the world are whole: they always are where the loop writes them itself."""
        return True

    def start(self, world: World, program: Any) -> None:
        """Share a world's arena with the device and let its loop run."""
        self._mail = open_mail(self._mail, world.arena)
        self._world = world
        workers = world.geometry.workers
        self._dispatch = Dispatch(self._device, program, world.arguments(), workers, shared=1)
        self._stalls = Stalls(world.arena, self._stall)
        self._ending = threading.Event()
        self.resume()
        self._thread = threading.Thread(target=self._attend, name="gyral-actors-cooperative", daemon=True)
        self._thread.start()

    def pause(self, timeout: float) -> bool:
        """Have all workers return, and bring the classes' arrays to the host."""
        world, dispatch = self._started()
        self._mail.pause(0)
        if not self._running:
            return True
        until = MONOTONIC() + timeout
        while not self._stands(world):
            if MONOTONIC() >= until or self._failure is not None:
                self._check()
                return False
            time.sleep(LOOK_SECONDS)
        dispatch.wait()
        self._running = False
        for number, array in enumerate(world.arguments()[1:], 1):
            dispatch.get(number, array)
        dispatch.wait()
        self._tell()
        return True

    def resume(self) -> None:
        """Copy the classes' arrays to the device and launch the loop."""
        world, dispatch = self._started()
        if self._running:
            return
        for number, array in enumerate(world.arguments()[1:], 1):
            dispatch.put(number, array)
        workers_of(world.arena)[:, wire.WK_REASON] = RUNS
        self._publish_time(world)
        self._mail.resume()
        dispatch.stay(ENDLESS, ENDLESS)
        self._running = True

    def stop(self, timeout: float) -> bool:
        """End the launch; one that does not end is given up, with the device."""
        if self._dispatch is None or self._world is None:
            return True
        ended = self._failure is not None or self.pause(timeout) or self._abort(self._world)
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if ended:
            self._dispatch.close()
        else:
            self._dispatch.abandon()
        self._dispatch = None
        return ended

    def _abort(self, world: World) -> bool:
        """Break handlers off at the next turn of their loops."""
        workers_of(world.arena)[:, wire.WK_ABORT] = 1
        return self.pause(ABORT_SECONDS)

    def _started(self) -> tuple[World, Dispatch]:
        self._check()
        if self._world is None or self._dispatch is None:
            raise StateError("the loop was not started")
        return self._world, self._dispatch

    def _check(self) -> None:
        if self._failure is not None:
            raise DeviceError(f"the loop on {self._device.name} was lost: {self._failure}") from self._failure

    def _stands(self, world: World) -> bool:
        """Whether all workers have returned."""
        return bool((workers_of(world.arena)[:, wire.WK_REASON] != RUNS).all())

    def _publish_time(self, world: World) -> None:
        now = time.time_ns() // 1_000_000
        world.arena[wire.SYS_TIME_LO] = now & wire.NONE
        world.arena[wire.SYS_TIME_HI] = now >> 32

    # The thread.

    def _attend(self) -> None:
        world, dispatch = self._world, self._dispatch
        if world is None or dispatch is None:
            raise InternalError("a loop is attended that was not started")
        blocks = workers_of(world.arena)
        try:
            while not self._ending.wait(LOOK_SECONDS):
                self._publish_time(world)
                self._stalls.look()
                if blocks[:, wire.WK_WAKE].any():
                    # Before what it announces is looked at: what comes meanwhile sets it again.
                    blocks[:, wire.WK_WAKE] = 0
                    self._tell()
                if self._running and dispatch.is_done() and not self._stands(world):
                    raise DeviceError("the launch ended by itself")
        except BaseException as error:  # noqa: BLE001  whoever asks next is told
            self._failure = error
            self._mail.close()

    def _tell(self) -> None:
        self._mail.wake_waiters()
        self._mail.wake_host()
