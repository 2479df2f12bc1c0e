"""Generated OpenCL under Oclgrind, which watches every access of every thread."""

from pathlib import Path

import pytest
from tests import oclgrind

pytestmark = pytest.mark.skipif(bool(oclgrind.REASON), reason=oclgrind.REASON)
HERE = Path(__file__).parent
ROWS = {
    "tiled products": ("F-matmul-tiled",),
    "sums": ("F-reductions", "C-block-wide-i32", "C-block-wide-f32"),
    "scans and sorts": ("F-scan", "F-prefix_compaction", "F-bitonic_sort-in_shared"),
    "histograms and atomics": ("F-histogram", "C-atomics-add_on_shared_i8", "C-atomics-exchange_u16"),
    "stencils": ("F-stencil-2-D", "F-stencil-3-D", "F-Game_of_Life"),
    "subgroups": ("C-subgroups-i32", "C-subgroups-votes"),
}


@pytest.mark.parametrize("what", ROWS)
def test_kernels_neither_race_nor_leave_their_arrays(what: str) -> None:
    """The rows pass on Oclgrind's device, and it has nothing to report."""
    assert oclgrind.report(HERE / "oclgrind_rows.py", *ROWS[what]) == ""


def test_a_race_is_reported() -> None:
    """A kernel without the barrier that it needs is found out, so that silence above means something."""
    assert "data race" in oclgrind.report(HERE / "oclgrind_race.py", most=3)
