"""Kernels compiled for aarch64 and run here under an emulator."""

from __future__ import annotations

import functools
import math
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tests.emitted import NEON, Trial, emitted, fresh

from gyral.compiler.emit.llvm.program import ENTRY
from gyral.core.driver import Pointer
from gyral.drivers.cpu import codegen, image
from gyral.drivers.cpu.slots import pack as slots_of
from gyral.jit.arguments import ArrayGiven
from gyral.jit.launch import pack

COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
BASE = 0x2000_0000
"""Where the emulated process has its arrays."""


@functools.cache
def _driver() -> bytes:
    source = Path(__file__).with_name("aarch64_driver.c")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder, "driver")
        subprocess.run([str(COMPILER), "-O1", "-static", source, "-o", built], check=True)
        return built.read_bytes()


def run(trial: Trial, **more: Any) -> list[np.ndarray]:
    """The arrays among the arguments, which must be contiguous, after an emulated launch."""
    found = emitted(trial, NEON, **more)
    code, entry = image.flatten(codegen.assemble(found.text, NEON), ENTRY)
    given = trial.kernel.take(fresh(trial.arguments), {})
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    at, places = 4096, {}
    for array in arrays:
        places[array.name] = at
        at += -(-array.host.nbytes // 64) * 64 + 64
    pointers = {g.name: Pointer(BASE + places[g.name], g.shape, g.strides) for g in arrays}
    shape = (1, 1, 1, *trial.shape)[-3:]
    item = found.signature.item
    grid = [-(-extent // each) for extent, each in zip(shape, item, strict=True)]
    block = (1, 1, 1, *found.signature.options.block)[-3:]
    memory = bytearray(at + found.signature.scratch_bytes + 64)
    struct.pack_into("<10q", memory, 0, *shape, *block, *grid, 0)
    slots = slots_of(pack(found.signature, given, pointers))
    memory[80 : 80 + len(slots)] = slots
    for array in arrays:
        start = places[array.name]
        memory[start : start + array.host.nbytes] = array.host.tobytes()
    after = _emulate(code, entry, memory, math.prod(grid), at)
    return [
        np.frombuffer(after, array.host.dtype, array.host.size, places[array.name]).reshape(array.host.shape)
        for array in arrays
    ]


def _emulate(code: bytes, entry: int, memory: bytes, items: int, scratch: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        driver, program, data = (Path(folder, name) for name in ("driver", "image", "memory"))
        driver.write_bytes(_driver())
        driver.chmod(0o755)
        program.write_bytes(code)
        data.write_bytes(memory)
        words = [str(program), str(entry), str(data), hex(BASE), "0", str(items), str(scratch)]
        subprocess.run([str(EMULATOR), str(driver), *words], check=True)
        return data.read_bytes()
