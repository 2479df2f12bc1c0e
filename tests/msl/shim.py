"""Compiles Metal kernels as C++ and runs them here, with `metal_stdlib` and `fibres.cpp` beside this file.

Many kernels go through one run of the compiler, each in a namespace of its own; what was compiled is kept by
content in `build/tests/msl` of the checkout. What runs here is proof of syntax, types and results, not of
Apple's compiler accepting the text.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / "build" / "tests" / "msl"
METAL_VERSION = 240
_FLAGS = ("-std=gnu++14", "-w", "-fsigned-char", "-ffp-contract=off", f"-I{HERE}")
_SPACES = ("-fsyntax-only", "-DSHIM_CHECK_SPACES", "-Wno-unknown-attributes", "-Wno-ignored-attributes")
ENTRY = "gyral_kernel"
_PARAMETER = re.compile(r"(.+?)\s*(\w+)\s*\[\[\s*(\w+)\s*(?:\(\s*(\d+)\s*\))?\s*\]\]$", re.DOTALL)
_ON_CHIP = re.compile(r"^(\s*)threadgroup (?=[\w ]+(?:\[\w+\])*;)", re.MULTILINE)
_BUILT_IN = {
    "threadgroup_position_in_grid": "uint3{shim_here.group[0], shim_here.group[1], shim_here.group[2]}",
    "threadgroups_per_grid": "uint3{shim_here.groups[0], shim_here.groups[1], shim_here.groups[2]}",
    "thread_position_in_threadgroup": "uint3{shim_here.at[0], shim_here.at[1], shim_here.at[2]}",
    "threads_per_threadgroup": "uint3{shim_here.block[0], shim_here.block[1], shim_here.block[2]}",
    "thread_index_in_threadgroup": "shim_here.linear",
    "thread_index_in_simdgroup": "(shim_here.linear % 32)",
    "simdgroup_index_in_threadgroup": "(shim_here.linear / 32)",
    "threads_per_simdgroup": "32u",
}


class ShimError(Exception):
    """A kernel did not compile, or its threads did not meet where Metal wants them to."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled kernel."""

    name: str
    function: ctypes._NamedFuncPointer = field(repr=False)
    on_chip_bytes: int

    def run(self, buffers: Sequence[int], groups: tuple[int, int, int], block: tuple[int, int, int]) -> None:
        """Run a grid of blocks (extents x, y, z); `buffers`: addresses, by binding number.

        ShimError when threads of a block miss one another.
        """
        addresses = (ctypes.c_void_p * max(1, len(buffers)))(*buffers)
        with _turn:
            text = self.function(addresses, (ctypes.c_uint * 3)(*groups), (ctypes.c_uint * 3)(*block))
        if text:
            raise ShimError(text.decode())


# The fibres are one set for the process.
_turn = threading.Lock()


def compiler() -> str | None:
    """The C++ compiler whose code runs: g++, or clang++ where `_Float16` works; None without either."""
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path and _takes_half(path):
            return path
    return None


def compiled(texts: Sequence[str], version: int = METAL_VERSION, entry: str = ENTRY) -> list[Kernel]:
    """The kernel `entry` of each text, compiled together. ShimError with the compiler's words."""
    names = [f"k{number}" for number in range(len(texts))]
    pieces = [_in_namespace(name, text, entry) for name, text in zip(names, texts, strict=True)]
    source = "\n".join(["#include <metal_stdlib>", *pieces])
    library = _library(source, version)
    found = []
    for name in names:
        run = library[f"run_{name}"]
        run.restype = ctypes.c_char_p
        size = library[f"size_{name}"]
        size.restype = ctypes.c_size_t
        found.append(Kernel(name, run, size()))
    return found


def space_errors(texts: Sequence[str], version: int = METAL_VERSION) -> str:
    """What clang++ says of the texts when pointers of different address spaces are different types, or ""."""
    source = "\n".join(
        ["#include <metal_stdlib>"]
        + [f"namespace k{n} {{\n{_marked(text)}\n}}" for n, text in enumerate(texts)]
    )
    # `_Float16` is a type in all of clang 14 only with these instructions, which are looked at, not run.
    more = ("-mavx512fp16",) if os.uname().machine == "x86_64" else ()
    command = ["clang++", *_FLAGS, *_SPACES, *more, f"-D__METAL_VERSION__={version}", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def _marked(text: str) -> str:
    return _ON_CHIP.sub(r"\1SHIM_BLOCK ", text)


def _in_namespace(name: str, text: str, entry: str) -> str:
    """A kernel's text in a namespace, with the C function that runs its grid."""
    arguments = _arguments(text, entry)
    meets = int("threadgroup_barrier" in text or "simd" in text)
    return f"""
#undef SHIM_SECTION
#define SHIM_SECTION "shim_{name}"
extern "C" __attribute__((weak, visibility("hidden"))) char __start_shim_{name}[], __stop_shim_{name}[];
namespace {name} {{
{_marked(text)}
static void shim_body(void *const *shim_given) {{ {entry}({arguments}); }}
}}
extern "C" const char *run_{name}(void *const *given, const unsigned *groups, const unsigned *block) {{
    return shim_run({name}::shim_body, given, groups, block, {meets},
                    __start_shim_{name}, __stop_shim_{name});
}}
extern "C" unsigned long size_{name}() {{ return __stop_shim_{name} - __start_shim_{name}; }}
"""


def _arguments(text: str, entry: str) -> str:
    """The C++ arguments that the attributes of a kernel function's parameters ask for."""
    header = re.search(rf"\bvoid {entry}\((.*?)\)\s*\{{", text, re.DOTALL)
    if header is None:
        raise ShimError(f"no kernel function {entry!r} in the text")
    given = []
    for parameter in header[1].split(","):
        found = _PARAMETER.match(parameter.strip())
        if found is None:
            raise ShimError(f"a parameter without an attribute: {parameter.strip()!r}")
        kind, _, attribute, number = found.groups()
        if attribute == "buffer":
            pointer = kind.replace("&", "*").strip()
            given.append(f"{'*' if '&' in kind else ''}({pointer})shim_given[{number}]")
        elif attribute in _BUILT_IN:
            given.append(_BUILT_IN[attribute])
        else:
            raise ShimError(f"unknown attribute {attribute!r}")
    return ", ".join(given)


def _library(source: str, version: int) -> ctypes.CDLL:
    path = compiler()
    if path is None:
        raise ShimError("there is no C++ compiler with _Float16")
    _runtime(path)
    # Kernels of tests run for microseconds: what counts is how long they compile.
    flags = ("-O0", f"-D__METAL_VERSION__={version}")
    return ctypes.CDLL(str(_built(path, source, flags)))


@cache
def _runtime(path: str) -> ctypes.CDLL:
    """The fibres, whose names the kernels' libraries look up."""
    return ctypes.CDLL(str(_built(path, (HERE / "fibres.cpp").read_text(), ("-O2",))), ctypes.RTLD_GLOBAL)


def _built(path: str, source: str, flags: Sequence[str]) -> Path:
    """A shared library from C++ source, from the cache where it was built before."""
    kept = (HERE / "metal_stdlib").read_bytes() + (HERE / "shim.hpp").read_bytes()
    key = sha256("\0".join((path, *_FLAGS, *flags, source)).encode() + kept).hexdigest()[:32]
    target = CACHE / f"{key}.so"
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = CACHE / f"{key}.{os.getpid()}.{threading.get_ident()}.tmp"
    command = [path, *_FLAGS, *flags, "-shared", "-fPIC", "-x", "c++", "-", "-lm", "-o", str(fresh)]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ShimError(done.stderr[:4000])
    fresh.replace(target)
    return target


@cache
def _takes_half(path: str) -> bool:
    command = [path, "-x", "c++", "-fsyntax-only", "-"]
    return not subprocess.run(command, input=b"_Float16 f;", capture_output=True, check=False).returncode
