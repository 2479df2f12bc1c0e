"""Copies and fills that WebGPU's own commands cannot do: of single bytes, and inside one buffer.

One thread per word of the target. The words at both ends may belong to the target in part.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from gyral.core.artifact import CompileOptions, Signature
from gyral.drivers.webgpu.program import Program

_THREADS = 64
_HEAD = """
@group(0) @binding(0) var<uniform> p: array<vec4<u32>, 3>;
@group(0) @binding(1) var<storage, read_write> m0: array<u32>;
{source}
fn store(word: u32, value: u32) {{
  var mask = 0xffffffffu;
  if (word == p[0].x) {{ mask &= 0xffffffffu << p[0].z; }}
  if (word == p[0].y) {{ mask &= 0xffffffffu >> p[0].w; }}
  m0[word] = (m0[word] & ~mask) | (value & mask);
}}
@compute @workgroup_size(64) fn gyral_kernel(
  @builtin(workgroup_id) block: vec3<u32>, @builtin(num_workgroups) blocks: vec3<u32>,
  @builtin(local_invocation_index) lane: u32
) {{
  let word = p[0].x + (block.y * blocks.x + block.x) * 64u + lane;
  if (word > p[0].y) {{ return; }}
  {value}
  store(word, value);
}}
"""
_FILL = "let value = p[1][word & 3u];"
_COPY = """
  let at = i32((word - p[0].x) * 4u + p[1].x);
  let first = at >> 2u;
  let last = i32(p[1].y);
  let shift = u32(at & 3) * 8u;
  var value = {m}[clamp(first, 0, last)] >> shift;
  if (shift != 0u) {{ value |= {m}[clamp(first + 1, 0, last)] << (32u - shift); }}"""


@dataclass(frozen=True, slots=True)
class ByteWork:
    """One such launch: its program, its parameters, and how many blocks along x and y."""

    program: Program
    parameters: bytes
    blocks: tuple[int, int, int]


def programs() -> dict[str, Program]:
    """The three programs, not built yet."""
    return {
        "fill": _program(_HEAD.format(source="", value=_FILL), (True,)),
        "copy": _program(
            _HEAD.format(
                source="@group(0) @binding(2) var<storage, read> m1: array<u32>;", value=_COPY.format(m="m1")
            ),
            (True, False),
        ),
        "move": _program(_HEAD.format(source="", value=_COPY.format(m="m0")), (True,)),
    }


def fill(program: Program, offset: int, pattern: bytes, nbytes: int, limit: int) -> ByteWork:
    """Repeat a pattern, whose length divides 16, over bytes of a buffer."""
    turned = bytes(pattern[(byte - offset) % len(pattern)] for byte in range(16))
    return _work(program, offset, nbytes, struct.unpack("<4I", turned), limit)


def copy(program: Program, target: int, source: int, nbytes: int, last: int, limit: int) -> ByteWork:
    """Copy bytes between two places; `last` is the last word of the buffer they come from."""
    # Thread 0 begins at the start of the target's first word, up to three bytes before the target.
    begin = source - target % 4
    return _work(program, target, nbytes, (begin & 0xFFFFFFFF, last, 0, 0), limit)


def _work(program: Program, offset: int, nbytes: int, rest: Sequence[int], limit: int) -> ByteWork:
    end = offset + nbytes
    first, final = offset // 4, (end - 1) // 4
    head = (first, final, offset % 4 * 8, -end % 4 * 8)
    blocks = -(-(final - first + 1) // _THREADS)
    x = min(blocks, limit)
    return ByteWork(program, struct.pack("<12I", *head, *rest, 0, 0, 0, 0), (x, -(-blocks // x), 1))


@cache
def _signature() -> Signature:
    return Signature("bytes", 1, (), CompileOptions())


def _program(code: str, written: tuple[bool, ...]) -> Program:
    return Program(_signature(), code, written, 48)
