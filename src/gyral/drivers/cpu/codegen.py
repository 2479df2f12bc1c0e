"""LLVM text to a relocatable ELF object, through llvmlite: the one file that imports it.

Importing this file loads LLVM (about 60 ms), so the launch path reaches it only when nothing is cached.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Protocol

import llvmlite.binding as llvm

from gyral.core.errors import InternalError, UnsupportedError

# Objects are always ELF, whatever the operating system: `image.flatten` reads them, no linker does.
_TRIPLES = {
    "x86_64": "x86_64-unknown-linux-gnu",
    "amd64": "x86_64-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "arm64": "aarch64-unknown-linux-gnu",
}
# The function simplification pipeline alone (SROA, EarlyCSE, GVN, InstCombine, LICM, SimplifyCFG) takes
# about half of the module pipeline's time and gives the same code, because the emitter has vectorised.
_PASS_LEVEL = 2
_CODEGEN_LEVEL = 2


class Target(Protocol):
    """What code generation must know of a machine."""

    @property
    def triple(self) -> str:
        """An ELF target triple."""
        ...

    @property
    def cpu(self) -> str:
        """The processor LLVM schedules for, "" for a generic one."""
        ...

    @property
    def features(self) -> str:
        """LLVM's feature string, such as "+avx2,+fma"."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine this process runs on, as LLVM names it."""

    triple: str
    cpu: str
    features: str


def host() -> Machine:
    """The machine this process runs on.

    The processor's name is left out: LLVM guesses it wrongly on newer and virtual machines and tunes for
    narrow vectors then, while the features are read from the processor itself.
    """
    name = platform.machine().lower()
    if name not in _TRIPLES:
        raise UnsupportedError(
            f"the CPU device compiles for x86-64 and aarch64, and this machine is {name!r}"
        )
    features = llvm.get_host_cpu_features().flatten()
    if _TRIPLES[name].startswith("x86_64") and "+sse4.1" not in features.split(","):
        raise UnsupportedError("the CPU device needs SSE4.1 on x86-64, and this processor lacks it")
    return Machine(_TRIPLES[name], "", features)


def assemble(text: str, target: Target) -> bytes:
    """Compile LLVM text to a position-independent ELF object."""
    machine = _machine(target)
    return machine.emit_object(_optimised(text, target, machine))


def assembly(text: str, target: Target) -> str:
    """The assembly that `assemble` would encode."""
    machine = _machine(target)
    return machine.emit_assembly(_optimised(text, target, machine))


def optimised(text: str, target: Target) -> str:
    """The LLVM text after LLVM's own passes, as code generation meets it."""
    return str(_optimised(text, target, _machine(target)))


def _machine(target: Target) -> llvm.TargetMachine:
    _initialise()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=_CODEGEN_LEVEL, reloc="pic", codemodel="small"
    )


def _optimised(text: str, target: Target, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    try:
        module = llvm.parse_assembly(text, llvm.create_context())
        module.triple = target.triple
        module.data_layout = str(machine.target_data)
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"LLVM refuses the text the emitter printed: {error}") from error
    tuning = llvm.create_pipeline_tuning_options(speed_level=_PASS_LEVEL)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_interleaving = tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, tuning)
    defined = [function for function in module.functions if not function.is_declaration]
    if len(defined) > 1:
        inliner = llvm.create_new_module_pass_manager()
        inliner.add_always_inliner_pass()
        inliner.add_global_dead_code_eliminate_pass()
        inliner.run(module, builder)
        defined = [function for function in module.functions if not function.is_declaration]
    passes = builder.getFunctionPassManager()
    for function in defined:
        passes.run(function, builder)
    return module


def _initialise() -> None:
    """Register LLVM's targets; registering twice is free and harmless."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
