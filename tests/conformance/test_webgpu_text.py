"""Browsers' compiler takes every kernel that is emitted as WGSL, barriers in uniform control included."""

from itertools import islice

import pytest
from tests import tint, wgsl_texts

from gyral.testing import conformance

pytestmark = pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
# One case needs more memory than a test should take.
CASES = [case for case in conformance.cases() if "above_4_GiB" not in case.id]


@pytest.mark.parametrize("group", sorted({case.group for case in CASES}))
def test_tint_accepts_every_kernel(group: str) -> None:
    """No text of a group's rows meets an objection, compiled for the least that every browser has."""
    found = [(case.id, text) for case in CASES if case.group == group for text in wgsl_texts.texts_of(case)]
    complaints = tint.validate([text for _, text in found], features=())
    wrong = [(name, told) for (name, _), told in zip(found, complaints, strict=True) if told]
    assert (bool(found), wrong) == (True, [])


def test_check_is_accepted_too() -> None:
    """Kernels under check, whose threads fail and are reported, meet no objection."""
    import gyral as gy

    found = []
    with gy.options(check=True):
        for case in islice((case for case in CASES if case.group in "DEF"), 0, None, 3):
            found += [(case.id, text) for text in wgsl_texts.texts_of(case)]
    complaints = tint.validate([text for _, text in found], features=())
    wrong = [(name, told) for (name, _), told in zip(found, complaints, strict=True) if told]
    assert (bool(found), wrong) == (True, [])
