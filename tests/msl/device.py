"""The Metal driver over the stand-in for Metal's objects, as kinds of devices of their own.

"metal-shim" has what today's Macs have; "metal-baseline" has no more than MSL 2.4, and simdgroups whose lanes
are in no known order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from tests.msl import objects, shim

from gyral.drivers.metal.driver import MetalDriver
from gyral.jit.targets import TARGETS
from gyral.runtime.device import device as device_named
from gyral.runtime.device import register
from gyral.testing import conformance
from gyral.testing.case import Case

KINDS = {"metal-shim": objects.Metal, "metal-baseline": objects.OldMetal}


@cache
def device(kind: str) -> objects.Device:
    """The stand-in behind a kind; the first call makes the kind known."""
    metal = KINDS[kind]()
    TARGETS[kind] = replace(TARGETS["metal"], kind=kind, sources=(), listed=False)
    register(kind, lambda index: MetalDriver(metal, metal.devices[index], index), listed=False)
    # Asked before any dry launch, as they are found by running a kernel.
    _ = device_named(kind).capabilities
    return metal.devices[0]


@cache
def compiled(kind: str, cases: tuple[Case, ...]) -> tuple[str, ...]:
    """Compile the kernels of many cases in one run of the C++ compiler; a dry launch gives their texts."""
    stand_in = device(kind)
    before = set(stand_in.texts)
    stand_in.dry = True
    try:
        for case in cases:
            _launch_dry(case, kind)
    finally:
        stand_in.dry = False
    stand_in.compile_together()
    return tuple(sorted(text for text, _, entry in stand_in.texts.keys() - before if entry == shim.ENTRY))


def _launch_dry(case: Case, kind: str) -> None:
    try:
        conformance.launch(case, list(case.arguments()), kind)
    except Exception:  # noqa: BLE001  the case's own test launches it again, and shows what is wrong
        return


def portions(cases: Sequence[Case], size: int) -> dict[str, tuple[Case, ...]]:
    """The cases by id, each with those that it is compiled together with."""
    parts = [tuple(cases[start : start + size]) for start in range(0, len(cases), size)]
    return {case.id: part for part in parts for case in part}
