"""Browsers' compiler takes every kernel that is emitted as WGSL, barriers in uniform control included."""

from dataclasses import replace
from itertools import islice

import pytest
from tests import tint, wgsl_texts

from gyral.testing import conformance, proofs

pytestmark = pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
# One case needs more memory than a test should take.
CASES = [case for case in conformance.kernels() if "above_4_GiB" not in case.id]


@pytest.mark.parametrize("group", sorted({case.group for case in CASES}))
def test_tint_accepts_every_kernel(group: str) -> None:
    """No text of a group's rows meets an objection, compiled for the least that every browser has."""
    found = [(case.id, text) for case in CASES if case.group == group for text in wgsl_texts.texts_of(case)]
    complaints = tint.validate([text for _, text in found], features=())
    wrong = [(name, told) for (name, _), told in zip(found, complaints, strict=True) if told]
    assert (bool(found), wrong) == (True, [])


def test_loops_of_actors_are_accepted() -> None:
    """The texts of all loops of the suite, for the least that every browser has."""
    target = next(target for target in proofs.TARGETS if target.kind == "webgpu")
    loops = [
        case for case in conformance.cases() if case.group == "G" and "scope device" not in case.requires
    ]
    texts = {proofs.compiled(case, target).code.decode() for case in loops}
    assert (bool(texts), [told for told in tint.validate(sorted(texts), features=()) if told]) == (True, [])


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


def test_folded_grids_are_accepted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that find their place by their number have uniform barriers in the eyes of Tint."""
    made = wgsl_texts.device()
    monkeypatch.setattr(made, "capabilities", replace(made.capabilities, max_grid=(1, 1, 1)))
    rows = ("ids and sizes", "barrier", "block-wide", "shared tiles", "reductions", "scan")
    chosen = [case for case in CASES if case.row in rows][::2]
    found = [(case.id, text) for case in chosen for text in wgsl_texts.texts_of(case)]
    complaints = tint.validate([text for _, text in found], features=())
    wrong = [(name, told) for (name, _), told in zip(found, complaints, strict=True) if told]
    assert (any("let here" in text for _, text in found), wrong) == (True, [])
