"""What can run kernels here, as rows for programs and a table for people."""

from rich.table import Table

from gyral.core.errors import GyralError
from gyral.jit.targets import TARGETS
from gyral.runtime.device import device as device_named
from gyral.runtime.device import devices


def device_rows() -> list[dict[str, object]]:
    """One record per device, from its capability record."""
    rows: list[dict[str, object]] = []
    for device in devices():
        caps = device.capabilities
        rows.append(
            {
                "name": device.name,
                "units": caps.units,
                "subgroup_sizes": list(caps.subgroup_sizes),
                "max_block": caps.max_block,
                "shared_bytes": caps.shared_bytes,
                "memory_bytes": caps.memory_bytes,
                "unified": caps.unified,
                "ieee": caps.ieee,
                "dtypes": sorted(dtype.name for dtype in caps.dtypes),
                "atomics": sorted(dtype.name for dtype in caps.atomics),
                "features": list(caps.features),
            }
        )
    return rows


def absences() -> dict[str, str]:
    """The kinds of devices that are not here, and why."""
    here = {device.kind for device in devices()}
    found: dict[str, str] = {}
    for row in TARGETS.values():
        if row.listed and row.kind not in here:
            try:
                device_named(row.kind)
            except GyralError as error:
                found[row.kind] = str(error)
    return found


def size(number: int) -> str:
    """A number of bytes in the largest unit that divides it to one place or more."""
    value, units = float(number), iter(("bytes", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while value >= 1024:
        value, unit = value / 1024, next(units)
    return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"


def device_table() -> Table:
    """Devices for people."""
    grid = Table(title="Devices")
    for heading in ("device", "units", "subgroup", "largest block", "shared memory", "memory", "lacks"):
        grid.add_column(heading, justify="left" if heading in ("device", "lacks") else "right")
    every = {name for row in device_rows() for name in _names(row["dtypes"])}
    for row in device_rows():
        memory = row["memory_bytes"]
        grid.add_row(
            str(row["name"]),
            str(row["units"]),
            ", ".join(map(str, _names(row["subgroup_sizes"]))) or "–",
            str(row["max_block"]),
            size(_count(row["shared_bytes"])),
            size(_count(memory)) if memory else "–",
            ", ".join(sorted(every - set(_names(row["dtypes"])))) or "–",
        )
    return grid


def _names(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
