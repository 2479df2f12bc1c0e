"""Keys of kernel[key]."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native_kernels import Kernel

EXTENTS = st.integers(0, 2**63 - 1)
BLOCKS = st.integers(1, 2**31)
ATOMS = st.none() | st.integers() | st.booleans() | st.floats()


@pytest.mark.parametrize(
    "rank, key, shape, block",
    [
        (1, 5, (5,), None),
        (1, (5,), (5,), None),
        (1, np.int32(5), (5,), None),
        (1, (5, 64), (5,), (64,)),
        (1, (5, (64,)), (5,), (64,)),
        (1, ((5,), 64), (5,), (64,)),
        (1, ((5,), (64,)), (5,), (64,)),
        (1, 0, (0,), None),
        (1, 2**40, (2**40,), None),
        (2, (5, 6), (5, 6), None),
        (2, ((5, 6), (2, 3)), (5, 6), (2, 3)),
        (2, ((5, 6), 32), (5, 6), (1, 32)),
        (3, (5, 6, 7), (5, 6, 7), None),
        (3, ((5, 6, 7), (1, 2, 3)), (5, 6, 7), (1, 2, 3)),
    ],
)
def test_a_key_is_read_by_the_rank(rank: int, key: Any, shape: tuple[int, ...], block: Any) -> None:
    """Each legal form of key gives its shape and block."""
    launch = Kernel(rank)[key]
    assert (launch.shape, launch.block) == (shape, block)


@pytest.mark.parametrize(
    "rank, key",
    [
        (0, 5),
        (1, -1),
        (1, 2**63),
        (1, True),
        (1, 2.0),
        (1, "5"),
        (1, None),
        (1, [5]),
        (1, ()),
        (1, (5, 0)),
        (1, (5, -1)),
        (1, (5, 6, 7)),
        (1, ((5, 6), 1)),
        (2, 5),
        (2, (5,)),
        (2, (5, -6)),
        (2, (5, (6,))),
        (2, ((5, 6), (2,))),
        (2, ((5, 6), (2, 0))),
        (2, ((5, 6), (2, 3), 4)),
        (3, (5, 6)),
        (3, ((5, 6), 4)),
        (4, (1, 2, 3, 4)),
    ],
)
def test_any_other_key_goes_to_python(rank: int, key: Any) -> None:
    """What is no shape of the kernel's rank is explained by Python."""
    with pytest.raises(ValueError, match="no shape"):
        Kernel(rank)[key]


@settings(deadline=None)
@given(st.lists(EXTENTS, min_size=1, max_size=3), st.data())
def test_shape_and_block_come_back_as_given(extents: list[int], data: st.DataObject) -> None:
    """A shape and a block of the kernel's rank are kept exactly, at any rank and extent."""
    shape = tuple(extents)
    block = tuple(data.draw(st.lists(BLOCKS, min_size=len(shape), max_size=len(shape))))
    launch = Kernel(len(shape))[shape, block]
    assert (launch.shape, launch.block) == (shape, block)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.booleans() | st.floats(), lambda s: st.tuples(s, s), max_leaves=6
    )
)
def test_no_key_is_misread(key: Any) -> None:
    """Whatever the key, a launch of rank 2 has two extents or is refused."""
    try:
        launch = Kernel(2)[key]
    except ValueError:
        return
    assert len(launch.shape) == 2


def test_a_repeated_key_gives_the_same_launch() -> None:
    """The latest launches are kept, so that kernel[n] in a loop makes nothing new."""
    kernel = Kernel(1)
    assert kernel[7] is kernel[7]


def test_what_python_answers_for_a_key_is_taken() -> None:
    """`_shape_error` may return a launch of its own."""

    class Lenient(Kernel):
        def _shape_error(self, key: Any) -> Any:
            return self[len(key)]

    assert Lenient(1)["four"].shape == (4,)


def test_a_launch_names_its_kernel() -> None:
    """The launch holds the kernel it came from."""
    kernel = Kernel(1)
    assert kernel[3].kernel is kernel
