"""Which way of residing a device has."""

from __future__ import annotations

from gyral.actors.host import Host
from gyral.actors.threads import ThreadHost
from gyral.core.errors import UnsupportedError
from gyral.runtime.device import Device


def host_for(device: Device, spins: int, stall: float, hang_after: float) -> Host:
    """What keeps a loop running on a device. UnsupportedError where nothing does."""
    if device.kind == "cpu":
        return ThreadHost(spins, stall, hang_after)
    raise UnsupportedError(f"{device.name} runs no actors; use device='cpu'")
