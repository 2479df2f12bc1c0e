"""The judge of WGSL: it accepts what is right and says where the rest is wrong."""

import pytest
from tests import tint

pytestmark = pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
RIGHT = """enable f16;
@group(0) @binding(0) var<storage, read_write> m: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) k: u32) { m[k] = u32(f16(1.0)); }"""
BARRIER = """@group(0) @binding(0) var<storage, read_write> m: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) k: u32) {
    if (m[k] == 1u) { workgroupBarrier(); }
}"""


def test_each_text_is_judged_alone() -> None:
    """One process judges many texts: None for those that are right."""
    wrong = RIGHT.replace("u32(f16", "i32(f16")
    right, bad, again = tint.validate([RIGHT, wrong, RIGHT])
    assert (right, again) == (None, None)
    assert "cannot assign 'i32' to 'u32'" in (bad or "")


def test_a_barrier_in_divergent_control_is_refused() -> None:
    """Uniformity is analysed, which other WGSL compilers do not do."""
    (found,) = tint.validate([BARRIER])
    assert "must only be called from uniform control flow" in (found or "")
