"""Proofs without a device: every row of the language compiled for a kind of device that is not here.

from gyral.testing import proofs
found = proofs.prove(proofs.TARGETS[1])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.dtypes import BY_NAME
from gyral.core.errors import CompileError, UnsupportedError
from gyral.jit import targets
from gyral.jit.specialise import Spec, Terms, specialise
from gyral.testing.case import Case
from gyral.testing.conformance import cases
from gyral.testing.loops import LoopKernel

Outcome: TypeAlias = Literal["compiled", "emitted", "refused", "error"]
GAP = "GY601"
_NUMBERS = ("registers", "shared_bytes", "stack_bytes", "spill_store_bytes", "spill_load_bytes", "barriers")


@dataclass(frozen=True, slots=True)
class ProofTarget:
    """What is compiled for: a kind of device, what it may use, and whether a vendor's compiler has a say."""

    name: str
    kind: str
    features: tuple[str, ...] = ()
    compiled: bool = False


TARGETS = (
    ProofTarget("cuda sm_80", "cuda", ("sm_80",), compiled=True),
    ProofTarget("cuda sm_90", "cuda", ("sm_90",), compiled=True),
    ProofTarget("cuda sm_100", "cuda", ("sm_100",), compiled=True),
    ProofTarget("metal", "metal"),
    ProofTarget("opencl", "opencl", ("f64", "i64_atomics")),
    ProofTarget("webgpu", "webgpu"),
)
"""CUDA's code comes from NVIDIA's compiler; of the others the text is written, for a device to judge."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How one case came out. `resources`: registers, bytes and barriers as the compiler reports them."""

    group: str
    row: str
    name: str
    outcome: Outcome
    detail: str = ""
    resources: dict[str, int] = field(default_factory=dict)


def prove(
    target: ProofTarget,
    groups: Iterable[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Proof]:
    """Compile the cases of the groups A to G, or of some, for a target. Nothing is raised for a case."""
    chosen = None if groups is None else set(groups)
    work = [case for case in cases() if chosen is None or case.group in chosen]
    found = []
    for done, case in enumerate(work, 1):
        found.append(prove_case(case, target))
        if progress is not None:
            progress(done, len(work))
    return found


def prove_case(case: Case, target: ProofTarget) -> Proof:
    """One case. A refusal counts as one where the target lacks something by name; CUDA lacks nothing."""
    try:
        artifact = compiled(case, target)
    except (UnsupportedError, CompileError) as error:
        named = lacking(case, target) or gap_of(error)
        if named and target.kind != "cuda":
            return Proof(case.group, case.row, case.name, "refused", named)
        return Proof(case.group, case.row, case.name, "error", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001  a case must not stop the others; its row says what happened
        return Proof(case.group, case.row, case.name, "error", f"{type(error).__name__}: {error}")
    resources = {name: int(artifact.extra[name]) for name in _NUMBERS if name in artifact.extra}
    outcome: Outcome = "compiled" if target.compiled else "emitted"
    return Proof(case.group, case.row, case.name, outcome, resources=resources)


def compiled(case: Case, target: ProofTarget) -> Artifact:
    """A case's code for a target, as a launch of it there would be compiled."""
    _, artifact = case.kernel.artifact(specialised(case, target))
    return artifact


def specialised(case: Case, target: ProofTarget) -> Spec:
    """What a launch of a case on a target is compiled for."""
    kernel = case.kernel
    if isinstance(kernel, LoopKernel):
        separate = targets.target(target.kind).separate
        return kernel.spec(target.kind, Capabilities(features=target.features, separate_buffers=separate))
    given = kernel.take(tuple(case.arguments()), {})
    terms = Terms(
        target.kind,
        kernel.block_for(case.block, len(case.shape)),
        kernel.effective_check(),
        kernel.fastmath,
        target.features,
        targets.target(target.kind).separate,
        kernel.downcast,
    )
    return specialise(given, case.shape, terms)


def lacking(case: Case, target: ProofTarget) -> str:
    """What a case needs and a target is not said to have, or ""."""
    for need in sorted(case.requires):
        kind, _, dtype = need.partition(" ")
        wide = dtype in BY_NAME and BY_NAME[dtype].itemsize == 8
        if (kind == "f64" or dtype == "f64") and "f64" not in target.features:
            return need
        if kind == "atomic" and wide and "i64_atomics" not in target.features:
            return need
    return ""


def gap_of(error: Exception) -> str:
    """What the compiler says a target's language lacks, or "" when it complains of something else."""
    if isinstance(error, CompileError) and all(d.code == GAP for d in error.diagnostics):
        return error.diagnostics[0].message
    return ""


def absent(present: Iterable[str]) -> list[ProofTarget]:
    """The targets whose kind of device is not among those present."""
    kinds = set(present)
    return [target for target in TARGETS if target.kind not in kinds]
