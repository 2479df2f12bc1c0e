"""The interpreter, which is the specification, agrees with NumPy wherever a row has a NumPy reference."""

import numpy as np
import pytest

from gyral.testing import conformance, reference
from gyral.testing.case import Case
from gyral.testing.compare import difference

REFERENCED = [case for case in conformance.cases() if case.reference is not None]


@pytest.mark.parametrize("case", REFERENCED, ids=lambda case: case.id)
def test_the_interpreter_agrees_with_numpy(case: Case) -> None:
    """A row gives in the interpreter what NumPy computes by other means."""
    expected, got = case.arguments(), reference.run_case(case)
    with np.errstate(all="ignore"):
        case.reference(*expected)
    pairs = zip(case.effects(expected), case.effects(got), strict=True)
    found = [difference(name, right, value, case.reference_tolerance) for (name, right), (_, value) in pairs]
    assert [text for text in found if text] == []


def test_every_row_is_named_once() -> None:
    """No two cases have the same name, so that a report can be read."""
    names = [case.id for case in conformance.cases()]
    assert sorted(set(names)) == sorted(names)


def test_every_group_has_rows() -> None:
    """The groups A to G of the language's conformance list are all there."""
    assert sorted({case.group for case in conformance.cases()}) == ["A", "B", "C", "D", "E", "F", "G"]
