"""Group C: subgroup operations. Their width is the device's own, so each kernel says what it expects itself.

Every kernel computes the same value from memory and writes whether both agree: the results do not depend on
the width, and the interpreter and the device can be compared.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.sample import moderate, numpy_type
from gyral.testing.source import define

TYPES: tuple[DType, ...] = (gy.i32, gy.u32, gy.i64, gy.u64, gy.f32, gy.f64)

VALUES = """
@gy.kernel(block={block})
def subgroup(x: gy.Array[gy.{t}], agree: gy.Array[gy.bool_, 2]):
    i = gy.global_id()
    lane = gy.lane_id()
    first = i - lane
    end = min(x.size, first + gy.subgroup_size(), (gy.block_id() + 1) * gy.block_dim())
    v = x[i]
    total = gy.subgroup_sum(v)
    before = gy.subgroup_exclusive_sum(v)
    low = gy.subgroup_min(v)
    high = gy.subgroup_max(v)
    lead = gy.subgroup_broadcast(v, 0)
    up = gy.subgroup_shuffle_up(v, 1)
    down = gy.subgroup_shuffle_down(v, 2)
    swapped = gy.subgroup_shuffle_xor(v, 1)
    turned = gy.subgroup_shuffle(v, (lane + 3) % gy.subgroup_size())
    s: gy.{t} = 0
    p: gy.{t} = 0
    a = x[first]
    b = x[first]
    for k in range(first, end):
        s += x[k]
        if k < i:
            p += x[k]
        a = min(a, x[k])
        b = max(b, x[k])
    agree[0, i] = total == s
    agree[1, i] = before == p
    agree[2, i] = low == a
    agree[3, i] = high == b
    agree[4, i] = lead == x[first]
    agree[5, i] = up == (x[i - 1] if lane >= 1 else v)
    agree[6, i] = down == (x[i + 2] if i + 2 < end else v)
    other = first + (lane ^ 1)
    agree[7, i] = swapped == (x[other] if other < end else v)
    other = first + (lane + 3) % gy.subgroup_size()
    agree[8, i] = turned == (x[other] if other < end else v)
"""


@gy.kernel(block=48)
def votes(x: gy.Array[gy.i32], agree: gy.Array[gy.bool_, 2]):
    i = gy.global_id()
    first = i - gy.lane_id()
    end = min(x.size, first + gy.subgroup_size(), (gy.block_id() + 1) * gy.block_dim())
    some = gy.subgroup_any(x[i] > 3)
    each = gy.subgroup_all(x[i] > -3)
    ballot = gy.subgroup_ballot(x[i] % 2 == 0)
    any_found = False
    all_found = True
    found: gy.u64 = 0
    for k in range(first, end):
        any_found = any_found or x[k] > 3
        all_found = all_found and x[k] > -3
        if x[k] % 2 == 0:
            found |= gy.u64(1) << gy.u64(k - first)
    agree[0, i] = some == any_found
    agree[1, i] = each == all_found
    agree[2, i] = ballot == found
    agree[3, i] = gy.lane_id() == gy.local_id() % gy.subgroup_size()


def always(x: np.ndarray, agree: np.ndarray) -> None:
    agree[:] = True


def whole(dtype: DType, count: int) -> np.ndarray:
    """Whole numbers, so that float sums are exact in any order."""
    return np.trunc(moderate(dtype, count, 8, -50, 50).astype(np.float64)).astype(numpy_type(dtype))


def cases() -> Iterator[Case]:
    """The rows of this file, with launches that fill their blocks and that do not."""
    for dtype in TYPES:
        for count, block in ((128, 64), (75, 32), (30, 8)):
            kernel = define(VALUES.format(t=dtype, block=block), "subgroup")

            def arguments(dtype: DType = dtype, count: int = count) -> tuple[Any, ...]:
                return whole(dtype, count), np.zeros((9, count), bool)

            name = f"{dtype}, {count} in blocks of {block}"
            requires = needs(dtype, features=["subgroups"])
            yield Case("C", "subgroups", name, kernel, arguments, (count,), None, always, requires=requires)
    for count in (96, 100):
        yield Case(
            "C",
            "subgroups",
            f"votes over {count}",
            votes,
            lambda n=count: (whole(gy.i32, n) // 8, np.zeros((4, n), bool)),
            (count,),
            None,
            always,
            requires=needs(gy.u64, features=["subgroups"]),
        )
