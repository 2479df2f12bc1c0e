"""The conformance runner tells passing, refused, wrong and failing rows apart."""

from dataclasses import replace

import numpy as np
import pytest

from gyral.core.caps import Capabilities
from gyral.core.dtypes import f32, f64, i32
from gyral.testing import conformance
from gyral.testing.case import Case, needs
from gyral.testing.cases.refusals import Refusal
from gyral.testing.source import define

GOOD = "@gy.kernel\ndef k(x: gy.Array[gy.i32]):\n    i = gy.global_id()\n    x[i] = i\n"
FAILS = "@gy.kernel(check=True)\ndef k(x: gy.Array[gy.i32]):\n    x[gy.global_id() + 9] = 1\n"
BAD = "@gy.kernel\ndef k(x: gy.Array[gy.i32]):\n    x[0] = missing\n"


def case(text: str) -> Case:
    """A case of one array of four elements."""
    return Case("A", "row", "name", define(text, "k"), lambda: (np.zeros(4, np.int32),), (4,))


def test_a_right_row_passes() -> None:
    """A kernel that agrees with the interpreter passes."""
    assert conformance.run_case(case(GOOD)) == conformance.Row("A", "row", "name", "pass")


def test_a_wrong_row_says_where() -> None:
    """A result that differs from the interpreter's is wrong, with the first place that differs."""
    fill = iter((7, 14))
    shifted = replace(case(GOOD), arguments=lambda: (np.full(4, next(fill), np.int32),))
    row = conformance.run_case(replace(shifted, shape=(3,)))
    assert (row.outcome, row.detail) == (
        "wrong",
        "argument 0[3] is np.int32(14) instead of np.int32(7) (1 of 4 differ)",
    )


@pytest.mark.parametrize("text, says", [(FAILS, "KernelFault"), (BAD, "CompileError")])
def test_a_failing_row_does_not_stop_the_suite(text: str, says: str) -> None:
    """An error in a case becomes its row's detail, and a refusal without a missing capability is an error."""
    row = conformance.run_case(case(text))
    assert (row.outcome, row.detail.partition(":")[0]) == ("error", says)


def test_requirements_are_read_from_the_record() -> None:
    """What a case needs is looked up in the device's capability record, by type and by feature."""
    device = Capabilities(dtypes=frozenset({i32, f32}), atomics=frozenset({i32}))
    wanted = (needs(i32), needs(f64), needs(features=["atomic i32"]), needs(features=["atomic f32"]))
    found = [
        conformance.missing(replace(case(GOOD), requires=w), device)
        for w in (*wanted, needs(features=["subgroups"]))
    ]
    assert found == ["", "f64", "", "atomic f32", "subgroups"]


@pytest.mark.parametrize(
    "text, code, says, caret, outcome",
    [
        (BAD, "GY201", "missing", "missing", "pass"),
        (BAD, "GY202", "missing", "", "wrong"),
        (BAD, "GY201", "other words", "", "wrong"),
        (BAD, "GY201", "missing", "x[0]", "wrong"),
        (GOOD, "GY201", "missing", "", "wrong"),
        ("k = 1 / 0\n", "GY201", "missing", "", "error"),
    ],
)
def test_refusals_are_held_to_their_words(text: str, code: str, says: str, caret: str, outcome: str) -> None:
    """A refusal passes only with its code, its words and its place."""
    assert conformance.run_refusal(Refusal("name", text, code, says, caret)).outcome == outcome


def test_a_run_reports_progress() -> None:
    """The runner calls back after every case with how many are done of how many."""
    seen: list[tuple[int, int]] = []
    rows = conformance.run("cpu", "D", lambda done, total: seen.append((done, total)))
    assert [row.outcome for row in rows] == ["pass"] * len(rows)
    assert seen == [(k + 1, len(rows)) for k in range(len(rows))]
