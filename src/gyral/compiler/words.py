"""The words of the kernel language that are called: one object per word.

Kernels name them (`gy.global_id()`); the frontend knows them by identity. Called by Python itself, a word
says that it belongs into a kernel.
"""

from __future__ import annotations

from typing import Any

from gyral.compiler.intrinsics import INTRINSICS
from gyral.core.errors import UserError

REQUIRED: Any = object()


class Word:
    """One word: its name, its parameters with defaults (REQUIRED where there is none), its meaning."""

    __slots__ = ("__name__", "doc", "name", "parameters")

    def __init__(self, name: str, parameters: tuple[tuple[str, Any], ...], doc: str) -> None:
        self.name = self.__name__ = name
        self.parameters = parameters
        self.doc = doc

    @property
    def usage(self) -> str:
        """How it is written, such as `gy.global_id(axis=0)`."""
        parts = [name if default is REQUIRED else f"{name}={default!r}" for name, default in self.parameters]
        return f"gy.{self.name}({', '.join(parts)})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise UserError(
            f"gy.{self.name} was called outside a kernel, where there are no threads; "
            f"call it inside a function decorated with @gy.kernel or @gy.func"
        )

    def __repr__(self) -> str:
        return f"<word {self.usage}>"


WORDS: dict[str, Word] = {}
RESIDENT_WORDS: dict[str, Word] = {}
"""Words of the loops that stay resident, which the library writes with and users cannot name."""


def _word(name: str, parameters: str, doc: str, **defaults: Any) -> Word:
    rows = tuple((p, defaults.get(p, REQUIRED)) for p in parameters.split())
    word = WORDS[name] = Word(name, rows, doc)
    return word


def _maths(name: str) -> Word:
    row = INTRINSICS[name]
    required = len(row.names) - len(row.defaults)
    defaults = (REQUIRED,) * required + row.defaults
    word = WORDS[name] = Word(name, tuple(zip(row.names, defaults, strict=True)), f"The function {name}.")
    return word


global_id = _word("global_id", "axis", "This thread's index in the launch.", axis=0)
global_ids = _word("global_ids", "n", "This thread's indices along n axes, as a tuple.")
global_size = _word("global_size", "axis", "Extent of the launch shape.", axis=0)
local_id = _word("local_id", "axis", "This thread's index in its block.", axis=0)
block_id = _word("block_id", "axis", "The block's index in the grid.", axis=0)
block_dim = _word("block_dim", "axis", "Extent of a whole block.", axis=0)
grid_dim = _word("grid_dim", "axis", "Number of blocks along an axis.", axis=0)
grid_range = _word("grid_range", "n", "Every k in 0..n-1 once, over the launch, in the device's order.")
block_range = _word("block_range", "n", "Every k in 0..n-1 once, over the thread's block.")

shared = _word("shared", "shape dtype", "On-chip memory, one per block, undefined at first.")
local = _word("local", "shape dtype", "On-chip memory, one per thread, undefined at first.")
bitcast = _word("bitcast", "x dtype", "The same bits read as another type of the same width.")
clock = _word("clock", "", "A counter of the device that only grows.")
now = _word("now", "", "In a handler: the hybrid logical clock, as u64 (milliseconds << 16 | events).")

barrier = _word("barrier", "", "Every thread of the block arrives before any goes on.")
fence = _word("fence", "scope", "Accesses before are seen before those after, by the scope.", scope="device")

_ORDER = {"order": "relaxed", "scope": "device"}
_RMW = "a index v order scope"
atomic_add = _word("atomic_add", _RMW, "Add to an element at once; the old value.", **_ORDER)
atomic_sub = _word("atomic_sub", _RMW, "Subtract from an element at once; the old value.", **_ORDER)
atomic_min = _word("atomic_min", _RMW, "Keep the smaller at once; the old value.", **_ORDER)
atomic_max = _word("atomic_max", _RMW, "Keep the larger at once; the old value.", **_ORDER)
atomic_and = _word("atomic_and", _RMW, "Bitwise and at once; the old value.", **_ORDER)
atomic_or = _word("atomic_or", _RMW, "Bitwise or at once; the old value.", **_ORDER)
atomic_xor = _word("atomic_xor", _RMW, "Bitwise exclusive or at once; the old value.", **_ORDER)
atomic_exchange = _word("atomic_exchange", _RMW, "Replace an element at once; the old value.", **_ORDER)
atomic_compare_exchange = _word(
    "atomic_compare_exchange", "a index expected v order scope", "Replace if equal; the old value.", **_ORDER
)
atomic_load = _word("atomic_load", "a index order scope", "Read an element whole.", **_ORDER)
atomic_store = _word("atomic_store", _RMW, "Write an element whole.", **_ORDER)

subgroup_size = _word("subgroup_size", "", "Lanes of a subgroup on this device.")
lane_id = _word("lane_id", "", "This thread's lane.")
subgroup_sum = _word("subgroup_sum", "x", "The sum over the subgroup.")
subgroup_min = _word("subgroup_min", "x", "The smallest of the subgroup.")
subgroup_max = _word("subgroup_max", "x", "The largest of the subgroup.")
subgroup_any = _word("subgroup_any", "x", "Whether any lane's value is true.")
subgroup_all = _word("subgroup_all", "x", "Whether every lane's value is true.")
subgroup_ballot = _word("subgroup_ballot", "x", "Bit l is set where lane l's value is true, as u64.")
subgroup_broadcast = _word("subgroup_broadcast", "x lane", "The value of one lane.", lane=0)
subgroup_shuffle = _word("subgroup_shuffle", "x lane", "The value of the lane that each thread names.")
subgroup_shuffle_up = _word(
    "subgroup_shuffle_up", "x delta", "The value of the lane `delta` before.", delta=1
)
subgroup_shuffle_down = _word(
    "subgroup_shuffle_down", "x delta", "The value of the lane `delta` after.", delta=1
)
subgroup_shuffle_xor = _word("subgroup_shuffle_xor", "x mask", "The value of lane `own ^ mask`.")
subgroup_exclusive_sum = _word("subgroup_exclusive_sum", "x", "The sum over the lanes before this one.")

block_sum = _word("block_sum", "x", "The sum over the block; counts as a barrier.")
block_min = _word("block_min", "x", "The smallest of the block; counts as a barrier.")
block_max = _word("block_max", "x", "The largest of the block; counts as a barrier.")
block_any = _word("block_any", "x", "Whether any thread's value is true; counts as a barrier.")
block_all = _word("block_all", "x", "Whether every thread's value is true; counts as a barrier.")
block_broadcast = _word(
    "block_broadcast", "x thread", "The value of one thread of the block; counts as a barrier.", thread=0
)
block_exclusive_sum = _word(
    "block_exclusive_sum", "x", "The sum over the threads before; counts as a barrier."
)

dot = _word("dot", "a b", "Inner product of two vectors.")
cross = _word("cross", "a b", "Cross product of two vectors of 3.")
length = _word("length", "v", "Euclidean length of a vector.")
normalize = _word("normalize", "v", "A vector scaled to length 1.")

abs = _word("abs", "x", "The absolute value, as Python's abs.")
min = _word("min", "a b", "The smaller, by Python's rule for NaN.")
max = _word("max", "a b", "The larger, by Python's rule for NaN.")
round = _word("round", "x", "The nearest whole number, halves to even.")

exp, exp2, exp10, expm1 = _maths("exp"), _maths("exp2"), _maths("exp10"), _maths("expm1")
log, log2, log10, log1p = _maths("log"), _maths("log2"), _maths("log10"), _maths("log1p")
sin, cos, tan = _maths("sin"), _maths("cos"), _maths("tan")
asin, acos, atan, atan2 = _maths("asin"), _maths("acos"), _maths("atan"), _maths("atan2")
sinh, cosh, tanh = _maths("sinh"), _maths("cosh"), _maths("tanh")
asinh, acosh, atanh = _maths("asinh"), _maths("acosh"), _maths("atanh")
sqrt, rsqrt, cbrt, pow, hypot = (
    _maths("sqrt"),
    _maths("rsqrt"),
    _maths("cbrt"),
    _maths("pow"),
    _maths("hypot"),
)
erf, erfc, gamma, lgamma = _maths("erf"), _maths("erfc"), _maths("gamma"), _maths("lgamma")
fmod, remainder = _maths("fmod"), _maths("remainder")
floor, ceil, trunc, rint = _maths("floor"), _maths("ceil"), _maths("trunc"), _maths("rint")
fabs, copysign, nextafter, ldexp = _maths("fabs"), _maths("copysign"), _maths("nextafter"), _maths("ldexp")
degrees, radians, fma = _maths("degrees"), _maths("radians"), _maths("fma")
clamp, lerp, saturate, sign = _maths("clamp"), _maths("lerp"), _maths("saturate"), _maths("sign")
isnan, isinf, isfinite, isclose = _maths("isnan"), _maths("isinf"), _maths("isfinite"), _maths("isclose")
popcount, clz, ctz = _maths("popcount"), _maths("clz"), _maths("ctz")
rotl, rotr, bitreverse = _maths("rotl"), _maths("rotr"), _maths("bitreverse")
random_u32 = _maths("random_u32")
random_uniform = _maths("random_uniform")
random_normal = _maths("random_normal")


def _resident(name: str, parameters: str, doc: str) -> Word:
    word = RESIDENT_WORDS[name] = Word(name, tuple((p, REQUIRED) for p in parameters.split()), doc)
    return word


_MESSAGE = "arena world sys w at slot control dest"
dispatch = _resident("dispatch", f"{_MESSAGE} kind", "Run the case of a message's type; what became of it.")
serve = _resident("serve", f"{_MESSAGE} role entry", "Call a handler; its reply in a tuple.")
remember = _resident("remember", f"{_MESSAGE} role entry", "Keep a copy of an actor's record.")
restore = _resident("restore", f"{_MESSAGE} role entry", "Take the copy of an actor's record back.")
give = _resident("give", "arena cell reply", "Write a reply and its type into a cell.")
WAYS = ("batched", "endless")
batched, endless = (
    RESIDENT_WORDS.setdefault(name, Word(name, (), doc))
    for name, doc in zip(
        WAYS,
        (
            "Whether the loop runs in supersteps, each a launch; known when compiling.",
            "Whether the loop returns only when told, not to rest; known when compiling.",
        ),
        strict=True,
    )
)
rescue = RESIDENT_WORDS["rescue"] = Word(
    "rescue", (), "Make the block's threads active again; the site of a check that failed, or 0xFFFFFFFF."
)
grid = _resident("grid", "array at strides reach name", "A simulation's field, as a cell sees it.")
place = _resident("place", "x", "An integer as an index of memory.")
