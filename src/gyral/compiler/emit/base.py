"""What every emitter gives: text in its language, and the signature a launch of it needs."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.verify import STRICT
from gyral.core.artifact import CompileOptions, Signature


@dataclass(frozen=True, slots=True)
class Emitted:
    """A kernel in a target's language; its entry follows the convention of `core.abi`."""

    text: str
    signature: Signature


def is_relaxed(module: Module, options: CompileOptions) -> bool:
    """Whether a compiler may re-associate a whole kernel: fast maths, and no op that stays as written."""
    strict = any(op.attributes.get(STRICT) for f in module.functions.values() for op in f.walk())
    return options.fastmath and not strict
