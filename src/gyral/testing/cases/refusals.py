"""Group R: what the language refuses, with the code and the words of each refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyral.testing.source import define


@dataclass(frozen=True, slots=True)
class Refusal:
    """A kernel that must not compile: its text, the code, and words that the message holds.

    The kernel is called `k`. `caret` is the source the diagnostic must point at ("" when any will do).
    """

    name: str
    text: str
    code: str
    says: str
    caret: str = ""

    @property
    def id(self) -> str:
        """A short unique name."""
        return f"R-{self.code}-{self.name}".replace(" ", "_")

    def kernel(self) -> Any:
        """The kernel, defined afresh; defining it may already refuse."""
        return define(self.text, "k", {"np": np, "numbers": [1, 2], "table": np.zeros(3), "state": {"n": 1}})


def body(name: str, lines: str, code: str, says: str, caret: str = "", before: str = "") -> Refusal:
    """A refusal in the body of a kernel over `x: Array[f32]`, `n: Array[i32]`, `s: f32` and `m: i32`."""
    parameters = "x: gy.Array[gy.f32], n: gy.Array[gy.i32], s: gy.f32, m: gy.i32"
    header = f"@gy.kernel\ndef k({parameters}):\n    i = gy.global_id()\n"
    indented = "".join(f"    {line}\n" for line in lines.splitlines())
    return Refusal(name, f"{before}{header}{indented}", code, says, caret)


CONSTRUCTS: tuple[Refusal, ...] = (
    body("try", "try:\n    x[i] = 1\nexcept ValueError:\n    pass", "GY104", "try"),
    body("with", "with gy.device('cpu'):\n    x[i] = 1", "GY104", "with"),
    body("raise", "raise ValueError", "GY104", "raise"),
    body("import", "import math", "GY104", "import"),
    body("del", "y = 1\ndel y", "GY104", "del"),
    body("global", "global y\ny = 1", "GY104", "global"),
    body("nested function", "def inner():\n    return 1\nx[i] = inner()", "GY104", "def"),
    body("class", "class C:\n    pass", "GY104", "class"),
    body("yield", "yield x[i]", "GY105", "yield"),
    body("lambda", "f = lambda v: v\nx[i] = f(1)", "GY105", "lambda"),
    body("walrus", "x[i] = (y := 2)", "GY105", ":="),
    body("is", "if x[i] is None:\n    x[i] = 1", "GY105", "is"),
    body("in", "if i in (1, 2):\n    x[i] = 1", "GY105", "in"),
    body("for else", "for j in range(3):\n    x[i] = j\nelse:\n    x[i] = 0", "GY106", "else"),
    body("while else", "while x[i] > 0:\n    x[i] -= 1\nelse:\n    x[i] = 0", "GY106", "else"),
    body("list", "y = [1, 2]", "GY107", "list", "[1, 2]"),
    body("dict", "y = {1: 2}", "GY107", "dict", "{1: 2}"),
    body("set", "y = {1, 2}", "GY107", "set", "{1, 2}"),
    body("comprehension", "y = [j for j in range(3)]", "GY107", "comprehension"),
    body("string", "y = 'text'", "GY108", "string"),
    body("f-string outside print", "y = f'{i}'", "GY108", "string"),
    body("match on a float", "match x[i]:\n    case 1.5:\n        x[i] = 0", "GY112", "match"),
    body("return value", "return x[i]", "GY113", "returns nothing"),
    body("iterating an array", "for v in x:\n    x[i] = v", "GY114", "array", "x"),
)

NAMES: tuple[Refusal, ...] = (
    body("unknown name", "x[i] = unknown_thing", "GY201", "'unknown_thing'", "unknown_thing"),
    body("possibly unset", "if x[i] > 0:\n    y = 1.0\nx[i] = y", "GY202", "'y'", "y"),
    body("unset in a loop", "for j in range(m):\n    y = j\nx[i] = y", "GY202", "'y'"),
    body("captured list", "x[i] = numbers[0]", "GY203", "'numbers'", "numbers"),
    body("captured array", "x[i] = table[0]", "GY203", "'table'", "table"),
    body("captured dict", "x[i] = state['n']", "GY203", "'state'", "state"),
    body("unknown word", "x[i] = gy.no_such_word(1)", "GY205", "no_such_word"),
    body("unknown array attribute", "x[i] = x.strides[0]", "GY205", "strides"),
    body("unknown math function", "x[i] = math.no_such(s)", "GY205", "no_such"),
    body("rebinding by branch", "y = gy.i32(1)\nif m > 0:\n    y = gy.f32x2(1, 2)\nx[i] = y", "GY309", ""),
)

TYPES: tuple[Refusal, ...] = (
    body("u64 with signed", "y = gy.u64(1) + gy.i64(2)", "GY301", "no common type", "gy.u64(1) + gy.i64(2)"),
    body("literal too large", "n[i] = n[i] + 3000000000", "GY302", "does not fit"),
    body("literal too large for i8", "y = gy.i8(m)\ny = y + 300\nn[i] = y", "GY302", "does not fit"),
    body("float stored to integer", "n[i] = x[i]", "GY303", "not converted"),
    body("float parameter to integer", "n[i] += s", "GY303", "not converted"),
    body("bits of a float", "x[i] = s & 1", "GY304", "&"),
    body("shift of a float", "x[i] = s << 1", "GY304", "<<"),
    body("array as value", "x[i] = x + 1", "GY412", "array"),
    body("run-time shared size", "t = gy.shared(m, gy.f32)", "GY306", "known when compiling"),
    body("run-time axis", "x[i] = gy.global_id(m)", "GY306", "known when compiling"),
    body("component", "v = gy.f32x2(1, 2)\nx[i] = v.z", "GY312", "z"),
    body("bitcast width", "x[i] = gy.bitcast(m, gy.f64)", "GY311", "width"),
)

MEMORY: tuple[Refusal, ...] = (
    body("too many indices", "x[i, 0] = 1", "GY401", "rank 1"),
    body("float index", "x[s] = 1", "GY402", "integer"),
    body("negative constant index", "x[i] = x[-1]", "GY403", "-1", "-1"),
    body("slice", "x[i] = x[0:2]", "GY404", "slices"),
    body("run-time tuple index", "t = (1, 2, 3)\nx[i] = t[m]", "GY405", "tuple"),
    body("constant index out of bounds", "t = gy.local(4, gy.f32)\nx[i] = t[4]", "GY408", "outside"),
    body("scalar indexed", "x[i] = s[0]", "GY407", "indexed"),
    body("assigning a call", "gy.global_id()[0] = 1", "GY407", ""),
    body("atomic on local", "t = gy.local(4, gy.i32)\ngy.atomic_add(t, 0, 1)", "GY411", ""),
)

CALLS: tuple[Refusal, ...] = (
    body("unsupported builtin", "x[i] = sorted(x)", "GY513", "sorted"),
    body("unsupported method", "x[i] = x.sum()", "GY205", "sum"),
    body("numpy function", "x[i] = np.sqrt(s)", "GY502", "NumPy", "np.sqrt(s)"),
    body("too few arguments", "x[i] = math.atan2(s)", "GY503", "atan2"),
    body("unknown keyword", "x[i] = gy.atomic_add(n, i, 1, colour=2)", "GY503", "colour"),
    body("unknown order", "gy.atomic_add(n, i, 1, order='strong')", "GY508", "strong"),
    body("needs a block", "n[i] = gy.local_id()", "GY506", "local_id"),
    body("rank of ids", "a, b = gy.global_ids(4)", "GY507", ""),
    body("print format", "print(f'{s:{m}}')", "GY509", "format"),
    Refusal(
        "recursion",
        "@gy.func\ndef f(n: gy.i32) -> gy.i32:\n    return 1 if n < 2 else n * f(n - 1)\n\n\n"
        "@gy.kernel\ndef k(x: gy.Array[gy.i32]):\n    x[gy.global_id()] = f(5)\n",
        "GY504",
        "calls itself",
    ),
    Refusal(
        "mutual recursion",
        "@gy.func\ndef f(n: gy.i32) -> gy.i32:\n    return g(n - 1)\n\n\n"
        "@gy.func\ndef g(n: gy.i32) -> gy.i32:\n    return n if n < 0 else f(n)\n\n\n"
        "@gy.kernel\ndef k(x: gy.Array[gy.i32]):\n    x[gy.global_id()] = f(5)\n",
        "GY504",
        "calls itself",
    ),
    Refusal(
        "kernel called",
        "@gy.kernel\ndef other(x: gy.Array[gy.i32]):\n    x[gy.global_id()] = 1\n\n\n"
        "@gy.kernel\ndef k(x: gy.Array[gy.i32]):\n    other(x)\n",
        "GY505",
        "kernel",
    ),
    Refusal(
        "read-only",
        "@gy.kernel\ndef k(x: gy.In[gy.Array[gy.f32]]):\n    x[gy.global_id()] = 1\n",
        "GY406",
        "read-only",
    ),
    Refusal("annotation", "@gy.kernel\ndef k(x: complex):\n    pass\n", "GY310", "complex"),
    Refusal("async", "@gy.kernel\nasync def k(x: gy.Array[gy.f32]):\n    pass\n", "GY103", "async"),
)

BARRIERS: tuple[Refusal, ...] = tuple(
    Refusal(
        f"barrier {name}",
        "@gy.kernel(block=32)\ndef k(x: gy.Array[gy.f32], m: gy.i32):\n    i = gy.global_id()\n"
        + "".join(f"    {line}\n" for line in lines.splitlines()),
        "GY501",
        "can differ",
    )
    for name, lines in (
        ("under a varying branch", "if x[i] > 0:\n    gy.barrier()"),
        ("under a thread's id", "if i < 5:\n    gy.barrier()"),
        ("in a varying loop", "for j in range(i):\n    gy.barrier()"),
        ("after a varying return", "if x[i] > 0:\n    return\ngy.barrier()"),
        ("after a varying break", "for j in range(4):\n    if x[i] > j:\n        break\n    gy.barrier()"),
        ("in a varying ternary", "x[i] = gy.block_sum(x[i]) if i > 3 else 0"),
        ("under shared memory", "t = gy.shared(1, gy.i32)\nif t[0] > 0:\n    gy.barrier()"),
        ("on a written array", "if x[0] > 1:\n    gy.barrier()\nx[i] = 2"),
        ("in a short circuit", "if i > 3 and gy.block_any(x[i] > 0):\n    x[i] = 1"),
        ("of a subgroup", "if i > 3:\n    x[i] = gy.subgroup_sum(x[i])"),
    )
)


def refusals() -> Iterator[Refusal]:
    """Every refusal of the compiler."""
    for group in (CONSTRUCTS, NAMES, TYPES, MEMORY, CALLS, BARRIERS):
        yield from group
