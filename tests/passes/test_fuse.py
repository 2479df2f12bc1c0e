"""Joining kernels: text before, text after, and places that are a thread's own."""

from __future__ import annotations

from typing import Any

import pytest

from gyral.compiler import pipeline
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.ops.memory import LoadOp
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes.fuse import Fuse, NotFusedError, Part, types_of
from gyral.compiler.passes.place import Places, is_own
from gyral.testing.source import define

HEAD = "@gy.kernel\ndef k(t: gy.Array[gy.f32, {rank}], n: gy.i32):\n"


def kernel(body: str, parameters: str, rank: int = 1) -> Module:
    """The IR of a kernel of arrays and a number."""
    named = "".join(f"%{p}: {'i32' if p == 'n' else f'array<f32, {rank}>'}, " for p in parameters)[:-2]
    head = f'control.func {{symbol = "k", kind = "kernel", rank = {rank}}} ({named}) {{\n'
    return parse_module(head + body + "  control.return\n}\n", pipeline.check_intrinsic)


def joined(*bodies: tuple[str, str], temporaries: str = "", apart: bool = True) -> str:
    """The joined kernel of bodies with the names of their parameters, without its first and last lines."""
    names = sorted({name for _, parameters in bodies for name in parameters})
    parts = [
        Part(f"k{at}", kernel(body, parameters), tuple(map(names.index, parameters)))
        for at, (body, parameters) in enumerate(bodies)
    ]
    dropped = frozenset(map(names.index, temporaries))
    fused = Fuse(types_of(parts, dict(enumerate(names))), dropped, apart)
    module = fused.run("both", parts)
    pipeline.check(module, fused.name)
    return "\n".join(line.strip() for line in print_module(module).splitlines()[1:-2])


COPY = """  %i = grid.global_id {axis = 0} : index
  %v = memory.load %x, %i {leaf = 0} : f32
  memory.store %v, %t, %i {leaf = 0}
"""
DOUBLE = """  %i = grid.global_id {axis = 0} : index
  %v = memory.load %t, %i {leaf = 0} : f32
  %w = arith.add %v, %v : f32
  memory.store %w, %y, %i {leaf = 0}
"""


def test_bodies_follow_one_another() -> None:
    """Parameters of one name become one."""
    assert joined((COPY, "xt"), (DOUBLE, "ty")) == (
        "%i = grid.global_id {axis = 0} : index\n"
        "%v = memory.load %x, %i {leaf = 0} : f32\n"
        "memory.store %v, %t, %i {leaf = 0}\n"
        "%i#1 = grid.global_id {axis = 0} : index\n"
        "%v#1 = memory.load %t, %i#1 {leaf = 0} : f32\n"
        "%w = arith.add %v#1, %v#1 : f32\n"
        "memory.store %w, %y, %i#1 {leaf = 0}"
    )


def test_a_temporary_becomes_memory_of_the_thread() -> None:
    """Which the passes behind turn into a value."""
    text = joined((COPY, "xt"), (DOUBLE, "ty"), temporaries="t")
    assert "%t = memory.local : local<f32, 1>" in text
    assert "memory.store %v, %t, %0 {leaf = 0}" in text
    assert "memory.load %t, %0 {leaf = 0}" in text


SHARE = """  %n1 = cast.convert %n : index
  %a, %b, %c = grid.span %n1 {scope = "grid"} : index, index, index
"""
LOOP = (
    SHARE
    + """  control.for %a, %b, %c (%k: index) {
    %v = memory.load %x, %k {leaf = 0} : f32
    memory.store %v, %t, %k {leaf = 0}
    control.yield
  }
"""
)


def loops(text: str) -> int:
    return text.count("control.for")


@pytest.mark.parametrize(
    "between, count",
    [
        ("", 1),
        ("  %z = arith.const {value = 0} : index\n  %q = memory.load %x, %z {leaf = 0} : f32\n", 1),
        ("  grid.barrier\n", 2),
    ],
)
def test_loops_over_one_range_are_merged(between: str, count: int) -> None:
    """Unless the second kernel does something before its loop that must come in between."""
    second = between + LOOP.replace("memory.store %v, %t", "memory.store %v, %y").replace("%x", "%t")
    assert (
        loops(joined((LOOP, "xtn"), (second.replace("%q = memory.load %t", "%q = memory.load %x"), "txyn")))
        == count
    )


def test_what_the_first_loop_hands_on_comes_before_the_second() -> None:
    """A loop over the same range that begins with another one's result is left behind it."""
    start = "  %s = arith.const {value = 0x0.0p+0} : f32\n"
    body = """ (%k: index, %s1: f32) {
    %v = memory.load %x, %k {leaf = 0} : f32
    %s2 = arith.add %s1, %v : f32
    control.yield %s2
  }
"""
    one = start + SHARE + "  %r = control.for %a, %b, %c, %s : f32" + body
    two = one + (SHARE + "  %q = control.for %d, %e, %f, %r : f32" + body).replace(
        "%a, %b, %c = ", "%d, %e, %f = "
    ).replace("%n1", "%n2").replace("%k", "%l").replace("%v", "%w").replace("%s1", "%t1").replace(
        "%s2", "%t2"
    )
    assert loops(joined((two, "xn"), (one.replace("%x", "%y"), "yn"))) == 2


def test_loops_with_another_count_are_not_merged() -> None:
    """Each number comes to one thread only for one and the same range."""
    other = LOOP.replace("%x", "%u").replace("%t", "%y").replace("cast.convert %n", "cast.convert %m")
    module = kernel(other.replace("%m", "%n"), "uyn")
    first = kernel(LOOP, "xtn")
    parts = [Part("a", first, (0, 1, 4)), Part("b", module, (2, 3, 5))]
    text = print_module(Fuse(types_of(parts, dict(enumerate("xtuynm")))).run("both", parts))
    assert loops(text) == 2


def test_arrays_that_may_be_one_are_kept_apart() -> None:
    """Without the promise that arrays are apart, a write to one may be seen through another."""
    shifted = DOUBLE.replace("memory.load %t, %i", "memory.load %t, %j").replace(
        "  %v = ", "  %o = arith.const {value = 1} : index\n  %j = arith.add %i, %o : index\n  %v = "
    )
    assert "memory.store" in joined((COPY, "xz".replace("z", "t")), (shifted.replace("%t", "%u"), "uy"))
    with pytest.raises(
        NotFusedError, match="k1 reads 'u' here, and k0 writes 't' and 'u' may be the same array"
    ):
        joined((COPY, "xt"), (shifted.replace("%t", "%u"), "uy"), apart=False)


def own(body: str, rank: int) -> list[bool]:
    """Of each load in a kernel's body: whether its place is a thread's own."""
    text = HEAD.format(rank=1 if "flat" in body else rank) + "".join(
        f"    {line}\n" for line in body.splitlines()
    )
    function: Any = parse_module(define(text, "k").ir(rank=rank, block=32 if rank == 1 else None)).kernel
    arguments = {arg: f"argument{k}" for k, arg in enumerate(function.regions[0].args)}
    places = Places(arguments, True)
    loads = [op for op in function.walk() if isinstance(op, LoadOp)]
    found = [places.place(op.operands[1:]) for op in loads]
    return [place is not None and is_own(place, rank) for place in found]


@pytest.mark.parametrize(
    ("body", "rank", "expected"),
    [
        ("i = gy.global_id()\nt[i] = t[i] + t[i + 3] + t[i - n] + t[n + i - 1]", 1, [True] * 4),
        ("i = gy.global_id()\nt[i] = t[2 * i] + t[i // 2] + t[n] + t[n - i] + t[i * n]", 1, [False] * 5),
        ("i = gy.block_id() * gy.block_dim() + n\nt[i] = t[i] + t[gy.i32(gy.global_id())]", 1, [False, True]),
        ("i, j = gy.global_ids(2)\nt[i, j] = t[i, j] + t[j, i] + t[i, i] + t[i + 1, j - n]", 2,
         [True, True, False, True]),
        ("for k in gy.grid_range(n):\n    t[k] = t[k] + t[k + 1] + t[2 * k]", 1, [True, True, False]),
        ("for k in range(n):\n    t[k] = t[k]", 1, [False]),
        ("while t[n] > 0:\n    n += 1", 1, [False]),
    ],
)  # fmt: skip
def test_which_places_are_a_threads_own(body: str, rank: int, expected: list[bool]) -> None:
    """A place is own when no other thread reaches it by the same formula."""
    assert own(body, rank) == expected


def test_rows_laid_end_to_end_are_own() -> None:
    """i * width + j is one element per thread when width is the launch's, and unknown otherwise."""
    flat = "i, j = gy.global_ids(2)  # flat\nw = gy.global_size(1)\n"
    assert own(flat + "t[0] = t[i * w + j] + t[i * n + j] + t[j * w + i]", 2) == [True, False, False]
