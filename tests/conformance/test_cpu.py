"""The CPU device computes what the interpreter says, on every row of the language."""

import pytest

from gyral.testing import conformance
from gyral.testing.case import Case


@pytest.mark.parametrize("case", conformance.cases(), ids=lambda case: case.id)
def test_the_cpu_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results on the CPU, which lacks nothing."""
    row = conformance.run_case(case, "cpu")
    assert (row.outcome, row.detail) == ("pass", "")
