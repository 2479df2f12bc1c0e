"""The conformance suite: every row of the language, run on a device and compared with the interpreter.

from gyral.testing import conformance
rows = conformance.run("cpu")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, TypeAlias

import numpy as np

from gyral.core.caps import Capabilities
from gyral.core.dtypes import BY_NAME
from gyral.core.errors import CompileError, DeviceError, Diagnostic, UnsupportedError
from gyral.runtime.array import DeviceArray
from gyral.runtime.create import array as device_array
from gyral.runtime.device import device as device_named
from gyral.testing import reference
from gyral.testing.case import Case
from gyral.testing.cases import (
    actors,
    atomics,
    bits,
    blocks,
    ids,
    loops,
    maths,
    memory,
    numbers,
    options,
    programs,
    simulations,
    statements,
    structure,
    subgroups,
    types,
)
from gyral.testing.cases.refusals import Refusal, refusals
from gyral.testing.compare import difference
from gyral.testing.loops import LoopKernel
from gyral.testing.sample import HAS_BF16

Outcome: TypeAlias = Literal["pass", "refused", "wrong", "error"]
GROUPS = {
    "A": "statements",
    "B": "types",
    "C": "intrinsics",
    "D": "memory",
    "E": "structure",
    "F": "whole kernels",
    "G": "actors",
    "R": "refusals",
}
ROOMS = (
    statements,
    loops,
    numbers,
    types,
    ids,
    blocks,
    atomics,
    subgroups,
    bits,
    maths,
    memory,
    structure,
    options,
    programs,
    simulations,
    actors,
)


@dataclass(frozen=True, slots=True)
class Row:
    """How one case came out. `detail` says why it was refused, what was wrong, or which error it met."""

    group: str
    row: str
    name: str
    outcome: Outcome
    detail: str = ""


@cache
def cases() -> tuple[Case, ...]:
    """Every case of the groups A to G."""
    return tuple(case for room in ROOMS for case in room.cases())


@cache
def kernels() -> tuple[Case, ...]:
    """The cases that are launches of one kernel: the groups A to F."""
    return tuple(case for case in cases() if not isinstance(case.kernel, LoopKernel))


def run(
    device: str = "cpu",
    groups: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Run the suite on a device; `groups` such as "AB" picks some of it.

    `progress(done, total)` is called after every case. Nothing is raised for a case that fails.
    """
    chosen = set(GROUPS if groups is None else groups)
    work: list[Case | Refusal] = [case for case in cases() if case.group in chosen]
    if "R" in chosen:
        work.extend(refusals())
    found = (
        []
        if HAS_BF16
        else [Row("B", "scalars", "bf16", "refused", "NumPy has bf16 with the extra gyral[bf16]")]
    )
    for done, item in enumerate(work, 1):
        found.append(run_refusal(item) if isinstance(item, Refusal) else run_case(item, device))
        if progress is not None:
            progress(done, len(work))
    return found


def run_case(case: Case, device: str = "cpu") -> Row:
    """One case on a device. A refusal counts as one only where the device's capability record says so."""
    found = partial(Row, case.group, case.row, case.name)
    lacks = missing(case, device_named(device).capabilities)
    try:
        expected, got = reference.run_case(case), list(case.arguments())
        launch(case, got, device)
    except (UnsupportedError, CompileError, DeviceError) as error:
        return found("refused", lacks) if lacks else found("error", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001  a case must not stop the suite; its row says what happened
        return found("error", f"{type(error).__name__}: {error}")
    if lacks:
        return found("wrong", f"ran, though the device says it lacks {lacks}")
    for (name, right), (_, value) in zip(case.effects(expected), case.effects(got), strict=True):
        text = difference(name, right, value, case.tolerance)
        if text:
            return found("wrong", text)
    return found("pass")


def launch(case: Case, arguments: Sequence[Any], device: str) -> None:
    """Launch a case on a device and wait for it."""
    bound = case.kernel[case.shape] if case.block is None else case.kernel[case.shape, case.block]
    there = device_named(device)
    base = None if there.capabilities.unified else overlapped(arguments)
    if base is None:
        with there:
            bound(*arguments)
        return
    # Arrays that overlap in host memory would be copied apart: they are views of one device array there.
    whole = device_array(base, device=there)
    bound(*(view_of(whole, base, value) for value in arguments))
    base[...] = whole.numpy()


def overlapped(arguments: Sequence[Any]) -> np.ndarray | None:
    """The 1-D array of which several different arguments are views, if there is one."""
    views = [(v, v.base) for v in arguments if isinstance(v, np.ndarray) and isinstance(v.base, np.ndarray)]
    bases = [base for v, base in views if base.ndim == 1 and v.dtype == base.dtype]
    places = {v.__array_interface__["data"][0] for v, _ in views}
    return bases[0] if len(places) > 1 and len(bases) > 1 and bases[0] is bases[1] else None


def view_of(whole: DeviceArray, base: np.ndarray, value: Any) -> Any:
    """The part of a device array that stands for a view of its host's."""
    if not isinstance(value, np.ndarray):
        return value
    apart = value.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    first = apart // base.itemsize
    return whole[first : first + value.size]


def missing(case: Case, capabilities: Capabilities) -> str:
    """What a case needs and a device says it does not have, or ""."""
    for name in sorted(case.requires):
        kind, _, dtype = name.partition(" ")
        if kind in BY_NAME and BY_NAME[kind] not in capabilities.dtypes:
            return kind
        if kind == "atomic" and BY_NAME[dtype] not in capabilities.atomics:
            return name
        if kind == "sum" and BY_NAME[dtype] not in capabilities.atomics | capabilities.sums:
            return f"atomic {dtype}"
        if kind == "scope" and dtype not in capabilities.scopes:
            return name
        if kind == "subgroups" and not capabilities.subgroup_sizes:
            return kind
        if kind == "branches" and not capabilities.branched_barriers:
            return "barriers in branches"
        if kind == "clock" and not capabilities.clock:
            return kind
        if kind == "buffer" and 0 < capabilities.max_buffer < int(dtype):
            return f"arrays of {dtype} bytes"
    return ""


def run_refusal(refusal: Refusal) -> Row:
    """One refusal of the compiler: it passes when the code and the words are the stated ones."""
    found = partial(Row, "R", refusal.code, refusal.name)
    try:
        refusal.kernel().ir(stage="uniform")
    except CompileError as error:
        if error.code != refusal.code:
            return found("wrong", f"refused as {error}")
        if refusal.says not in error.diagnostics[0].message:
            return found("wrong", f"{refusal.says!r} is not in {error.diagnostics[0].message!r}")
        caret = pointed_at(error.diagnostics[0])
        if refusal.caret and caret != refusal.caret:
            return found("wrong", f"points at {caret!r} instead of {refusal.caret!r}")
        return found("pass")
    except Exception as error:  # noqa: BLE001  a case must not stop the suite; its row says what happened
        return found("error", f"{type(error).__name__}: {error}")
    return found("wrong", "compiled")


def pointed_at(diagnostic: Diagnostic) -> str:
    """The source text under a diagnostic's caret."""
    span = diagnostic.span
    end = span.end_column if span.end_line == span.line else len(diagnostic.source_line)
    return diagnostic.source_line[span.column : end]
