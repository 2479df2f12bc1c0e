"""Code for aarch64: objects whose every relocation is resolved, run under an emulator where there is one."""

import random
from functools import cache

import numpy as np
import pytest
from tests import aarch64
from tests.emitted import NEON, Trial, emitted, interpreted

from gyral.compiler.emit.llvm.program import ENTRY
from gyral.drivers.cpu import codegen, image
from gyral.testing import conformance
from gyral.testing.case import Case
from gyral.testing.compare import difference

COUNT = 24


@cache
def sampled() -> tuple[Case, ...]:
    """Some rows of every group of the language, with contiguous arrays that do not overlap."""
    plain = [case for case in conformance.kernels() if _is_plain(case)]
    groups = sorted({case.group for case in plain})
    source = random.Random(4)
    return tuple(
        case
        for group in groups
        for case in source.sample([c for c in plain if c.group == group], COUNT // len(groups))
    )


def _is_plain(case: Case) -> bool:
    arrays = [value for value in case.arguments() if isinstance(value, np.ndarray)]
    return not case.unordered and case.row != "aliasing" and all(a.flags.c_contiguous for a in arrays)


def trial_of(case: Case) -> Trial:
    """A row as a trial."""
    return Trial(case.kernel, case.shape, list(case.arguments()), case.block or ())


@pytest.mark.parametrize("number", range(COUNT))
def test_objects_need_no_loader(number: int) -> None:
    """An image for aarch64 has its entry inside it and nothing left to resolve."""
    found = emitted(trial_of(sampled()[number]), NEON)
    code, entry = image.flatten(codegen.assemble(found.text, NEON), ENTRY)
    assert (entry % 4, 0 <= entry < len(code)) == (0, True)


@pytest.mark.skipif(not aarch64.EMULATOR, reason="qemu-aarch64 is not installed")
@pytest.mark.skipif(not aarch64.COMPILER, reason="aarch64-linux-gnu-gcc is not installed")
@pytest.mark.parametrize("number", range(COUNT))
def test_emulated_launches_agree(number: int) -> None:
    """A row of the language gives the interpreter's results on an emulated aarch64."""
    case = sampled()[number]
    wanted = [value for value in interpreted(trial_of(case), NEON.lanes)[0] if isinstance(value, np.ndarray)]
    found = aarch64.run(trial_of(case))
    pairs = enumerate(zip(wanted, found, strict=True))
    assert [difference(f"array {at}", a, b, case.tolerance) for at, (a, b) in pairs] == [""] * len(wanted)
