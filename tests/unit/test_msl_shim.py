"""Kernels in Metal's language, compiled as C++, run as Metal would run them."""

import shutil

import numpy as np
import pytest
from tests.msl import shim

pytestmark = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)
HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
PLACE = """uint3 group [[threadgroup_position_in_grid]], uint3 at [[thread_position_in_threadgroup]],
    uint k [[thread_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]"""


def run(
    body: str,
    out: np.ndarray,
    groups: tuple[int, int, int] = (1, 1, 1),
    block: tuple[int, int, int] = (64, 1, 1),
) -> np.ndarray:
    """What a kernel with this body leaves in `m0`, which is bytes to it."""
    text = f"{HEAD}kernel void gyral_kernel(device uchar *m0 [[buffer(0)]], {PLACE}) {{\n{body}\n}}"
    (kernel,) = shim.compiled([text])
    kernel.run([out.ctypes.data], groups, block)
    return out


def values(expression: str, ctype: str, count: int, threads: int = 64) -> list[int]:
    """What an expression gives in each thread of a block."""
    found = np.zeros(threads, np.dtype(f"i{count}") if ctype != "float" else np.float32)
    return run(f"(({'device ' + ctype} *)m0)[k] = {expression};", found, block=(threads, 1, 1)).tolist()


def test_threads_of_a_grid_know_where_they_stand() -> None:
    """Every thread of every block has its own place, x fastest."""
    out = run(
        """uint number = (group.y * 2 + at.y) * 2 + group.x;
        ((device uint *)m0)[number * 4 + at.x] = k + 8 * (group.x + 2 * group.y);""",
        np.zeros(48, np.uint32),
        groups=(2, 3, 1),
        block=(4, 2, 1),
    )
    assert sorted(out.tolist()) == list(range(48))
    assert out[:8].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]


def test_a_barrier_lets_threads_see_one_another() -> None:
    """What a thread wrote on-chip before a barrier is there for the others after it."""
    body = """
    threadgroup uint s[64];
    s[k] = k * k;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    ((device uint *)m0)[k] = s[63 - k];"""
    assert run(body, np.zeros(64, np.uint32)).tolist() == [(63 - k) ** 2 for k in range(64)]


def test_on_chip_memory_starts_as_rubbish() -> None:
    """A block finds neither zeros nor what the block before it left."""
    body = "threadgroup uint s[64]; ((device uint *)m0)[group.x] = s[0]; s[0] = 7;"
    body = body.replace("; (", ";\n(").replace("threadgroup uint", "    threadgroup uint")
    assert run(body, np.zeros(2, np.uint32), (2, 1, 1), (1, 1, 1)).tolist() == [0xA5A5A5A5] * 2


def test_a_barrier_that_some_threads_miss_is_an_error() -> None:
    """Threads that end while others wait at a barrier are reported."""
    with pytest.raises(shim.ShimError, match=r"thread 0 is at a barrier .* thread 32 is done"):
        run("if (k < 32)\n threadgroup_barrier(mem_flags::mem_none);", np.zeros(64, np.uint32))


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("simd_sum((uint)k)", [sum(range(32))] * 32 + [sum(range(32, 48))] * 16),
        ("simd_max((int)k)", [31] * 32 + [47] * 16),
        ("simd_prefix_exclusive_sum(1u)", [*range(32), *range(16)]),
        ("simd_shuffle((uint)k, 5)", [5] * 32 + [37] * 16),
        ("simd_shuffle_xor((uint)k, 1)", [k ^ 1 for k in range(48)]),
        ("(uint)(ulong)simd_ballot(k % 2 == 1)", [0xAAAAAAAA - (1 << 32)] * 32 + [0xAAAA] * 16),
        ("lane", [*range(32), *range(16)]),
    ],
)
def test_simdgroup_functions(expression: str, expected: list[int]) -> None:
    """Simdgroups are 32 threads of the block in order, the last one what is left."""
    assert values(expression, "uint", 4, threads=48) == expected


@pytest.mark.parametrize(
    "expression, ctype, size, expected",
    [
        ("popcount((ushort)0xF00F)", "ushort", 2, 8),
        ("clz((uchar)1)", "char", 1, 7),
        ("clz(0ul)", "long", 8, 64),
        ("ctz(0u)", "uint", 4, 32),
        ("reverse_bits((uchar)1)", "char", 1, -128),
        ("rotate(0x80000001u, 1u)", "uint", 4, 3),
        ("as_type<int>(1.0f)", "int", 4, 0x3F800000),
        ("(long)as_type<ushort>((half)1.0f)", "long", 8, 0x3C00),
        ("(int)rint(2.5f)", "int", 4, 2),
    ],
)
def test_functions_of_the_standard_library(expression: str, ctype: str, size: int, expected: int) -> None:
    """Bit and rounding functions give what Metal's do, at the width of their type."""
    assert values(expression, ctype, size, threads=1) == [expected]


def test_atomics_give_the_old_value() -> None:
    """Read-modify-write functions return what stood before and leave the result."""
    body = """
    const memory_order free = memory_order_relaxed;
    device atomic_uint *a = (device atomic_uint *)m0;
    atomic_fetch_add_explicit(a, k, memory_order_relaxed);
    atomic_fetch_max_explicit(a + 1, k, memory_order_relaxed);
    uint seen = atomic_load_explicit(a + 2, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(a + 2, &seen, seen * 3 + 1, free, free))
        ;
    if (k == 5) atomic_store_explicit(a + 3, atomic_exchange_explicit(a + 4, 9, free), free);"""
    out = run(body, np.array([0, 0, 0, 0, 4], np.uint32), block=(8, 1, 1))
    assert out.tolist() == [28, 7, (3**8 - 1) // 2, 4, 9]


@pytest.mark.parametrize("text", ["double d = 0;", "ulong u = simd_sum(1ul);", "goto end; end:;"])
def test_what_metal_lacks_does_not_compile(text: str) -> None:
    """Doubles, jumps and 64-bit simdgroup functions are refused."""
    with pytest.raises(shim.ShimError, match=r"poisoned|32 bits"):
        run(text, np.zeros(1, np.uint32))


@pytest.mark.skipif(shutil.which("clang++") is None, reason="no clang++ to tell address spaces apart")
@pytest.mark.parametrize(
    "line, complaint", [("device uint *p = q;", ""), ("device uint *p = s;", "address space|device")]
)
def test_address_spaces_are_kept_apart(line: str, complaint: str) -> None:
    """clang++ refuses a device pointer to on-chip memory, and takes one to device memory."""
    text = f"""{HEAD}kernel void gyral_kernel(device uint *q [[buffer(0)]]) {{
    threadgroup uint s[4];
    {line}
    p[0] = s[1];
}}"""
    found = shim.space_errors([text])
    assert (found == "") if not complaint else ("error: cannot initialize" in found)
