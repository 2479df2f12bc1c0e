"""Launches that may take so long and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gyral.core.driver import Deadlines, Launch
from gyral.core.errors import DeviceError, DeviceErrorKind, UnsupportedError
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device


def run_within(
    kernel: str, device: Device, program: Any, launch: Launch, buffers: Sequence[Buffer], seconds: float
) -> None:
    """Run a launch to its end on a queue of its own. DeviceError when it takes longer than `seconds`.

    What it was given may then still be written: the error says what became of the launch.
    """
    if not isinstance(device.driver, Deadlines):
        raise UnsupportedError(f"{device.name} cannot limit the time of a launch; leave time_limit out")
    driver: Any = device.driver
    queue = driver.queue()
    for buffer in buffers:
        for mark in buffer.marks.values():
            driver.after(queue, mark)
    driver.launch(queue, program, replace(launch, limited=True))
    if not driver.wait_until(driver.mark(queue), seconds):
        outcome = driver.abandon(queue)
        raise DeviceError(
            f"{kernel} on {device.name} did not end within {seconds:g} s; {outcome}",
            DeviceErrorKind.TRANSIENT,
        )
