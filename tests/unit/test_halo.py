"""How a grid lies in memory and is shared out: edges, rows, and who waits for whom."""

import numpy as np
import pytest
from tests.simulations import MODES

from gyral.actors.board import BLOCKS, LINE, NEAR_AT, NEARS, OWNER_WORDS, ROWS
from gyral.actors.halo import Division, Layout


@pytest.mark.parametrize("boundary", [("zero", "clamp"), ("periodic", "zero"), ("clamp", "periodic")])
def test_edges_are_what_numpy_pads(boundary: tuple[str, str]) -> None:
    """The edges of each axis are filled as its boundary says, corners by both."""
    layout = Layout((5, 7), 2, boundary)
    level = np.full(layout.size, -1)
    cells = np.arange(35).reshape(5, 7)
    layout.cells(level)[...] = cells
    layout.fill_edges(level)
    wanted = np.pad(np.pad(cells, ((2, 2), (0, 0)), MODES[boundary[0]]), ((0, 0), (2, 2)), MODES[boundary[1]])
    got = level[layout.lead : layout.lead + 9 * layout.strides[0]].reshape(9, -1)[:, :11]
    assert got.tolist() == wanted.tolist()


def test_rows_begin_cache_lines() -> None:
    """The first cell of each row stands at a multiple of sixteen elements."""
    for shape, reach in (((5, 7), 1), ((3, 4, 33), 2), ((100,), 3)):
        rows = Division(Layout(shape, reach, ("zero",) * len(shape)), 1).rows
        assert set(rows[:, 0] % 16) == {0}
        assert rows[:, 1].sum() == np.prod(shape)


def test_neighbours_in_a_ring() -> None:
    """On a ring the first and the last block wait for each other, on an open axis not."""
    for kind, wanted in (
        ("periodic", [[1, 3], [0, 2], [1, 3], [0, 2]]),
        ("zero", [[1], [0, 2], [1, 3], [2]]),
    ):
        division = Division(Layout((8, 16), 1, (kind, kind)), 4)
        assert [division.neighbours(block) for block in range(4)] == wanted


def test_neighbours_within_a_plane() -> None:
    """Blocks of less than a plane wait for the blocks above and below in the next planes."""
    division = Division(Layout((3, 4, 16), 1, ("zero",) * 3), 6)
    assert division.neighbours(2) == [0, 1, 3, 4, 5]


def test_a_far_reach_meets_more_neighbours() -> None:
    """A reach of more rows than a block has goes beyond the nearest block."""
    division = Division(Layout((6, 16), 2, ("zero", "zero")), 6)
    assert division.neighbours(3) == [1, 2, 4, 5]


def test_the_table_names_the_neighbours_words() -> None:
    """A block's entry has its count of rows and the places of the words it waits for."""
    division = Division(Layout((8, 16), 1, ("zero", "clamp")), 4)
    table = division.table()
    owner = table[OWNER_WORDS : 2 * OWNER_WORDS]
    assert owner[ROWS] == 2
    near = table[owner[NEAR_AT] : owner[NEAR_AT] + owner[NEARS]]
    assert near.tolist() == [BLOCKS, BLOCKS + 2 * LINE]
