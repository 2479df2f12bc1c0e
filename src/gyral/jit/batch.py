"""Launches that are put together once and run together many times: `gyral.Batch`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from gyral.core import context
from gyral.core.context import Scoped
from gyral.core.errors import StateError, UserError
from gyral.jit.graph import Runner, runner
from gyral.jit.kernel import Block, Kernel
from gyral.jit.launch import check_shape
from gyral.jit.member import Member, Ready
from gyral.jit.merge import Merger
from gyral.jit.parameters import bind
from gyral.runtime.array import DeviceArray, empty
from gyral.runtime.device import Device
from gyral.runtime.stream import Stream


class Batch:
    """A list of launches, checked and compiled once; `batch()` runs all of them at the cost of one call.

    Launches are added by `add`, or taken down by `with batch:`, inside of which `kernel[shape](...)` adds to
    the batch and does not run. A launch waits for those before it that touch the same memory, when one of
    them writes it; others may overlap. Options in force when a launch is added hold for it.

    `fuse`: neighbours that share arrays run as one kernel where that surely gives the same. Arrays made by
    `temporary` then need not reach memory.
    """

    def __init__(self, *, fuse: bool = False) -> None:
        self._merger = Merger() if fuse else None
        self._members: list[Member] = []
        self._ready: list[Ready] = []
        self._runner: Runner | None = None
        self._direct: Callable[[], object] | None = None
        self._names: tuple[str, ...] = ()
        self._temporaries: list[DeviceArray] = []
        self._recording = Scoped(recorder=self)
        self._closed = False
        self._lock = threading.RLock()

    def add(
        self,
        kernel: Kernel,
        shape: int | tuple[int, ...],
        /,
        *args: Any,
        block: Block = None,
        **kwargs: Any,
    ) -> Self:
        """Add `kernel[shape, block](*args)` under the next number, from 0 on; returns the batch."""
        if not isinstance(kernel, Kernel):
            raise UserError(f"a batch is made of kernels, and {kernel!r} is none")
        self.record(kernel, shape, block, bind(kernel.name, kernel.parameters, args, kwargs))
        return self

    def record(
        self,
        kernel: Kernel,
        shape: int | tuple[int, ...],
        block: Block,
        values: Sequence[Any],
        device: Device | None = None,
        stream: Stream | None = None,
    ) -> None:
        """Take a launch down; launches inside `with batch:` come here."""
        if stream is not None:
            raise UserError(f"{kernel.name} was given a stream inside a batch; give it to batch.replay()")
        extents = check_shape(kernel.name, shape, kernel.rank)
        scope = replace(context.current(), recorder=None)
        with self._lock:
            self._require_open()
            member = Member(len(self._members), kernel, extents, block, tuple(values), scope, device)
            member.take()
            self._members.append(member)
            self._forget()

    def temporary(self, shape: int | tuple[int, ...], dtype: Any) -> DeviceArray:
        """An array, contents undefined, of which nobody looks at the contents after a replay."""
        made = empty(shape, dtype)
        self._temporaries.append(made)
        return made

    def set(self, member: int, /, **arguments: Any) -> Self:
        """Give the launch of this number other arguments from the next replay on; returns the batch.

        Nothing is compiled as long as dtypes, ranks and the like stay as they were.
        """
        with self._lock:
            self._require_open()
            self._apply({self._number(member): arguments})
        return self

    def replace(self, old: Any, new: Any) -> Self:
        """Put `new` wherever the array `old` was given; returns the batch. UserError when it was nowhere."""
        with self._lock:
            self._require_open()
            changes = {
                member.number: {
                    p.name: new
                    for p, value in zip(member.kernel.parameters, member.values, strict=True)
                    if value is old
                }
                for member in self._members
                if any(value is old for value in member.values)
            }
            if not changes:
                raise UserError("no launch of the batch was given the array to be replaced")
            self._apply(changes)
        return self

    def build(self) -> Self:
        """Check and compile everything now, rather than at the first replay; returns the batch."""
        with self._lock:
            self._require_open()
            if self._runner is None:
                for member in self._members[len(self._ready) :]:
                    self._ready.append(member.prepare())
                self._build()
        return self

    def replay(self, stream: Stream | None = None) -> None:
        """Run all launches, in the order in which they were added as far as it can be told.

        In host memory it returns when they are done; elsewhere, and with a `stream`, they are queued. Errors
        of a launch name it; launches that wait for it have not run then.
        """
        direct = self._direct
        if direct is not None and stream is None:
            direct()
            return
        with self._lock:
            self._require_open()
            if self._runner is None:
                self.build()
            if self._runner is not None:
                self._runner.replay(stream)

    __call__ = replay

    def close(self) -> None:
        """Let go of all arrays and code. Replaying is a StateError from now on; closing twice is harmless."""
        with self._lock:
            self._closed = True
            self._members, self._ready, self._temporaries = [], [], []
            self._merger = None
            self._forget()

    @property
    def launches(self) -> tuple[str, ...]:
        """The kernels that a replay launches, in order, fused ones by their joined name. Builds the batch."""
        with self._lock:
            self.build()
            return self._names

    def __len__(self) -> int:
        return len(self._members)

    def __enter__(self) -> Self:
        self._require_open()
        self._recording.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<batch of {', '.join(m.kernel.name for m in self._members) or 'nothing'}>"

    def _apply(self, changes: Mapping[int, Mapping[str, Any]]) -> None:
        """Change arguments of some members, or of none when one of them does not fit."""
        members = {number: self._members[number].with_arguments(given) for number, given in changes.items()}
        for member in members.values():
            member.take()
        ready = {number: m.prepare() for number, m in members.items() if number < len(self._ready)}
        for number, member in members.items():
            self._members[number] = member
        current = self._runner
        for number, each in ready.items():
            self._ready[number] = each
            if current is not None and (self._merger is not None or not current.update(number, each)):
                current = None
        if self._runner is not None:
            self._runner = current
            self._direct = None if current is None else current.direct

    def _build(self) -> None:
        homes = {ready.device.name: ready.member for ready in self._ready}
        if len(homes) > 1:
            shown = ", ".join(f"{m.kernel.name} (member {m.number}) on {name}" for name, m in homes.items())
            raise UserError(f"the launches of a batch run on one device: {shown}; use .to(device)")
        launches = self._ready
        if self._merger is not None:
            launches = self._merger.merge(launches, self._temporaries)
        self._names = tuple(ready.member.kernel.name for ready in launches)
        if launches:
            self._runner = runner(launches[0].device, launches)
            self._direct = self._runner.direct

    def _forget(self) -> None:
        self._runner = self._direct = None

    def _number(self, member: int) -> int:
        count = len(self._members)
        if isinstance(member, bool) or not hasattr(member, "__index__") or not -count <= member < count:
            raise UserError(f"the batch has {count} launches, and none of number {member!r}")
        return member % count

    def _require_open(self) -> None:
        if self._closed:
            raise StateError("the batch is closed; make a new one")
