"""A kind of device that runs CUDA C++ on the processor: the emitter's text compiled as C++ over `cuda.hpp`.

Blocks run on the fibres of `tests/msl`. What runs here is proof of the text's meaning; that CUDA's own
compiler takes it is for NVRTC to say.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.msl import shim

from gyral.core.abi import grid_of, pack
from gyral.core.artifact import Artifact, Signature
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch
from gyral.core.dtypes import SCALARS
from gyral.drivers.null.driver import NullDriver
from gyral.jit.targets import TARGETS
from gyral.runtime.device import register
from gyral.testing import conformance
from gyral.testing.case import Case

KIND = "cuda-shim"
HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "cudashim"
LIMITS = (7, 5, 3)
"""Blocks per axis of the made-up device, so few that grids are folded."""
_FLAGS = ("-std=gnu++17", "-w", "-O1", "-ffp-contract=off", f"-I{HERE}", f"-I{HERE.parent / 'msl'}")
_HEADER = re.compile(
    r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?gyral_kernel\((.*?)\n\) \{', re.DOTALL
)
_PTX = re.compile(r'asm\("([\w.]+) %0, %1;" : "=\w"\(r\) : "\w"\(a\)\);')
_DYNAMIC = re.compile(r"extern __shared__ .*gyral_shared\[\];")
_turn = threading.Lock()


@dataclass(frozen=True, slots=True)
class Program:
    """A kernel as C++: its text, to be compiled with others or when it is first launched."""

    signature: Signature
    text: str

    @property
    def name(self) -> str:
        """A name by content."""
        return "k" + sha256(self.text.encode()).hexdigest()[:16]


class Device(NullDriver):
    """The made-up device. Where it is `dry`, programs are gathered and not run."""

    def __init__(self) -> None:
        super().__init__()
        self.name = KIND
        self.capabilities = Capabilities(
            atomics=frozenset(SCALARS), scopes=frozenset({"block", "device", "system"}), subgroup_sizes=(32,),
            shared_bytes=227 * 1024, features=("sm_90",), max_grid=LIMITS,
            wide_access=16,
        )  # fmt: skip
        self.dry = False
        self.gathered: dict[str, Program] = {}
        self.functions: dict[str, Any] = {}

    def load(self, artifact: Artifact) -> Program:  # type: ignore[override]
        """A program of a text."""
        program = Program(artifact.signature, artifact.code.decode())
        self.gathered.setdefault(program.name, program)
        return program

    def launch(self, queue: Any, program: Program, launch: Launch) -> None:  # type: ignore[override]
        """Run every block."""
        if self.dry:
            return
        if program.name not in self.functions:
            self.compile([program])
        grid = grid_of(program.signature, launch.shape, LIMITS)
        slots = ctypes.create_string_buffer(pack(launch, grid))
        record = launch.record.address if launch.record is not None else None
        given = (ctypes.c_void_p * 2)(ctypes.addressof(slots), record)
        z, y, x = program.signature.threads
        with _turn:
            text = self.functions[program.name](
                given, (ctypes.c_uint * 3)(*grid.native), (ctypes.c_uint * 3)(x, y, z)
            )
        if text:
            raise AssertionError(text.decode())

    def compile(self, programs: Sequence[Program]) -> None:
        """Compile programs in one run of the C++ compiler."""
        source = "\n".join(['#include "cuda.hpp"', *(_piece(program) for program in programs)])
        library = ctypes.CDLL(str(_built(source)))
        for program in programs:
            function = library[f"run_{program.name}"]
            function.restype = ctypes.c_char_p
            self.functions[program.name] = function

    def compile_together(self) -> None:
        """Compile what was gathered and is not yet compiled."""
        waiting = [p for name, p in self.gathered.items() if name not in self.functions]
        if waiting:
            self.compile(waiting)


@cache
def device() -> Device:
    """The made-up device; the first call makes its kind known."""
    TARGETS[KIND] = replace(
        TARGETS["cuda"],
        kind=KIND,
        compile="gyral.jit.blocks:for_text",
        form="cuda-c++",
        sources=(),
        listed=False,
    )
    made = Device()
    register(KIND, lambda index: made, listed=False)
    return made


@cache
def compiled(cases: tuple[Case, ...]) -> None:
    """Compile the kernels of many cases together: launch them dry to see their texts."""
    made = device()
    made.dry = True
    try:
        for case in cases:
            try:
                conformance.launch(case, list(case.arguments()), KIND)
            except Exception:  # noqa: BLE001  the case's own test shows what is wrong
                continue
    finally:
        made.dry = False
    made.compile_together()


def _piece(program: Program) -> str:
    """A program in a namespace, with the C function that runs its grid."""
    name, text = (
        program.name,
        _PTX.sub(lambda found: f"r = shim_{found[1].replace('.', '_')}(a);", program.text),
    )
    text = _DYNAMIC.sub(
        f"__shared__ unsigned char gyral_shared[{max(1, program.signature.shared_bytes)}];", text
    )
    header = _HEADER.search(text)
    assert header is not None
    text = text.replace('extern "C" __global__', "static")
    given = []
    for number, parameter in enumerate(header[1].split(",")):
        kind = re.sub(r"__restrict__|\w+$", "", parameter.strip()).strip()
        source = "given[1]" if parameter.split()[-1] == "*record" else f"slots[{number}]"
        given.append(f"({kind}){source}")
    meets = int("_sync" in text or "__syncthreads" in text)
    return f"""
#undef SHIM_SECTION
#define SHIM_SECTION "shim_{name}"
extern "C" __attribute__((weak, visibility("hidden"))) char __start_shim_{name}[], __stop_shim_{name}[];
namespace {name} {{
{text}
static void shim_body(void *const *given) {{
    const i64 *slots = (const i64 *)given[0];
    gyral_kernel({", ".join(given)});
}}
}}
extern "C" const char *run_{name}(void *const *given, const unsigned *groups, const unsigned *block) {{
    return shim_run({name}::shim_body, given, groups, block, {meets},
                    __start_shim_{name}, __stop_shim_{name});
}}
"""


def _built(source: str) -> Path:
    """A shared library of C++ source, from the cache where it was built before."""
    path = shim.compiler()
    assert path is not None
    shim._runtime(path)
    kept = (HERE / "cuda.hpp").read_bytes() + (shim.HERE / "shim.hpp").read_bytes()
    target = CACHE / f"{sha256(chr(0).join((path, *_FLAGS, source)).encode() + kept).hexdigest()[:32]}.so"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
        command = [path, *_FLAGS, "-shared", "-fPIC", "-x", "c++", "-", "-o", str(fresh)]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:4000]
        fresh.replace(target)
    return target
