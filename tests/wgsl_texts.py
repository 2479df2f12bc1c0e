"""A kind of device that compiles kernels to WGSL and keeps the texts, running nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch
from gyral.core.dtypes import SCALARS
from gyral.core.errors import CompileError, UnsupportedError
from gyral.drivers.null.driver import NullDriver, NullProgram
from gyral.jit.targets import TARGETS
from gyral.runtime.device import register
from gyral.testing import conformance
from gyral.testing.case import Case

KIND = "wgsl-texts"


class Texts(NullDriver):
    """The made-up device: the least that every browser has. `loaded` holds the texts, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.name = KIND
        self.capabilities = Capabilities(
            atomics=frozenset(SCALARS),
            subgroup_sizes=(32,),
            max_block=256,
            shared_bytes=16384,
            separate_buffers=True,
            wide_access=16,
            max_grid=(65535, 65535, 65535),
        )
        self.loaded: list[str] = []

    def load(self, artifact: Artifact) -> NullProgram:
        """Keep the text."""
        self.loaded.append(artifact.code.decode())
        return super().load(artifact)

    def launch(self, queue: Any, program: NullProgram, launch: Launch) -> None:
        """Run nothing."""


@cache
def device() -> Texts:
    """The made-up device; the first call makes its kind known."""
    TARGETS[KIND] = replace(TARGETS["webgpu"], kind=KIND, sources=(), listed=False)
    made = Texts()
    register(KIND, lambda index: made, listed=False)
    return made


def texts_of(case: Case) -> list[str]:
    """What a case is compiled to; nothing when it is refused."""
    made = device()
    before = len(made.loaded)
    try:
        conformance.launch(case, list(case.arguments()), KIND)
    except (CompileError, UnsupportedError):
        return []
    return made.loaded[before:]
