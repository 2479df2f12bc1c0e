"""What the language refuses is refused with its code, its words and its place."""

import pytest

from gyral.testing import conformance
from gyral.testing.cases.refusals import Refusal, refusals


@pytest.mark.parametrize("refusal", list(refusals()), ids=lambda refusal: refusal.id)
def test_a_refusal_has_its_code_and_words(refusal: Refusal) -> None:
    """A program outside the language is refused with the stated code, words and caret."""
    row = conformance.run_refusal(refusal)
    assert (row.outcome, row.detail) == ("pass", "")
