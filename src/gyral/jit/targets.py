"""Which compiler goes with which driver: one row per kind of device, joined by import string.

Nothing named here is loaded before it is needed: a launch from the cache loads a driver and no compiler.
Whoever else in `jit` wants something of the compiler asks for it here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from gyral.core import entry
from gyral.core.artifact import Artifact
from gyral.core.errors import UnsupportedError
from gyral.runtime.device import register
from gyral.runtime.transfer import register_packer


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of device: what makes code for it, what runs it, and what tells such machines apart.

    `compile` is called with this row and a Request and gives an Artifact; `identity` gives the text that
    stands for the machine in cache keys; `count` tells silently how many such devices are here; `sources`
    maps a language of `kernel.source` to what prints it from this row and a Request.
    For devices that run whole blocks: `column` of the intrinsics, the emitter, the artifact's `form`, and
    the `features` that code may use when no device says what it has; `separate`: buffers are bound one by
    one. `dlpack`: DLPack's number of the kind where it shares memory with other libraries.
    """

    kind: str
    driver: str
    compile: str
    identity: str
    count: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    column: str = "llvm"
    emit: str = ""
    form: str = ""
    features: tuple[str, ...] = ()
    separate: bool = False
    listed: bool = True
    dlpack: int = 0

    @property
    def by_blocks(self) -> bool:
        """Whether the device runs whole blocks of threads, so that each kernel is compiled for one block."""
        return bool(self.emit)


def _by_blocks(kind: str, language: str, **more: Any) -> Target:
    """A row for devices that run whole blocks: what is named by its kind, and text for its compiler."""
    folder = f"gyral.drivers.{kind}"
    row: dict[str, Any] = {
        "driver": f"{folder}.driver:open_{kind}",
        "count": f"{folder}.identity:count",
        "identity": f"{folder}.identity:identity",
        "compile": "gyral.jit.blocks:for_text",
        "sources": ((language, "gyral.jit.blocks:text_of"),),
        "column": language,
        "emit": f"gyral.compiler.emit.{kind}:emit",
        "form": language,
    }
    return Target(kind, **row | more)


TARGETS: dict[str, Target] = {
    row.kind: row
    for row in (
        Target(
            "cpu",
            driver="gyral.drivers.cpu.driver:open_cpu",
            compile="gyral.jit.compile:for_cpu",
            identity="gyral.drivers.cpu.identity:identity",
            sources=(
                ("llvm", "gyral.jit.compile:llvm_source"),
                ("asm", "gyral.jit.compile:asm_source"),
            ),
        ),
        _by_blocks(
            "cuda",
            "cuda",
            compile="gyral.jit.blocks:for_cuda",
            sources=(("cuda", "gyral.jit.blocks:text_of"), ("ptx", "gyral.jit.blocks:ptx_of")),
            form="cubin",
            dlpack=2,
            features=("sm_80",),
        ),
        _by_blocks("metal", "msl"),
        _by_blocks("opencl", "opencl", form="opencl-c", features=("f64", "i64_atomics")),
        _by_blocks("webgpu", "wgsl", emit="gyral.compiler.emit.wgsl.program:emit", separate=True),
        Target(
            "null",
            driver="gyral.drivers.null.driver:open_null",
            compile="gyral.jit.compile:for_cpu",
            identity="gyral.drivers.null.driver:identity",
            listed=False,
        ),
    )
}
_PRINTERS = {language: (row, place) for row in TARGETS.values() for language, place in row.sources}


def target(kind: str) -> Target:
    """The row of a kind of device. UnsupportedError for a kind nobody compiles for."""
    if kind not in TARGETS:
        raise UnsupportedError(f"nothing compiles for {kind!r}; known devices: {', '.join(TARGETS)}")
    return TARGETS[kind]


def compile_for(kind: str, request: Any) -> Artifact:
    """Compile a request for a kind of device, loading its compiler."""
    row = target(kind)
    return entry.load(row.compile)(row, request)


def identity_of(kind: str) -> str:
    """What tells the machines of a kind apart, as far as code depends on it."""
    return entry.load(target(kind).identity)()


def kind_of_source(language: str) -> str:
    """The kind of device whose code a language is. UnsupportedError for an unknown one."""
    if language not in _PRINTERS:
        raise UnsupportedError(f"there is no source in {language!r}; there is {', '.join(sorted(_PRINTERS))}")
    return _PRINTERS[language][0].kind


def print_source(language: str, request: Any) -> str:
    """A kernel in one of the languages it passes through. UnsupportedError for an unknown one."""
    kind_of_source(language)
    row, place = _PRINTERS[language]
    return entry.load(place)(row, request)


def print_ir(request: Any, stage: str | None) -> str:
    """The printed IR, as the frontend gives it or after a stage of the pipeline."""
    return entry.load("gyral.jit.compile:ir_text")(request, stage)


def promotions_of(request: Any) -> list[Any]:
    """The conversions of a kernel that its user did not write."""
    return entry.load("gyral.jit.compile:promotions")(request)


def first_use(request: Any, need: str) -> Any:
    """The span where a kernel first uses a scalar type, "subgroups" or "atomic f32"; None when unknown."""
    return entry.load("gyral.jit.compile:first_use")(request, need)


def reorders(request: Any) -> bool:
    """Whether a kernel uses atomics, so that its results may stand in another order from run to run."""
    return entry.load("gyral.jit.compile:has_atomics")(request)


def implied_rank(request: Any) -> int:
    """The launch rank that a kernel's words imply."""
    return entry.load("gyral.jit.compile:rank_of")(request)


def interpret(request: Any, *launch: Any) -> None:
    """Run a kernel on the reference interpreter; `launch` as `jit.interpret.interpret` takes it."""
    entry.load("gyral.jit.interpret:interpret")(request, *launch)


def check_signature(function: Any) -> None:
    """Read a kernel's annotations as the compiler does, which shows the line of what it refuses."""
    entry.load("gyral.compiler.frontend.annotations:signature_of")(function)


def capture_changed() -> Any:
    """The diagnostic code of a captured value that is not what it was."""
    return entry.load("gyral.compiler.frontend.codes:CAPTURE_CHANGED")


def _open(place: str, index: int) -> Any:
    return entry.load(place)(index)


def _count(place: str) -> int:
    return entry.load(place)() if place else 1


def _pack(target: Any, source: Any) -> bool:
    return entry.load("gyral.jit.packing:pack")(target, source)


for _row in TARGETS.values():
    register(
        _row.kind,
        partial(_open, _row.driver),
        count=partial(_count, _row.count),
        listed=_row.listed,
        dlpack=_row.dlpack,
    )
register_packer(_pack)
