"""WGSL written by hand in the convention of `core.abi`, for tests of the WebGPU driver alone."""

from __future__ import annotations

from gyral.core.artifact import FOLDED, ArrayParameter, Artifact, CompileOptions, ScalarParameter, Signature
from gyral.core.dtypes import BY_NAME

_HEAD = """
@group(0) @binding(0) var<uniform> p: array<vec4<u32>, {vectors}>;
fn slot(n: u32) -> u32 {{ return p[n / 2u][(n % 2u) * 2u]; }}
"""
_SAXPY = """
@group(0) @binding(1) var<storage, read> m0: array<u32>;
@group(0) @binding(2) var<storage, read_write> m1: array<u32>;
@compute @workgroup_size(64)
fn gyral_kernel(@builtin(workgroup_id) b: vec3<u32>, @builtin(num_workgroups) g: vec3<u32>,
                @builtin(local_invocation_index) t: u32) {
  let i = (b.x + g.x * b.y) * 64u + t;
  if (i >= slot(2u)) { return; }
  let x = slot(8u) / 4u + i * slot(10u) / 4u;
  let y = slot(11u) / 4u + i * slot(13u) / 4u;
  m1[y] = bitcast<u32>(bitcast<f32>(slot(7u)) * bitcast<f32>(m0[x]) + bitcast<f32>(m1[y]));
}
"""
_BUMP = """
@group(0) @binding(1) var<storage, read_write> m0: array<u32>;
@compute @workgroup_size(64)
fn gyral_kernel(@builtin(global_invocation_id) g: vec3<u32>) {
  if (g.x < slot(2u)) { m0[slot(7u) / 4u + g.x] += slot(10u); }
}
"""
_CHURN = """
@group(0) @binding(1) var<storage, read_write> m0: array<u32>;
@compute @workgroup_size(64)
fn gyral_kernel(@builtin(global_invocation_id) g: vec3<u32>) {
  var v = g.x;
  for (var k = 0u; k < 60000u; k++) { v = (v * 1664525u + 1013904223u) ^ (v >> 3u); }
  m0[slot(7u) / 4u] = v;
}
"""


_OPTIONS = CompileOptions(groups=(0, 1), features=(FOLDED,))  # saxpy counts blocks along two axes


def _array(name: str, writes: bool) -> ArrayParameter:
    return ArrayParameter(name, BY_NAME["f32"], 1, True, writes)


def saxpy(code: str = _SAXPY) -> Artifact:
    """y = a * x + y over one axis, each array in its own buffer."""
    parameters = (ScalarParameter("a", BY_NAME["f32"]), _array("x", False), _array("y", True))
    signature = Signature("saxpy", 1, parameters, _OPTIONS, item=(1, 1, 64))
    return Artifact("wgsl", (_HEAD.format(vectors=7) + code).encode(), 0, signature)


def bump() -> Artifact:
    """Add a word to each word of an array."""
    parameters = (_array("x", True), ScalarParameter("by", BY_NAME["u32"]))
    signature = Signature("bump", 1, parameters, CompileOptions(groups=(0,)), item=(1, 1, 64))
    return Artifact("wgsl", (_HEAD.format(vectors=6) + _BUMP).encode(), 0, signature)


def churn() -> Artifact:
    """Compute for milliseconds per thousand threads, and write one word."""
    signature = Signature("churn", 1, (_array("x", True),), CompileOptions(groups=(0,)), item=(1, 1, 64))
    return Artifact("wgsl", (_HEAD.format(vectors=5) + _CHURN).encode(), 0, signature)
