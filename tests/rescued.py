"""Kernels that rescue threads whose checks failed, run by the interpreter and as code for this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gyral.compiler import pipeline, words
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.emit.llvm.program import ENTRY, emit
from gyral.compiler.frontend.lower import Lowered, lower_kernel
from gyral.compiler.interp.launch import Interpreter
from gyral.compiler.ir.ops.message import NO_SITE
from gyral.core.artifact import Artifact, CompileOptions, Site
from gyral.core.driver import Launch, Pointer
from gyral.core.dtypes import BY_NAME, ArrayType
from gyral.drivers.cpu import codegen, image
from gyral.drivers.cpu.driver import CpuDriver
from gyral.jit.arguments import ArrayGiven
from gyral.jit.launch import pack
from gyral.jit.records import new_record
from gyral.testing.source import define

Poll = Callable[[Any], Any]
_CODES = {"int32": "i32", "uint32": "u32", "float32": "f32"}


HANDLERS = """
@gy.func
def handler(a: gy.Array[gy.i32], o: gy.Array[gy.i32], k: gy.i32):
    i = gy.global_id()
    assert a[i] != k, "bad"
    o[i] += 10 // (a[i] - 1)
    t = 0
    for j in range(a[i]):
        t += a[j % 4 + (j // 3)]
        if t == 11:
            o[i] += 1000
    while t > 3:
        t -= 2
        assert t != 9
        o[i] += 1
    o[i] += a[a[i]]
@gy.kernel(block={0})
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], s: gy.Array[gy.u32]):
    i = gy.global_id()
    for k in range(4):
        handler(a, o, k)
        s[i // {0} * 4 + k] = w.rescue()
        o[i] += 100
"""
NUMBERS = (2, 1, 3, 9, 5, 4, 2, 7)


def given(block: int, threads: int) -> list[np.ndarray]:
    """Fresh arguments for a launch of `HANDLERS`."""
    a = np.array([NUMBERS[i % 8] for i in range(threads)], np.int32)
    return [a, np.zeros(threads, np.int32), np.zeros(-(-threads // block) * 4, np.uint32)]


LOOP = """
@gy.func
def first(a: gy.Array[gy.i32], o: gy.Array[gy.i32], n: gy.i32):
    i = gy.global_id()
    assert (a[i] + n) % 5 != 0, "five"
    o[i] += 100 // ((a[i] + n) % 3)
@gy.func
def second(a: gy.Array[gy.i32], o: gy.Array[gy.i32], n: gy.i32):
    i = gy.global_id()
    t = gy.shared({0}, gy.i32)
    l = gy.local_id()
    t[l] = a[i] * n
    gy.barrier()
    assert t[(l + 1) % {0}] != 14
    total = gy.block_sum(t[({0} - 1) - l])
    assert total % 4 != 3
    for j in range(n):
        o[i] += total + t[j % {0}]
        gy.barrier()
    o[i] += a[i + a[i] % 2]
@gy.kernel(block={0})
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], s: gy.Array[gy.u32], q: gy.Array[gy.i32]):
    at = gy.i32(0)
    going = True
    while going:
        code = gy.block_broadcast(gy.atomic_load(q, at))
        if code == 0:
            going = False
        else:
            kept = a[gy.global_id()] * 3
            if code == 1:
                first(a, o, at)
            elif code == 2:
                second(a, o, at)
            elif code == 3:
                second(a, o, at)
                o[gy.global_id()] += 5
            site = w.rescue()
            if site != 0xFFFFFFFF:
                o[gy.global_id()] += 10000
                gy.barrier()
                if gy.local_id() == 0:
                    s[gy.block_id() * 16 + at] = site
            else:
                if gy.local_id() == 0:
                    s[gy.block_id() * 16 + at] = 0xFFFFFFFF
            o[gy.global_id()] += gy.block_sum(1) + kept
        at += 1
"""
CODES = (1, 2, 3, 1, 1, 3, 2, 2, 1, 3, 1, 2, 3, 0, 0, 0)


def given_loop(block: int, blocks: int) -> list[np.ndarray]:
    """Fresh arguments for a launch of `LOOP`."""
    a = (np.arange(block * blocks) * 7 % 23).astype(np.int32)
    sites = np.full(16 * blocks, NO_SITE, np.uint32)
    return [a, np.zeros(len(a), np.int32), sites, np.array(CODES, np.int32)]


def kernel(text: str, **names: Any) -> Any:
    """The kernel `k` of a text that knows the hidden words as `w`."""
    return define(text, "k", {"w": words, **names})


def lowered(
    k: Any, values: Sequence[np.ndarray], block: tuple[int, ...], check: bool, poll: Poll | None
) -> Lowered:
    """Fresh from the frontend, for arrays like these."""
    kinds = [ArrayType(BY_NAME[_CODES[value.dtype.name]], value.ndim) for value in values]
    return lower_kernel(k.__gyral_kernel__, kinds, block=block, check=check, resident=poll)


def interpreted(
    k: Any, values: Sequence[np.ndarray], shape: tuple[int, ...], block: tuple[int, ...],
    check: bool = True, poll: Poll | None = None,
) -> tuple[list[np.ndarray], Sequence[Site]]:  # fmt: skip
    """The arrays after the interpreter ran, and its table of sites."""
    ready = Interpreter(lowered(k, values, block, check, poll), check=check)
    found = [value.copy() for value in values]
    ready.run(shape, block, found)
    return found, ready.program.sites


def compiled(
    k: Any, values: Sequence[np.ndarray], shape: tuple[int, ...], block: tuple[int, ...], host: Host,
    check: bool = True, poll: Poll | None = None,
) -> tuple[list[np.ndarray], Sequence[Site]]:  # fmt: skip
    """The arrays after code for `host` ran, and its table of sites."""
    options = CompileOptions(check="on" if check else "off", block=block, unit_stride=(True,) * len(values))
    module = pipeline.run(lowered(k, values, block, check, poll), options, pipeline.CPU, verify=True)
    emitted = emit(module, options, host)
    code, entry = image.flatten(codegen.assemble(emitted.text, host), ENTRY)
    driver, found = CpuDriver(), [value.copy() for value in values]
    program = driver.load(Artifact("cpu-image", code, entry, emitted.signature))
    given = k.take(found, {})
    pointers = {g.name: Pointer(g.address, g.shape, g.strides) for g in given if isinstance(g, ArrayGiven)}
    packed = pack(emitted.signature, given, pointers)
    record = new_record(emitted.signature) if emitted.signature.needs_record else None
    driver.launch(None, program, Launch(shape, packed, record, given, None))
    return found, emitted.signature.sites


def places(numbers: np.ndarray, sites: Sequence[Site]) -> list[tuple[str, int] | None]:
    """What rescues gave, as kinds and lines."""
    return [None if n == NO_SITE else (sites[n].kind, sites[n].span.line) for n in numbers.tolist()]
