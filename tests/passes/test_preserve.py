"""No pass changes what a program means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ir_programs import Maker, outcome

from gyral.compiler import pipeline
from gyral.compiler.passes.canonical import Canonicalise
from gyral.compiler.passes.checks import InsertChecks
from gyral.compiler.passes.cse import ShareCommon
from gyral.compiler.passes.dce import RemoveDead
from gyral.compiler.passes.hoist import Hoist
from gyral.compiler.passes.inline import Inline
from gyral.compiler.passes.legalize import Legalise
from gyral.compiler.passes.promote import Promote
from gyral.compiler.passes.unroll import Unroll
from gyral.core.artifact import CompileOptions

PASSES = [
    (Canonicalise(),),
    (ShareCommon(),),
    (RemoveDead(),),
    (Hoist(),),
    (Inline(),),
    (Inline(), Promote()),
    (Inline(), Unroll()),
    (Inline(), Unroll(), Canonicalise(), Promote()),
    (Inline(), Legalise(pipeline.CPU, pipeline.library())),
]


@pytest.mark.parametrize("passes", PASSES, ids=lambda passes: "-".join(p.name for p in passes))
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_pass_keeps_the_meaning(passes: tuple[Any, ...], seed: int) -> None:
    """After each pass the graph is well formed and a launch leaves the same results."""
    module = Maker(seed).program()
    before = outcome(module)
    for one in passes:
        one.run(module)
        pipeline.check(module, one.name)
    assert outcome(module) == before


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_inserted_checks_fail_like_the_interpreter(seed: int) -> None:
    """Checks written into the program fail where the checking interpreter does, with the same words."""
    module = Maker(seed).program()
    before = outcome(module, check=True)
    InsertChecks().run(module)
    pipeline.check(module)
    assert outcome(module) == before


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), check=st.sampled_from(["off", "on"]))
def test_the_pipeline_keeps_the_meaning(seed: int, check: Any) -> None:
    """The whole pipeline gives a well-formed program with the same results."""
    module = Maker(seed).program()
    before = outcome(module, check == "on")
    pipeline.run(module, CompileOptions(check=check), verify=True)
    assert outcome(module) == before
