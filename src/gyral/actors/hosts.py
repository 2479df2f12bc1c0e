"""Which way of residing a device has."""

from __future__ import annotations

from gyral.actors.batched import BatchedHost
from gyral.actors.cooperative import CooperativeHost
from gyral.actors.host import Host
from gyral.actors.process import ProcessHost
from gyral.actors.threads import ThreadHost
from gyral.core.caps import Capabilities
from gyral.core.errors import UnsupportedError, UserError
from gyral.runtime.device import Device


def way_of(capabilities: Capabilities) -> str:
    """How loops stay on a device, as `compiler.frontend.program.Way` says."""
    if not capabilities.progress:
        return "batched"
    return "threads" if capabilities.unified else "endless"


def host_for(
    device: Device,
    spins: int,
    stall: float,
    hang_after: float,
    isolation: str = "thread",
    on_loss: str = "recover",
) -> Host:
    """What keeps a loop running on a device. UserError, UnsupportedError for what it cannot be told to do."""
    way = way_of(device.capabilities)
    if isolation not in ("thread", "process"):
        raise UserError(f'isolation= is "thread" or "process", not {isolation!r}')
    if on_loss not in ("recover", "checkpoint", "fail"):
        raise UserError(f'on_loss= is "recover", "checkpoint" or "fail", not {on_loss!r}')
    if isolation == "process":
        if way != "threads":
            raise UnsupportedError(
                'isolation="process" is for loops that run in threads of a process, and not for '
                f"{device.name}; leave it out"
            )
        return ProcessHost(spins, stall, hang_after, on_loss)
    if way == "threads":
        return ThreadHost(spins, stall, hang_after)
    return CooperativeHost(device, stall) if way == "endless" else BatchedHost(device, stall)
