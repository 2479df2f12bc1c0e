"""Which way of residing a device has."""

from __future__ import annotations

from gyral.actors.batched import BatchedHost
from gyral.actors.cooperative import CooperativeHost
from gyral.actors.host import Host
from gyral.actors.threads import ThreadHost
from gyral.core.caps import Capabilities
from gyral.runtime.device import Device


def way_of(capabilities: Capabilities) -> str:
    """How loops stay on a device, as `compiler.frontend.program.Way` says."""
    if not capabilities.progress:
        return "batched"
    return "threads" if capabilities.unified else "endless"


def host_for(device: Device, spins: int, stall: float, hang_after: float) -> Host:
    """What keeps a loop running on a device."""
    way = way_of(device.capabilities)
    if way == "threads":
        return ThreadHost(spins, stall, hang_after)
    return CooperativeHost(device, stall) if way == "endless" else BatchedHost(device, stall)
