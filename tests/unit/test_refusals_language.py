"""Every refusal of the frontend: its code, its sentence and its caret."""

from typing import Any

import numpy as np
import pytest
from tests.frontend_programs import define, refused

import gyral as gy
from gyral.compiler.frontend.codes import CODES
from gyral.compiler.frontend.lower import lower_kernel
from gyral.core.dtypes import ArrayType, f32

NAMES: dict[str, Any] = {
    "table": np.zeros(3), "numbers": [1, 2], "state": {"n": 1}, "nothing": None, "plain": lambda v: v,
}  # fmt: skip

SINGLE = [
    ("import math", "GY104", "`import` is not part of the kernel language", "import math"),
    ("try:\n    x[i] = 1\nfinally:\n    x[i] = 2", "GY104", "`try` is not part", ""),
    ("with s:\n    x[i] = 1", "GY104", "`with` is not part", ""),
    ("raise ValueError", "GY104", "`raise` is not part", "raise ValueError"),
    ("del s", "GY104", "`del` is not part", "del s"),
    ("global y", "GY104", "`global` is not part", "global y"),
    ("def f():\n    return 1", "GY104", "`def` inside a kernel is not part", ""),
    ("async def f():\n    return 1", "GY104", "`async def` is not part", ""),
    ("class C:\n    pass", "GY104", "`class` inside a kernel is not part", ""),
    ("v: gy.f32", "GY104", "an annotation without a value is not part", "v: gy.f32"),
    ("f = lambda v: v", "GY105", "a lambda is not part", "lambda v: v"),
    ("x[i] = (v := 2)", "GY105", "`:=` is not part", "v := 2"),
    ("x[i] = nothing", "GY203", "'nothing' is None from outside the kernel", "nothing"),
    ("if s is None:\n    x[i] = 1", "GY105", "None is not part", "None"),
    ("if m in (1, 2):\n    x[i] = 1", "GY105", "`in` is not part", "m in (1, 2)"),
    (
        "for k in range(3):\n    x[i] = k\nelse:\n    x[i] = 1",
        "GY106", "`for … else` is not part", "x[i] = 1",
    ),
    ("while s > 3:\n    x[i] = 1\nelse:\n    x[i] = 2", "GY106", "`while … else` is not part", "x[i] = 2"),
    ("v = [1, 2]", "GY107", "a list would need memory from a heap", "[1, 2]"),
    ("v = {1: 2}", "GY107", "a dict would need memory from a heap", "{1: 2}"),
    ("v = [k for k in range(3)]", "GY107", "a list comprehension would need", "[k for k in range(3)]"),
    ("v = max(k for k in range(3))", "GY107", "a generator expression would need", "(k for k in range(3))"),
    ("v = list(s)", "GY107", "`list(…)` would need memory", "list(s)"),
    ("a, *b = (1, 2, 3)", "GY107", "a starred target would need", "a, *b"),
    ("v = 'text'", "GY108", "a string can only stand in print and assert", "'text'"),
    ("v = f'{s}'", "GY108", "a string can only stand in print and assert", "f'{s}'"),
    ("v = 'a' + 'b'", "GY108", "a string can only stand", "'a' + 'b'"),
    (
        "match m:\n    case [1, 2]:\n        x[i] = 1",
        "GY112", "`case [1, 2]` of this match cannot be matched", "[1, 2]",
    ),
    (
        "match m:\n    case 1.5:\n        x[i] = 1",
        "GY112", "`case 1.5` of this match cannot be matched", "1.5",
    ),
    ("return s", "GY113", "a kernel returns nothing", "s"),
    ("for v in x:\n    x[i] = v", "GY114", "a loop cannot run over the array 'x'", "x"),
    ("for a, b in range(3):\n    x[i] = a", "GY114", "several targets at once", "a, b"),
    ("v = range(3)", "GY114", "a range kept as a value", "range(3)"),
    ("v = gy.grid_range(3)", "GY114", "gy.grid_range outside of `for`", "gy.grid_range(3)"),
    ("x[i] = unknown", "GY201", "'unknown' is not defined", "unknown"),
    ("x[i] = S", "GY201", "'S' is not defined (did you mean 's'?)", "S"),
    ("if s > 0:\n    v = 1\nx[i] = v", "GY202", "'v' may not have a value here", "v"),
    ("for k in range(m):\n    v = k\nx[i] = v", "GY202", "'v' may not have a value here", "v"),
    ("v += 1", "GY202", "'v' may not have a value here", "v"),
    ("x[i] = table[0]", "GY203", "'table' is an array from outside the kernel", "table"),
    ("x[i] = numbers[0]", "GY203", "'numbers' is a list from outside the kernel", "numbers"),
    ("x[i] = state['n']", "GY203", "'state' is a dict from outside the kernel", "state"),
    ("x[i] = gy.no_such", "GY205", "the module gyral has no attribute 'no_such'", "gy.no_such"),
    ("x[i] = x.strides", "GY205", "the array 'x' has no attribute 'strides'", "x.strides"),
    ("x[i] = s.real", "GY205", "f32 has no attribute 'real'", "s.real"),
    ("x[i] = gy.f32x2(1, 2).q", "GY205", "f32x2 has no attribute 'q'", "gy.f32x2(1, 2).q"),
    ("x[i] = gy.u64(1) + m", "GY301", "u64 and i32 have no common type", "gy.u64(1) + m"),
    ("n[i] = m + 3000000000", "GY302", "3000000000 does not fit i32", "m + 3000000000"),
    ("n[i] = gy.u8(m) + -1", "GY302", "-1 does not fit u8", "gy.u8(m) + -1"),
    ("x[i] = gy.f16(s) * 1e9", "GY302", "1000000000.0 does not fit f16", "gy.f16(s) * 1e9"),
    ("x[i] = 2 ** 99999", "GY302", "2 ** 99999 does not fit any type", "2 ** 99999"),
    ("n[i] = s", "GY303", "f32 is not converted to i32 by itself", "s"),
    ("n[i] = 1.5", "GY303", "1.5 is not converted to i32 by itself", "1.5"),
    ("n[i] += s", "GY303", "f32 is not converted to i32 by itself", "s"),
    ("x[i] = s & 1", "GY304", "`&` does not take floats", "s & 1"),
    ("x[i] = s << 1", "GY304", "`<<` does not take floats", "s << 1"),
    ("x[i] = ~s", "GY304", "`~` does not take floats", "~s"),
    ("x[i] = m ** -1", "GY304", "`**` does not take an integer with a negative exponent", "m ** -1"),
    ("x[i] = gy.popcount(i)", "GY304", "`popcount` does not take index", "gy.popcount(i)"),
    ("x[i] = gy.dot(s, s)", "GY304", "`dot` does not take f32, f32", "gy.dot(s, s)"),
    ("for k in range(s):\n    x[i] = k", "GY304", "`range` does not take f32", "s"),
    ("x[i] = s @ s", "GY304", "`@` does not take numbers", "s @ s"),
    ("x[i] = gy.f32 + 1", "GY305", "the type f32 is used where a number is needed", "gy.f32 + 1"),
    (
        "t = gy.local(m, gy.f32)",
        "GY306", "the shape of gy.local must be known when compiling", "gy.local(m, gy.f32)",
    ),
    ("x[i] = gy.global_id(m)", "GY306", "the axis of global_id must be known", "gy.global_id(m)"),
    ("x[i] = 1 / 0", "GY307", "this divides by zero", "1 / 0"),
    ("x[i] = s + (1, 2)", "GY305", "a tuple of 2 is used where a number is needed", "s + (1, 2)"),
    ("v = gy.f32x2(1, 2) + gy.f32x3(1, 2, 3)", "GY309", "f32x2 and f32x3 cannot be the same value", ""),
    ("v = gy.f32x2(1, 2) if s > 0 else s", "GY309", "f32x2 and f32 cannot be the same value", ""),
    ("a, b = (1, 2, 3)", "GY309", "a tuple of 3 and 2 names cannot be", "(1, 2, 3)"),
    ("v: complex = 1", "GY310", "complex is no type of the kernel language", "complex"),
    ("x[i] = gy.bitcast(s, gy.u64)", "GY311", "f32 and u64 differ in width", "gy.bitcast(s, gy.u64)"),
    ("x[i] = gy.f32x2(1, 2).z", "GY312", "f32x2 has no component z", "gy.f32x2(1, 2).z"),
    ("x[i] = (1, 2)[5]", "GY312", "a tuple of 2 has no component 5", "5"),
    ("x[i, 0] = 1", "GY401", "'x' has rank 1 and is given 2", "x[i, 0]"),
    ("x[s] = 1", "GY402", "an index is an integer, not f32", "s"),
    ("x[True] = 1", "GY402", "an index is an integer, not True", "True"),
    ("x[-1] = 1", "GY403", "-1 is a negative index", "-1"),
    ("x[i] = x[1:3]", "GY404", "slices are not part", "1:3"),
    ("t = (1, 2)\nx[i] = t[m]", "GY405", "a tuple is indexed by a constant only", "m"),
    ("x[i] = s[0]", "GY407", "f32 cannot be indexed", "s[0]"),
    ("t = gy.local(4, gy.f32)\nx[i] = t[4]", "GY408", "index 4 is outside 'local', whose extent is 4", "4"),
    ("t = (1, 2)\nt[0] = 3", "GY409", "an item of a tuple of 2 cannot be assigned to", "t[0]"),
    ("x.size = 3", "GY409", "an attribute of an array cannot be assigned to", "x.size"),
    ("t = gy.local(0, gy.f32)", "GY410", "(0,) is no shape of on-chip memory", "gy.local(0, gy.f32)"),
    ("t = gy.local(4, 4)", "GY410", "4 is no element type", "gy.local(4, 4)"),
    ("t = gy.local(4, gy.i32)\ngy.atomic_add(t, 0, 1)", "GY411", "local memory belongs to one thread", ""),
    ("gy.atomic_add(s, 0, 1)", "GY411", "an atomic works on memory, not on f32", "gy.atomic_add(s, 0, 1)"),
    ("x[i] = x + 1", "GY412", "the array 'x' is used as a value", "x + 1"),
    ("x[i] = np.sqrt(s)", "GY502", "NumPy's sqrt cannot be called in a kernel", "np.sqrt(s)"),
    ("x[i] = np.float32(s)", "GY502", "NumPy's float32 cannot be called", "np.float32(s)"),
    ("x[i] = gy.atan2(s)", "GY503", "gy.atan2 needs 'x'", "gy.atan2(s)"),
    ("x[i] = gy.sin(s, s)", "GY503", "gy.sin takes 1 argument, not 2", "gy.sin(s, s)"),
    ("gy.atomic_add(n, i, 1, colour=2)", "GY503", "gy.atomic_add has no parameter 'colour'", ""),
    ("for k in range(1, 5, 0):\n    x[i] = k", "GY503", "range has a step of 0", "range(1, 5, 0)"),
    ("x[i] = gy.global_id(3)", "GY507", "a launch has axes 0 to 2, not 3", "gy.global_id(3)"),
    ("a = gy.global_ids(4)", "GY507", "a launch has 1 to 3 axes, not 4", "gy.global_ids(4)"),
    ("gy.atomic_add(n, i, 1, order='strong')", "GY508", "gy.atomic_add takes order= one of", ""),
    ("print(f'{s:{m}}')", "GY509", "a format computed at run time cannot be used", ""),
    ("print(f'{s:q}')", "GY509", "the format 'q' for this value cannot be used", ""),
    ("v = gy.barrier()", "GY510", "gy.barrier() gives no value", "gy.barrier()"),
    ("x[i] = sorted(s)", "GY513", "the function sorted cannot be called", "sorted(s)"),
    ("x[i] = s(1)", "GY513", "f32 cannot be called in a kernel", "s(1)"),
    ("x[i] = plain(s)", "GY513", "the Python function <lambda> cannot be called", "plain(s)"),
]  # fmt: skip


@pytest.mark.parametrize("body, code, says, caret", SINGLE, ids=lambda v: v if isinstance(v, str) else "")
def test_a_refusal(body: str, code: str, says: str, caret: str) -> None:
    """One construct is refused once, with its code, its sentence, and a caret under the expression."""
    (found,) = refused(body, NAMES)
    end = found.span.end_column if found.span.end_line == found.span.line else len(found.source_line)
    assert (found.code, found.message[: len(says)] if says not in found.message else says) == (code, says)
    assert caret in ("", found.source_line[found.span.column : end])
    assert found.advice != ""


FUNCTIONS = [
    ("@gy.func\ndef f(v):\n    return f(v)", "x[i] = f(s)", "GY504", "f calls itself"),
    (
        "@gy.func\ndef f(v):\n    return g(v)\n@gy.func\ndef g(v):\n    return f(v)", "x[i] = f(s)",
        "GY504", "f calls itself through g",
    ),
    ("@gy.kernel\ndef other(x: gy.Array[gy.f32]):\n    x[0] = 1", "other(x)", "GY505", "other is a kernel"),
    (
        "@gy.func\ndef f(v):\n    if v > 0:\n        return 1", "x[i] = f(s)",
        "GY514", "f returns a value on some paths",
    ),
    ("@gy.func\ndef f(v):\n    v + 1", "x[i] = f(s)", "GY305", "f() is used where a number is needed"),
    ("@gy.func\ndef f(a):\n    return a", "x[i] = f(x)", "GY511", "the array 'a' cannot be returned"),
    (
        "@gy.func\ndef f(a: gy.Array[gy.i32]):\n    a[0] = 1", "f(x)",
        "GY512", "'a' takes Array[i32], not an array of f32",
    ),
    ("@gy.func\ndef f(a: gy.In[gy.Array]):\n    a[0] = 1", "f(x)", "GY406", "'a' is declared read-only"),
    ("@gy.func\ndef f(v: gy.i32):\n    return v", "x[i] = f(s)", "GY303", "f32 is not converted to i32"),
    (
        "@gy.func\ndef f(v: gy.Static[int]):\n    return v", "x[i] = f(m)",
        "GY306", "the argument 'v' must be known",
    ),
    ("@gy.func\ndef f(*v):\n    return 1", "x[i] = f(m)", "GY111", "a parameter with `*` is not part"),
    ("@gy.struct\nclass P:\n    a: gy.f32", "v = P()", "GY308", "P is given no 'a'"),
    ("@gy.struct\nclass P:\n    a: gy.f32", "v = P(b=1)", "GY308", "P has no field 'b'"),
    ("@gy.struct\nclass P:\n    a: gy.f32", "v = P(1)\nx[i] = v.b", "GY205", "P has no attribute 'b'"),
]  # fmt: skip


@pytest.mark.parametrize("before, body, code, says", FUNCTIONS)
def test_a_refusal_in_what_is_called(before: str, body: str, code: str, says: str) -> None:
    """What is wrong with a function or a struct is told with its code and sentence."""
    found = refused(body, NAMES, before)[0]
    assert (found.code, says in found.message) == (code, True)


@pytest.mark.parametrize("word", ["local_id()", "block_id()", "shared(4, gy.f32)"])
def test_words_that_need_a_block(word: str) -> None:
    """Without a block, a word that needs one is refused and named; with one it compiles."""
    body = f"v = gy.{word}"
    (found,) = refused(body)
    name = word.partition("(")[0]
    assert (found.code, found.message) == ("GY506", f"kernel names `{name}`, and no block is given")
    assert refused(body, block=(8,)) == []


def test_axes_beyond_the_rank() -> None:
    """An axis that a fixed rank does not have is refused."""
    found = refused("x[i] = gy.global_size(1)", rank=1)
    assert [(d.code, d.message) for d in found] == [
        ("GY507", "global_size names axis 1, which the launch does not have")
    ]


def test_two_ranks_are_refused() -> None:
    """Two `global_ids` of different rank contradict each other."""
    assert [d.code for d in refused("a, b = gy.global_ids(2)\nc = gy.global_ids(1)")] == ["GY507", "GY507"]


def test_deep_nesting_is_refused() -> None:
    """A kernel nested without end is refused, not a crash of the compiler."""
    body = "".join("    " * k + f"while s > {k}:\n" for k in range(19)) + "    " * 19 + "x[i] = 1"
    assert refused(body) == []
    chain = "\n".join(f"if m == {k}:\n    return" for k in range(120))
    assert [d.code for d in refused(chain)] == ["GY109"]


def test_too_many_statements_are_refused() -> None:
    """The length of a function has a limit."""
    assert [d.code for d in refused("x[i] = 1\n" * 20_001)] == ["GY110"]


def test_a_generator_is_refused() -> None:
    """A kernel that yields is no kernel."""
    assert [d.code for d in refused("yield s")] == ["GY105"]


def test_a_read_only_parameter_is_not_written() -> None:
    """`gy.In` is kept, for stores and for atomics."""
    fn = define(
        "def kernel(x: gy.In[gy.Array[gy.f32]]):\n    x[0] = 1\n    gy.atomic_add(x, 0, 1)\n", "kernel"
    )
    with pytest.raises(gy.CompileError) as caught:
        lower_kernel(fn, [ArrayType(f32)])
    assert [d.code for d in caught.value.diagnostics] == ["GY406", "GY406"]


def test_every_code_is_well_formed() -> None:
    """Codes are unique and ordered by hundreds; each has a title, a sentence and an advice."""
    assert [
        c.code for c in CODES.values() if not (c.title and c.message and c.advice and c.code[2:].isdigit())
    ] == []
