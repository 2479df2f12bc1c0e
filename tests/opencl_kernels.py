"""OpenCL C as the emitter writes it, by hand: what the driver's tests run, and the launches of it."""

import struct

from gyral.core.artifact import (
    FOLDED,
    ArrayParameter,
    Artifact,
    CompileOptions,
    ScalarParameter,
    Signature,
    Site,
)
from gyral.core.driver import Bits, Launch, Pointer
from gyral.core.dtypes import SCALARS
from gyral.core.span import NOWHERE

TYPES = {t.name: t for t in SCALARS}
SCALE = """
typedef struct { long s[14]; } Slots;
kernel void gyral_kernel(global uchar *m0, global uchar *m1, Slots p)
{
    long i = (long)get_global_id(0);
    if (p.s[6]) {
        long row = get_group_id(1) + get_num_groups(1) * get_group_id(2);
        long b = get_group_id(0) + get_num_groups(0) * row;
        i = b * (long)get_local_size(0) + (long)get_local_id(0);
    }
    if (i >= p.s[2]) return;
    float x = *(global float *)(m0 + p.s[7] + i * p.s[9]);
    *(global float *)(m1 + p.s[10] + i * p.s[12]) = x * as_float((uint)p.s[13]);
}
"""
SLOW = """
typedef struct { long s[14]; } Slots;
kernel void gyral_kernel(global uchar *m0, global uchar *m1, Slots p)
{
    volatile long n = p.s[13];
    while (n > 0) n = n - 1;
    *(global float *)(m1 + p.s[10]) = *(global float *)(m0 + p.s[7]) + 1.0f;
}
"""
RECORDED = """
typedef struct { long s[10]; } Slots;
kernel void gyral_kernel(global uchar *m0, global uint *record, Slots p)
{
    long i = (long)get_global_id(0);
    if (i < p.s[2]) atomic_min(record + 1, (uint)i + 5u);
}
"""


def artifact(text: str, *, sites: int = 0, **changes: object) -> Artifact:
    """Two f32 arrays and a scalar, in blocks of 64; with sites, one array alone."""
    arrays = (
        ArrayParameter("x", TYPES["f32"], 1, True, False),
        ArrayParameter("y", TYPES["f32"], 1, False, True),
    )
    parameters = arrays[:1] if sites else (*arrays, ScalarParameter("a", TYPES["f32"]))
    fields = {"item": (1, 1, 64), "sites": (Site("assert", NOWHERE),) * sites, **changes}
    options = CompileOptions(block=(64,), features=(FOLDED,))  # the text of SCALE knows what to do
    signature = Signature("scale", 1, parameters, options, **fields)  # type: ignore[arg-type]
    return Artifact("opencl-c", text.encode(), 0, signature)


def arguments(x: int, y: int, n: int, bits: int) -> tuple[Pointer | Bits, ...]:
    """Two arrays of n elements at addresses, and the bits of the scalar."""
    return Pointer(x, (n,), (4,)), Pointer(y, (n,), (4,)), Bits(bits)


def launch(x: int, y: int, n: int, factor: float = 3.0) -> Launch:
    """A launch of SCALE."""
    (bits,) = struct.unpack("<I", struct.pack("<f", factor))
    return Launch((n,), arguments(x, y, n, bits))


def slow(x: int, y: int, turns: int = 20_000_000) -> Launch:
    """A launch of SLOW in one thread, of some ten milliseconds by default."""
    return Launch((1,), arguments(x, y, 1, turns))
