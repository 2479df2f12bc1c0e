"""Put the bodies of functions where they are called."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.graph import Module, Op
from gyral.compiler.passes.clone import size, splice
from gyral.core.errors import UserError

MAX_SIZE = 50_000  # ops in one kernel after inlining


@dataclass(frozen=True, slots=True)
class Inline:
    """Calls become the callee's ops; only the kernel stays.

    Before: `y = call square(x)`. After: `y = x * x`.
    """

    name = "inline"
    limit: int = MAX_SIZE

    def run(self, module: Module) -> None:
        """Inline bottom up; UserError when the program grows over `limit` ops."""
        done: set[str] = set()
        for function in list(module.functions.values()):
            self._settle(module, function, done)
        for symbol, function in list(module.functions.items()):
            if function.attributes["kind"] == "func" and any(
                f.attributes["kind"] == "kernel" for f in module.functions.values()
            ):
                del module.functions[symbol]

    def _settle(self, module: Module, function: Op, done: set[str]) -> None:
        symbol = function.attributes["symbol"]
        if symbol in done:
            return
        done.add(symbol)
        calls = [op for op in function.walk() if op.name == "control.call"]
        grown = size(function) if calls else 0
        for call in calls:
            callee = module.functions[call.attributes["callee"]]
            self._settle(module, callee, done)
            grown += size(callee)
            if grown > self.limit:
                raise UserError(
                    f"{call.span}: the kernel grows over {self.limit} operations when its functions are put "
                    "in place. Make it smaller, or call fewer functions."
                )
            inline_call(call, callee)


def inline_call(call: Op, callee: Op) -> None:
    """Replace one op by the body of `callee` over its operands."""
    values = splice(callee.regions[0], call, call.operands)
    for old, new in zip(call.results, values, strict=True):
        if not new.hint:
            new.hint = old.hint
        old.replace_by(new)
    call.erase()
