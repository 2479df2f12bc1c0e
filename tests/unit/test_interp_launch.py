"""Launches in the interpreter: ids, blocks, what threads do together, faults and prints."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from gyral.compiler.interp.launch import run
from gyral.compiler.ir.parser import parse_module
from gyral.core.errors import KernelFault, UserError


def kernel(parameters: str, body: str, rank: int = 1) -> Any:
    """A module of one kernel."""
    head = f'control.func {{symbol = "k", kind = "kernel", rank = {rank}}}'
    return parse_module(f"{head} ({parameters}) {{\n{body}\ncontrol.return\n}}\n")


def ids(rank: int) -> str:
    """Text that defines the thread's global ids %g0, %g1, ..."""
    return "".join(f"%g{k} = grid.global_id {{axis = {k}}} : index\n" for k in range(rank))


def gathered(
    op: str, shape: tuple[int, ...], block: tuple[int, ...], t: str = "i32", **options: Any
) -> list[Any]:
    """What each thread of a launch stores of `%r`, defined by `op` from its linear number %n."""
    rank = len(shape)
    places = ", ".join(f"%g{k}" for k in range(rank))
    body = ids(rank) + f"%n = memory.load %x, {places} : i32\n{op}\nmemory.store %r, %out, {places}"
    out = np.zeros(shape, {"i32": np.int32, "i64": np.int64, "u64": np.uint64, "f32": np.float32}[t])
    x = np.arange(out.size, dtype=np.int32).reshape(shape)
    module = kernel(f"%x: array<i32, {rank}>, %out: array<{t}, {rank}>", body, rank)
    run(module, shape, block, [x, out], **options)
    return out.ravel().tolist()


@pytest.mark.parametrize(
    ("op", "result"),
    [
        ("%i = grid.global_id {axis = 1} : index", [0, 1, 2, 3, 4] * 3),
        ("%i = grid.local_id {axis = 1} : index", [0, 1, 0, 1, 0] * 3),
        ("%i = grid.block_id {axis = 1} : index", [0, 0, 1, 1, 2] * 3),
        ("%i = grid.block_id {axis = 0} : index", [0] * 10 + [1] * 5),
        ("%i = grid.block_dim {axis = 1} : index", [2] * 15),
        ("%i = grid.grid_dim {axis = 1} : index", [3] * 15),
        ("%i = grid.global_size {axis = 0} : index", [3] * 15),
    ],
)
def test_ids_and_sizes(op: str, result: list[int]) -> None:
    """A 3 by 5 launch in blocks of 2 by 2, last axis fastest."""
    assert gathered(f"{op}\n%r = cast.convert %i : i32", (3, 5), (2, 2)) == result


@pytest.mark.parametrize(
    ("op", "result"),
    [
        ('%r = grid.block_reduce %n {kind = "sum"} : i32', [6] * 4 + [9] * 2),
        ('%r = grid.block_reduce %n {kind = "max"} : i32', [3] * 4 + [5] * 2),
        ("%r = grid.block_scan %n : i32", [0, 0, 1, 3, 0, 4]),
        (
            "%one = arith.const {value = 1} : index\n%r = grid.block_broadcast %n, %one : i32",
            [1] * 4 + [5] * 2,
        ),
        ('%r = subgroup.reduce %n {kind = "sum"} : i32', [1, 1, 5, 5, 9, 9]),
        ("%r = subgroup.scan %n : i32", [0, 0, 0, 2, 0, 4]),
        ("%r = subgroup.lane_id : i32", [0, 1, 0, 1, 0, 1]),
        ("%r = subgroup.size : i32", [2] * 6),
        (
            '%one = arith.const {value = 1} : i32\n%r = subgroup.shuffle %n, %one {mode = "down"} : i32',
            [1, 1, 3, 3, 5, 5],
        ),
        (
            '%one = arith.const {value = 1} : i32\n%r = subgroup.shuffle %n, %one {mode = "xor"} : i32',
            [1, 0, 3, 2, 5, 4],
        ),
    ],
)
def test_what_threads_do_together(op: str, result: list[int]) -> None:
    """Six threads in blocks of four and subgroups of two; missing threads give the identity."""
    assert gathered(op, (6,), (4,), subgroup=2) == result


def test_a_ballot_has_a_bit_per_lane() -> None:
    """Bit l is set where lane l votes; missing threads vote no."""
    op = (
        "%one = arith.const {value = 1} : i32\n%odd = arith.and %n, %one : i32\n"
        "%b = cast.convert %odd : bool\n%r = subgroup.ballot %b : u64"
    )
    assert gathered(op, (5,), (8,), "u64", subgroup=4) == [0b1010] * 4 + [0]


def test_shared_memory_is_seen_after_the_barrier() -> None:
    """Threads of a block reverse what they hold through shared memory."""
    op = (
        "%s = memory.shared : shared<i32, 4>\n%l = grid.local_id {axis = 0} : index\n"
        "memory.store %n, %s, %l\ngrid.barrier\n%three = arith.const {value = 3} : index\n"
        "%p = arith.sub %three, %l : index\n%r = memory.load %s, %p : i32"
    )
    assert gathered(op, (8,), (4,)) == [3, 2, 1, 0, 7, 6, 5, 4]


@pytest.mark.parametrize("scope", ["grid", "block"])
def test_a_span_visits_every_index_once(scope: str) -> None:
    """The threads of the scope share 0..9 out, however few exist."""
    body = (
        "%ten = arith.const {value = 10} : index\n%one = arith.const {value = 1} : i32\n"
        f'%a, %b, %c = grid.span %ten {{scope = "{scope}"}} : index, index, index\n'
        "control.for %a, %b, %c (%k: index) {\n"
        '%old = atomic.rmw %one, %out, %k {kind = "add"} : i32\ncontrol.yield\n}'
    )
    out = np.zeros(10, np.int32)
    run(kernel("%out: array<i32, 1>", body), (6,), (4,), [out])
    assert out.tolist() == [1 if scope == "grid" else 2] * 10


def test_strided_and_reversed_views_are_used_in_place() -> None:
    """Byte strides of a NumPy view are followed, negative ones too."""
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    view = whole[::-2, 1::2]
    body = (
        ids(2) + "%v = memory.load %x, %g0, %g1 : f32\n%w = arith.neg %v : f32\nmemory.store %w, %x, %g0, %g1"
    )
    run(kernel("%x: array<f32, 2>", body, 2), view.shape, None, [view])
    assert whole.tolist() == [[0, -1, 2, -3], [4, 5, 6, 7], [8, -9, 10, -11]]


def test_leaves_of_structs_stand_at_their_offsets() -> None:
    """A leaf of a struct with padding is read and written where C has it."""
    dtype = np.dtype([("flag", np.int8), ("at", np.float32, 3)], align=True)
    x = np.zeros(2, dtype)
    body = ids(1) + "%v = arith.const {value = 0x1.8p+0} : f32\nmemory.store %v, %x, %g0 {leaf = 2}"
    run(kernel('%x: array<struct<"P", "flag": i8, "at": f32x3>, 1>', body), (2,), None, [x])
    assert x["at"].tolist() == [[0.0, 1.5, 0.0]] * 2


def test_half_floats_are_kept_as_their_bits() -> None:
    """f16 arrays are read and written exactly."""
    x = np.array([0.1, 65504.0, 6e-8], np.float16)
    out = np.zeros(3, np.float16)
    body = ids(1) + "%v = memory.load %x, %g0 : f16\n%w = arith.add %v, %v : f16\nmemory.store %w, %out, %g0"
    run(kernel("%x: array<f16, 1>, %out: array<f16, 1>", body), (3,), None, [x, out])
    assert out.tolist() == [float(x[0]) * 2, float("inf"), float(x[2]) * 2]


def test_the_lowest_failing_thread_is_reported() -> None:
    """Threads that fail stop; the others finish, and the fault names the first in thread order."""
    body = ids(1) + (
        "%two = arith.const {value = 2} : index\n%v = cast.convert %g0 : i32\n"
        '%fine = arith.cmp %g0, %two {predicate = "lt"} : bool\n'
        'message.require %fine {check = "assert", text = "small"}\nmemory.store %v, %out, %g0'
    )
    out = np.full(4, -1, np.int32)
    with pytest.raises(KernelFault, match="assertion failed: small, in thread 2") as caught:
        run(kernel("%out: array<i32, 1>", body), (4,), None, [out])
    assert (caught.value.thread, out.tolist()) == ((2,), [0, 1, -1, -1])


def test_an_access_out_of_bounds_names_array_index_and_thread() -> None:
    """The fault says which index left which axis."""
    body = ids(2) + "%v = arith.const {value = 1} : i32\nmemory.store %v, %grid, %g0, %g1"
    with pytest.raises(
        KernelFault, match=r"index 3 is outside axis 1 of 'grid'.* extent is 3, in thread \(0, 3\)"
    ):
        run(kernel("%grid: array<i32, 2>", body, 2), (2, 5), None, [np.zeros((2, 3), np.int32)])


def test_division_by_zero_fails_under_check_alone() -> None:
    """x // 0 is 0, and a fault when checks are on."""
    body = ids(1) + (
        "%zero = arith.const {value = 0} : i32\n%v = memory.load %x, %g0 : i32\n"
        "%w = arith.floordiv %v, %zero : i32\nmemory.store %w, %x, %g0"
    )
    x = np.array([5], np.int32)
    run(kernel("%x: array<i32, 1>", body), (1,), None, [x])
    assert x.tolist() == [0]
    with pytest.raises(KernelFault, match="division by zero"):
        run(kernel("%x: array<i32, 1>", body), (1,), None, [x], check=True)


def test_a_failed_thread_does_not_hold_up_its_block() -> None:
    """The others pass the barrier and sum without it."""
    body = ids(1) + (
        "%two = arith.const {value = 2} : index\n%v = cast.convert %g0 : i32\n"
        '%fine = arith.cmp %g0, %two {predicate = "ne"} : bool\n'
        'message.require %fine {check = "assert"}\ngrid.barrier\n'
        '%s = grid.block_reduce %v {kind = "sum"} : i32\nmemory.store %s, %out, %g0'
    )
    out = np.zeros(4, np.int32)
    with pytest.raises(KernelFault):
        run(kernel("%out: array<i32, 1>", body), (4,), (4,), [out])
    assert out.tolist() == [4, 4, 0, 4]


def test_a_failed_thread_may_be_the_one_to_be_heard() -> None:
    """Where the thread whose value all shall have has failed, that is the error, and not its silence."""
    body = ids(1) + (
        "%zero = arith.const {value = 0} : index\n%v = cast.convert %g0 : i32\n"
        '%fine = arith.cmp %g0, %zero {predicate = "ne"} : bool\n'
        'message.require %fine {check = "assert"}\n'
        "%s = grid.block_broadcast %v, %zero : i32\nmemory.store %s, %out, %g0"
    )
    with pytest.raises(KernelFault) as caught:
        run(kernel("%out: array<i32, 1>", body), (4,), (4,), [np.zeros(4, np.int32)])
    assert caught.value.thread == (0,)


def test_a_barrier_some_threads_never_reach_is_refused() -> None:
    """Threads that wait while others have ended are the program's mistake."""
    body = ids(1) + (
        "%two = arith.const {value = 2} : index\n"
        '%some = arith.cmp %g0, %two {predicate = "lt"} : bool\n'
        "control.if %some {\ngrid.barrier\ncontrol.yield\n} {\ncontrol.yield\n}"
    )
    with pytest.raises(UserError, match="others never come"):
        run(kernel("%x: i32", body), (4,), (4,), [0])


def test_prints_come_in_thread_order() -> None:
    """A later block's thread prints after an earlier thread, as the threads are numbered."""
    body = ids(1) + (
        "%third = arith.const {value = 0x1.99999ap-4} : f32\n"
        'message.print %g0, %third, %third {parts = ("", "", ": ", "", " ", ".2f", "\\n")}'
    )
    out = io.StringIO()
    run(kernel("%x: i32", body), (3,), (2,), [0], stdout=out)
    assert out.getvalue() == "0: 0.1 0.10\n1: 0.1 0.10\n2: 0.1 0.10\n"


@pytest.mark.parametrize(
    ("kind", "old", "value", "new"),
    [("add", 5, 3, 8), ("sub", 5, 7, -2), ("min", 5, 3, 3), ("max", 5, 3, 5), ("and", 6, 3, 2)]
    + [("or", 6, 3, 7), ("xor", 6, 3, 5), ("exchange", 6, 3, 3)],
)
def test_atomics_give_the_old_value(kind: str, old: int, value: int, new: int) -> None:
    """Each kind combines as its name says and gives what stood before."""
    body = (
        f"%zero = arith.const {{value = 0}} : index\n%one = arith.const {{value = 1}} : index\n"
        f'%was = atomic.rmw %v, %x, %zero {{kind = "{kind}"}} : i32\nmemory.store %was, %x, %one'
    )
    x = np.array([old, 0], np.int32)
    run(kernel("%v: i32, %x: array<i32, 1>", body), (1,), None, [value, x])
    assert x.tolist() == [new, old]


@pytest.mark.parametrize(("expected", "after"), [(0.0, 1.0), (-0.0, 0.0)])
def test_compare_exchange_compares_floats_by_bits(expected: float, after: float) -> None:
    """-0.0 does not match 0.0."""
    body = (
        "%zero = arith.const {value = 0} : index\n%one = arith.const {value = 0x1p+0} : f32\n"
        "%was = atomic.cas %e, %one, %x, %zero : f32"
    )
    x = np.zeros(1, np.float32)
    run(kernel("%e: f32, %x: array<f32, 1>", body), (1,), None, [expected, x])
    assert x.tolist() == [after]


def test_endless_loops_can_be_stopped() -> None:
    """max_steps bounds the turns of all loops together."""
    body = "%t = arith.const {value = true} : bool\ncontrol.while {\ncontrol.test %t\n} {\ncontrol.yield\n}"
    with pytest.raises(UserError, match="max_steps"):
        run(kernel("%x: i32", body), (1,), None, [0], max_steps=1000)


def test_functions_that_wait_are_waited_for() -> None:
    """A called function may hold a barrier."""
    text = (
        'control.func {symbol = "total", kind = "func", returns = (i32)} (%v: i32) {\n'
        '%s = grid.block_reduce %v {kind = "sum"} : i32\ncontrol.return %s\n}\n'
        'control.func {symbol = "k", kind = "kernel"} (%out: array<i32, 1>) {\n'
        "%i = grid.global_id {axis = 0} : index\n%v = cast.convert %i : i32\n"
        '%s = control.call %v {callee = "total"} : i32\nmemory.store %s, %out, %i\ncontrol.return\n}\n'
    )
    out = np.zeros(4, np.int32)
    run(parse_module(text), (4,), (4,), [out])
    assert out.tolist() == [6] * 4


@pytest.mark.parametrize(
    ("shape", "arguments", "what"),
    [
        ((2,), [], "takes 1 arguments, not 0"),
        ((2,), [np.zeros((2, 2), np.float32)], "rank 1 is taken where one of rank 2"),
        ((2,), [np.zeros(2, np.float64)], "elements of 4 bytes, not 8"),
        ((-1,), [np.zeros(2, np.float32)], "is no launch"),
    ],
)
def test_wrong_launches_are_refused(shape: tuple[int, ...], arguments: list[Any], what: str) -> None:
    """Arguments and shapes that do not fit are the caller's mistake."""
    with pytest.raises(UserError, match=what):
        run(kernel("%x: array<f32, 1>", ids(1)), shape, None, arguments)


def test_an_empty_launch_does_nothing() -> None:
    """A shape with a zero runs no thread."""
    x = np.ones(1, np.float32)
    body = ids(1) + "%v = arith.const {value = 0x0p+0} : f32\nmemory.store %v, %x, %g0"
    run(kernel("%x: array<f32, 1>", body), (0,), None, [x])
    assert x.tolist() == [1.0]
