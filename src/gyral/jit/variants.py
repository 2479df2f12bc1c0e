"""Native plans for launches that the kernel's own dispatcher leaves to Python.

Static values, options in scope and keyword arguments are no part of a native plan. A variant holds the
plans for one combination of the first two; Python picks the variant, and the rest is native again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gyral.core import context
from gyral.core.artifact import Signature
from gyral.core.native import Dispatcher
from gyral.jit.plan import has_launcher
from gyral.jit.records import new_record, report

MISSED = object()
"""What a launch of a variant gives when none of its plans fits."""


class Variant(Dispatcher):
    """Plans for one combination of static values and options."""

    def __init__(self, rank: int, signatures: Mapping[Any, Signature]) -> None:
        self.rank = rank
        self._signatures = signatures

    def launch(self, shape: tuple[int, ...], block: tuple[int, ...] | None, args: tuple[Any, ...]) -> Any:
        """Run the plan that fits and return None, or return MISSED."""
        scope = context.VARIABLE.get()
        key = shape if block is None else (shape, block)
        if scope is None:
            return self[key](*args)
        # The scope chose this variant and has no more to say; the native path runs where none is open.
        served = scope.stream if scope.stream is not None and has_launcher(scope.stream.driver) else None
        before = None if served is None else served.driver.serve_thread(served.queue)
        token = context.VARIABLE.set(None)
        try:
            return self[key](*args)
        finally:
            context.VARIABLE.reset(token)
            if served is not None:
                served.driver.serve_thread(before)

    def _miss(self, shape: Any, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return MISSED

    def _shape_error(self, key: Any) -> Any:
        return lambda *args: MISSED

    def _run_recorded(self, plan: Any, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
        run_recorded(plan, self._signatures[plan], shape, args)


def run_recorded(plan: Any, signature: Signature, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    """Run a plan that leaves records, then print and raise what it left."""
    record = new_record(signature)
    plan.run(shape, args, record)
    report(record, signature, shape)
