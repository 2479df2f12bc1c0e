"""The compiler's middle as one flat list of stages, and the library of maths functions that it inlines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from gyral.compiler import stdlib
from gyral.compiler.intrinsics import INTRINSICS
from gyral.compiler.ir.graph import Module, Op
from gyral.compiler.ir.parser import parse_function
from gyral.compiler.ir.verify import verify as verify_module
from gyral.compiler.passes.alone import Alone
from gyral.compiler.passes.blocks import LowerBlocks
from gyral.compiler.passes.canonical import Canonicalise
from gyral.compiler.passes.checks import InsertChecks
from gyral.compiler.passes.cse import ShareCommon
from gyral.compiler.passes.dce import RemoveDead
from gyral.compiler.passes.downcast import Downcast
from gyral.compiler.passes.gangs import LowerGangs
from gyral.compiler.passes.hoist import Hoist
from gyral.compiler.passes.inline import MAX_SIZE, Inline, inline_call
from gyral.compiler.passes.legalize import Legalise
from gyral.compiler.passes.narrow import Narrow
from gyral.compiler.passes.onchip import WidenMemory
from gyral.compiler.passes.pairs import Pair
from gyral.compiler.passes.promote import Promote
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.uniform import CheckUniform
from gyral.compiler.passes.unroll import Unroll
from gyral.compiler.passes.widen import Widen
from gyral.compiler.passes.widen_loops import WidenLoops
from gyral.core.artifact import CompileOptions
from gyral.core.errors import Diagnostic, InternalError, UserError

MAX_NESTING = 100  # regions inside one another

CPU = TargetSpec("llvm")
Dump = Callable[[str, Module], None]
Warn = Callable[[Diagnostic], None]
Stage = Callable[[Module, CompileOptions, TargetSpec], Sequence[Diagnostic] | None]


class Library:
    """Functions of a printed module, parsed when first asked for."""

    def __init__(self, text: str) -> None:
        starts = [found.start() for found in re.finditer(r"^control\.func ", text, re.MULTILINE)]
        pieces = [text[a:b] for a, b in pairwise([*starts, len(text)])]
        self._texts = {re.search(r'symbol = "(\w+)"', piece)[1]: piece for piece in pieces}  # type: ignore[index]
        self._parsed: dict[str, Op] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All functions, in order."""
        return tuple(self._texts)

    def get(self, name: str) -> Op | None:
        """The function of this name with its calls inlined, shared between callers: copy, never change it."""
        found = self._parsed.get(name)
        if found is None and name in self._texts:
            found = parse_function(self._texts[name])
            for call in [op for op in found.walk() if op.name == "control.call"]:
                callee = self.get(call.attributes["callee"])
                if callee is None:
                    raise InternalError(f"the maths library lacks {call.attributes['callee']!r}")
                inline_call(call, callee)
            self._parsed[name] = found
        return found


@cache
def library() -> Library:
    """The maths functions that come with the compiler."""
    return Library(Path(stdlib.__file__).with_name("library.gyir").read_text("ascii"))


def _inline(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    """Which functions are trusted is not told any more behind this stage."""
    if any(function.attributes.get("trusted") for function in module.functions.values()):
        _checks(module, options, target)
        module.kernel.attributes["trusted"] = True
    Inline().run(module)


def _alone(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    Alone(options.block or module.kernel.attributes.get("block", ())).run(module)


def _checks(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if options.check != "off":
        InsertChecks().run(module)


def _canonical(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    Canonicalise().run(module)


def _unroll(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if Unroll().run(module):
        Canonicalise().run(module)


def _downcast(module: Module, options: CompileOptions, target: TargetSpec) -> list[Diagnostic]:
    allowed = options.downcast or target.downcast
    return Downcast(target, library()).run(module) if allowed and not target.f64 else []


def _legalize(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    Legalise(target, library(), options.index_bits).run(module)


def _blocks(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if target.gangs != "lanes":
        LowerBlocks(target, _block_of(module, options), options.index_bits).run(module)


def _gangs(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if target.gangs == "shared":
        LowerGangs(target, _block_of(module, options), options.index_bits).run(module)


def _narrow(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if target.gangs != "lanes":
        Narrow(target, library()).run(module)
    if not target.narrow_memory:
        WidenMemory().run(module)


def _pairs(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if not target.int64:
        Pair(library()).run(module)
        # The library's bodies count bits, for which the target may have no word.
        Legalise(target, library(), options.index_bits).run(module)


def _widen(module: Module, options: CompileOptions, target: TargetSpec) -> None:
    if target.wide_loops:
        WidenLoops(options, target).run(module)
    if target.wide:
        Widen(options, target).run(module)


def _block_of(module: Module, options: CompileOptions) -> tuple[int, ...]:
    """The block that the kernel runs in, in the user's order of axes."""
    block = options.block or module.kernel.attributes.get("block", ())
    if not block:
        raise InternalError("a kernel for a device that runs whole blocks was compiled without a block")
    return block


_STAGES: tuple[tuple[str, Stage], ...] = (
    ("inline", _inline),
    ("checks", _checks),
    ("alone", _alone),
    ("canonical", _canonical),
    ("uniform", lambda module, options, target: CheckUniform().run(module)),
    ("unroll", _unroll),
    ("promote", lambda module, options, target: Promote().run(module)),
    ("downcast", _downcast),
    ("legalize", _legalize),
    ("blocks", _blocks),
    ("gangs", _gangs),
    ("narrow", _narrow),
    ("pairs", _pairs),
    ("simplify", _canonical),
    ("cse", lambda module, options, target: ShareCommon(options.noalias).run(module)),
    ("hoist", lambda module, options, target: Hoist(options.noalias).run(module)),
    ("dce", lambda module, options, target: RemoveDead().run(module)),
    ("widen", _widen),
)
STAGES: tuple[str, ...] = tuple(name for name, _ in _STAGES)


def run(
    module: Module,
    options: CompileOptions,
    target: TargetSpec = CPU,
    dump: Dump | None = None,
    verify: bool = False,
    warn: Warn | None = None,
) -> Module:
    """Take a module from the frontend's form to what `target`'s emitter takes, in place.

    `dump` is called with each stage's name and the module as the stage left it; `verify` checks the graph
    after each stage; `warn` is told of each line that computes f64 in f32. CompileError and UserError for
    programs that must be refused.
    """
    _limit(module)
    for name, stage in _STAGES:
        for warning in stage(module, options, target) or ():
            if warn is not None:
                warn(warning)
        if verify:
            check(module, name)
        if dump is not None:
            dump(name, module)
    return module


def check(module: Module, after: str = "") -> None:
    """InternalError when the graph is malformed or an intrinsic is used against its signature."""
    verify_module(module, check_intrinsic, after)


def check_intrinsic(op: Op) -> None:
    """ValueError when a `math.call` does not fit its row."""
    if op.name != "math.call":
        return
    row = INTRINSICS.get(op.attributes["fn"])
    if row is None:
        raise ValueError(f"no intrinsic is named {op.attributes['fn']!r}")
    wanted = row.signature.resolve([v.type for v in op.operands])
    if op.results[0].type is not wanted:
        raise ValueError(f"{row.name} gives {wanted}, not {op.results[0].type}")


def _limit(module: Module) -> None:
    """Refuse programs that would take the compiler too long."""
    count = 0
    waiting = [(function, 0) for function in module.functions.values()]
    while waiting:
        op, depth = waiting.pop()
        count += 1
        if depth > MAX_NESTING:
            raise UserError(
                f"{op.span}: branches and loops are nested deeper than {MAX_NESTING}. "
                "Move inner parts to functions of their own."
            )
        waiting += [(inner, depth + 1) for region in op.regions for inner in region.ops]
    if count > MAX_SIZE:
        raise UserError(f"the kernel has more than {MAX_SIZE} operations. Make it smaller.")
