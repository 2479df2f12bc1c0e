"""One launch of a batch: what was asked, and what it is once it was checked and compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gyral.core import context
from gyral.core.artifact import ArrayParameter, Signature
from gyral.core.driver import Launch
from gyral.core.errors import GyralError, UserError
from gyral.jit.arguments import ArrayGiven, Given
from gyral.jit.kernel import Block, Kernel
from gyral.jit.launch import check_shape, check_writes, pack, run
from gyral.jit.records import new_record, report
from gyral.runtime.array import DeviceArray
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device
from gyral.runtime.stream import Stream


@dataclass(slots=True)
class Member:
    """A launch as it was added: `values` in parameter order, `scope` the options in force then.

    `number` is its place in the batch; a member that stands for several carries the first one's.
    """

    number: int
    kernel: Kernel
    shape: tuple[int, ...]
    block: Block
    values: tuple[Any, ...]
    scope: context.Scope
    asked: Device | None = None

    def with_arguments(self, changes: Mapping[str, Any]) -> Member:
        """The same launch with other arguments. UserError for a parameter the kernel lacks."""
        names = [p.name for p in self.kernel.parameters]
        unknown = sorted(set(changes) - set(names))
        if unknown:
            raise UserError(
                f"{self.kernel.name} has no parameter {unknown[0]!r}; it has {', '.join(names) or 'none'}"
            )
        pairs = zip(names, self.values, strict=True)
        return replace(self, values=tuple(changes.get(name, value) for name, value in pairs))

    def take(self) -> list[Given]:
        """The arguments, checked against the parameters. Errors name the member."""
        with self.named():
            return self.kernel._take(self.values)

    def prepare(self) -> Ready:
        """Check the arguments and compile what they need. Errors name the member."""
        with self.named(), _in_scope(self.scope):
            if self.kernel.effective_check() == "race":
                raise UserError('check="race" cannot watch a batch; launch its kernels one by one')
            shape = check_shape(self.kernel.name, self.shape, self.kernel.rank)
            given = self.kernel._take(self.values)
            device, _, program = self.kernel._prepare(shape, self.block, given, self.asked)
            check_writes(self.kernel.name, program.signature, given)
            return Ready(self, device, program, given)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let errors say which member they come from."""
        try:
            yield
        except GyralError as error:
            error.add_note(f"in member {self.number} of a batch, {self.kernel.name}")
            raise


@dataclass(slots=True)
class Ready:
    """A member checked and compiled."""

    member: Member
    device: Device
    program: Any
    given: Sequence[Given]
    arrays: list[ArrayGiven] = field(init=False)

    def __post_init__(self) -> None:
        self.arrays = [g for g in self.given if isinstance(g, ArrayGiven)]

    @property
    def signature(self) -> Signature:
        """What the compiled code takes."""
        return self.program.signature

    @property
    def hosted(self) -> bool:
        """Whether an array of the host's own takes part."""
        return any(not isinstance(a.owner, DeviceArray) for a in self.arrays)

    def buffers(self) -> list[Buffer]:
        """The device memory it uses."""
        return [a.owner.buffer for a in self.arrays if isinstance(a.owner, DeviceArray)]

    def ranges(self) -> Iterator[tuple[int, int, bool]]:
        """The bytes it may touch, as addresses, and whether it writes them."""
        parameters = [p for p in self.signature.parameters if isinstance(p, ArrayParameter)]
        for array, parameter in zip(self.arrays, parameters, strict=True):
            if array.low < array.high and (parameter.reads or parameter.writes):
                yield array.low, array.high, parameter.writes

    def launch(self) -> Launch:
        """The packed launch, for replaying where arguments lie in the device's own memory."""
        packed = pack(self.signature, self.given, {})
        keep = tuple(a.owner for a in self.arrays)
        if not self.signature.needs_record:
            return Launch(self.member.shape, packed, None, keep)
        record = new_record(self.signature)
        return Launch(self.member.shape, packed, record, keep, self._reporting(record))

    def _reporting(self, record: Any) -> Any:
        fresh = record[:]

        def done() -> None:
            with self.member.named():
                try:
                    report(record, self.signature, self.member.shape)
                finally:
                    record[:] = fresh

        return done

    def run(self, stream: Stream | None) -> None:
        """Run it as a launch of its own."""
        with self.member.named(), _in_scope(self.member.scope):
            run(self.member.kernel.name, self.device, self.program, self.member.shape, self.given, stream)


@contextmanager
def _in_scope(scope: context.Scope) -> Iterator[None]:
    token = context.VARIABLE.set(scope)
    try:
        yield
    finally:
        context.VARIABLE.reset(token)
