"""Faults of the field, each shown not to be here.

| trap | test |
|---|---|
| an emitted kernel that does not compile; vanished ops; wrong ids; guessed types | every row of `test_cpu` |
| backend miscompiles large kernels | `test_fuzz`, rows "large kernels" |
| an unsupported construct silently runs elsewhere; barrier in non-uniform flow | `test_refusals` |
| a failed build runs at the second launch | `test_a_failed_build_stays_failed` |
| silent 32-bit index truncation | rows "arrays above 4 GiB"; tests of 5 GiB and of 2**31 threads |
| host arrays copied silently, results lost | `test_views_of_host_arrays_are_used_in_place` |
| silent promotion to f64 | `test_literals_do_not_promote_to_f64` |
| an exception on the device becomes a log line | `test_a_fault_reaches_the_caller` |
| configuration honoured on one backend only | `test_checks_are_honoured_by_every_executor` |
| compile bomb | `test_a_compile_bomb_is_refused` |
| the user's text reaches the generated text | `test_names_of_the_user_are_not_identifiers` |
"""

import numpy as np
import pytest

import gyral as gy
from gyral.testing.source import define


def test_a_failed_build_stays_failed() -> None:
    """A kernel that failed to compile fails again at its second launch, in the same words."""
    kernel = define(
        """
        @gy.kernel
        def broken(x: gy.Array[gy.f32]):
            i = gy.global_id()
            x[i] = 1
            x[i] = missing_name
        """,
        "broken",
    )
    x = np.zeros(4, np.float32)
    said = []
    for _ in range(2):
        with pytest.raises(gy.CompileError) as caught:
            kernel[4](x)
        said.append(str(caught.value))
    assert (said[0] == said[1], x.tolist()) == (True, [0, 0, 0, 0])


def test_an_array_of_five_gigabytes_is_indexed() -> None:
    """Elements beyond 4 GiB of real memory are written at their own place."""
    kernel = define(
        """
        @gy.kernel
        def mark(x: gy.Array[gy.u8], step: gy.i64):
            i = gy.global_id()
            x[x.size - 1 - i * step] = 200 + i
        """,
        "mark",
    )
    x = np.zeros(5 * 2**30 + 3, np.uint8)  # pages that nobody touches take no memory
    kernel[3](x, 2**31 + 5)
    at = [x.size - 1 - i * (2**31 + 5) for i in range(3)]
    assert [int(x[k]) for k in at] == [200, 201, 202]
    low = [k & 0xFFFFFFFF for k in at]
    assert [int(x[k]) for k in low if k not in at] == [0] * len([k for k in low if k not in at])


@pytest.mark.parametrize("shape", [(2**31 + 5,), (3, 715_827_884)])
def test_a_launch_above_two_thousand_million_threads(shape: tuple[int, ...]) -> None:
    """Ids beyond 2**31 are exact, in one axis and in two."""
    kernel = define(
        f"""
        @gy.kernel(rank={len(shape)})
        def late(x: gy.Array[gy.i64]):
            t = gy.global_id(0){" * gy.global_size(1) + gy.global_id(1)" if len(shape) == 2 else ""}
            if t >= 2147483648:
                x[t - 2147483648] = t
        """,
        "late",
    )
    count = int(np.prod(shape)) - 2**31
    x = np.zeros(count, np.int64)
    kernel[shape](x)
    assert x.tolist() == [2**31 + k for k in range(count)]


def test_views_of_host_arrays_are_used_in_place() -> None:
    """Results written through strided, reversed and offset views stand in the array behind the view."""
    kernel = define(
        """
        @gy.kernel
        def number(x: gy.Array[gy.f32]):
            i = gy.global_id()
            x[i] = i + 1
        """,
        "number",
    )
    base = np.zeros(24, np.float32)
    for view in (base[1::3], base[::-1][2:6], base.reshape(4, 6)[:, 2]):
        base[:] = 0
        kernel[view.size](view)
        assert view.tolist() == list(range(1, view.size + 1))
        assert np.count_nonzero(base) == view.size


def test_literals_do_not_promote_to_f64() -> None:
    """An f32 kernel with float and integer literals holds no f64 anywhere."""
    kernel = define(
        """
        @gy.kernel
        def single(x: gy.Array[gy.f32], out: gy.Array[gy.f32]):
            i = gy.global_id()
            s = 0.0
            for k in range(3):
                s += x[i] * 0.1 + k / 3 + math.pi
            out[i] = math.sqrt(s) if s > 1e-3 else 2 * s
        """,
        "single",
    )
    assert "f64" not in kernel.ir()


CHECKED = """
@gy.kernel(check=True)
def reach(x: gy.Array[gy.i32], n: gy.i32):
    i = gy.global_id()
    x[i + n] = 7
"""


def test_a_fault_reaches_the_caller() -> None:
    """An access out of bounds under check raises, and names the array, the index and the thread."""
    kernel = define(CHECKED, "reach")
    with pytest.raises(gy.KernelFault, match="x") as caught:
        kernel[4](np.zeros(4, np.int32), 2)
    assert caught.value.thread == (2,)
    assert caught.value.span.line == 5


def test_checks_are_honoured_by_every_executor() -> None:
    """The interpreter and the CPU report the same fault of the same thread at the same line."""
    kernel = define(CHECKED, "reach")
    found = []
    for launch in (kernel, kernel.interpret):
        with pytest.raises(gy.KernelFault) as caught:
            launch[9](np.zeros(9, np.int32), 3)
        found.append((caught.value.thread, caught.value.span.line))
    assert found == [((6,), 5), ((6,), 5)]


def test_a_compile_bomb_is_refused() -> None:
    """An expression nested deeper than any stack is refused with a code."""
    start = "@gy.kernel\ndef bomb(x: gy.Array[gy.f32]):\n    i = gy.global_id()\n    x[i] = "
    kernel = define(start + " + ".join(["x[i]"] * 1000) + "\n", "bomb")
    with pytest.raises(gy.CompileError) as caught:
        kernel.ir()
    assert caught.value.code == "GY109"


def test_calls_that_multiply_are_refused() -> None:
    """Functions that each call the next twice are refused before their inlined size explodes."""
    lines = ["@gy.func", "def f0(x: gy.f32) -> gy.f32:", "    return x * 1.5 + 1"]
    for k in range(1, 40):
        lines += ["@gy.func", f"def f{k}(x: gy.f32) -> gy.f32:", f"    return f{k - 1}(x) + f{k - 1}(x * 2)"]
    lines += ["@gy.kernel", "def bomb(x: gy.Array[gy.f32]):", "    x[gy.global_id()] = f39(x[0])"]
    kernel = define("\n".join(lines) + "\n", "bomb")
    with pytest.raises(gy.UserError, match="grows over"):
        kernel[1](np.zeros(1, np.float32))


def test_names_of_the_user_are_not_identifiers() -> None:
    """No name or string of the user's stands in the generated text outside its comments."""
    kernel = define(
        """
        @gy.kernel
        def attack_kernel(attack_parameter: gy.Array[gy.f32]):
            attack_local = gy.global_id()
            attack_parameter[attack_local] = 1
            print(f"attack_text {attack_local}")
        """,
        "attack_kernel",
    )
    code = [line.partition(";")[0] for line in kernel.source("llvm").splitlines()]
    assert [line for line in code if "attack" in line] == []
