"""Which way of residing a device has."""

from __future__ import annotations

from gyral.actors.batched import BatchedHost
from gyral.actors.host import Host
from gyral.actors.threads import ThreadHost
from gyral.core.caps import Capabilities
from gyral.runtime.device import Device


def way_of(capabilities: Capabilities) -> str:
    """How loops stay on a device, as `compiler.frontend.program.Way` says."""
    return "threads" if capabilities.unified else "batched"


def host_for(device: Device, spins: int, stall: float, hang_after: float) -> Host:
    """What keeps a loop running on a device: threads where it is the host's own processor, else launches."""
    if way_of(device.capabilities) == "threads":
        return ThreadHost(spins, stall, hang_after)
    return BatchedHost(device, stall)
