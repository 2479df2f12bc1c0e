"""Where a kernel wants to run: the devices it names, what it needs of them, and where else it may go.

Who names a device gets it or an error. Where nobody does, the first named device that is here and can run
the kernel does; its `fallback` is the only other place, and every launch that ends up there is told.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gyral.core import context, entry, settings
from gyral.core.caps import Capabilities
from gyral.core.dtypes import BY_NAME, DType
from gyral.core.errors import CompileError, UnsupportedError, UserError
from gyral.core.events import FellBack, emit
from gyral.core.span import Span
from gyral.jit import targets
from gyral.jit.arguments import ArrayGiven, Given
from gyral.jit.chain import functions_of
from gyral.runtime.array import DeviceArray
from gyral.runtime.device import Device, device

_GAP = "GY601"  # what the compiler says of a construct that a target lacks
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Placement:
    """A kernel's own word on where it runs.

    `devices` in order of preference, () for wherever launches go; `fallback` "" for none; `requires` names
    scalar types, "subgroups" and "atomic f32". `fallen` keeps, by device, the last fall there.
    """

    devices: tuple[str, ...] = ()
    fallback: str = ""
    requires: tuple[str, ...] = ()
    fallen: dict[str, FellBack] = field(default_factory=dict, compare=False, repr=False)

    def names(self, there: Device) -> bool:
        """Whether a device is one of those the kernel prefers, or there is no preference."""
        return not self.devices or any(_same(name, there) for name in self.devices)

    def allows(self, there: Device) -> bool:
        """Whether the kernel may run on a device at all."""
        return self.names(there) or _same(self.fallback, there)

    def allows_kind(self, kind: str) -> bool:
        """Whether the kernel may run on some device of a kind."""
        places = (*self.devices, self.fallback)
        return not self.devices or kind in (name.partition(":")[0] for name in places)

    def lacking(self, capabilities: Capabilities) -> str:
        """The first thing the kernel needs that a device lacks, or ""."""
        return next((need for need in self.requires if not _has(capabilities, need)), "")

    @staticmethod
    def insists(given: Iterable[Given], asked: Device | None) -> bool:
        """Whether somebody named the device: the launch, the home of a device array, or the scope."""
        at_home = any(isinstance(g, ArrayGiven) and isinstance(g.owner, DeviceArray) for g in given)
        return at_home or asked is not None or context.current().device is not None

    def check(self, kernel: str, there: Device, line: Callable[[str], str]) -> None:
        """UnsupportedError when a device that somebody named is not for this kernel."""
        if not self.allows(there):
            raise self.refusal(kernel, there.name, line(""))
        if need := self.lacking(there.capabilities):
            raise UnsupportedError(f"{kernel} cannot run on {there.name}: it has no {need}{line(need)}")

    def refusal(self, kernel: str, sent: str, line: str) -> UnsupportedError:
        """The error for a launch that was sent where its kernel does not go."""
        places = [*self.devices, *([f"{self.fallback} as a fallback"] if self.fallback else [])]
        return UnsupportedError(f"{kernel} runs on {', '.join(places)}, and was sent to {sent}{line}")

    def settle(self, kernel: str, attempt: Callable[[Device], Found], line: Callable[[str], str]) -> Found:
        """What `attempt` gives on the first device that is here, has what the kernel needs and takes it.

        Falling back is told each time. UnsupportedError names every device and why it will not do.
        """
        wanted = self.devices or (settings.current().device,)
        reasons: list[str] = []
        for name in (*wanted, *([self.fallback] if self.fallback else [])):
            there = _opened(name)
            if isinstance(there, str):
                reasons.append(f"{name}: {there}")
                continue
            if need := self.lacking(there.capabilities):
                reasons.append(f"{name} has no {need}{line(need)}")
                continue
            try:
                found = attempt(there)
            except (UnsupportedError, CompileError) as error:
                if isinstance(error, CompileError) and error.code != _GAP:
                    raise
                reasons.append(f"{name}: {error}")
                continue
            if name not in wanted:
                fell = FellBack(kernel, wanted, there.name, "; ".join(reasons))
                self.fallen[there.name] = fell
                self.tell(fell)
            return found
        raise UnsupportedError(f"{kernel} can run nowhere here:\n- " + "\n- ".join(reasons))

    @staticmethod
    def tell(fell: FellBack) -> None:
        """Say that a launch runs on a kernel's fallback: an event and a line of the log."""
        emit(fell)
        log = entry.load("logging:getLogger")("gyral")
        log.warning(
            "%s runs on %s, not on %s: %s", fell.kernel, fell.device, " or ".join(fell.wanted), fell.reason
        )

    def telling(self, fell: FellBack, launch: Callable[[], None]) -> Callable[[], None]:
        """A launch on the fallback that says so each time."""

        def told() -> None:
            self.tell(fell)
            launch()

        return told

    @staticmethod
    def line_of(function: Callable[..., Any], request: Any, need: str) -> str:
        """Where a kernel first uses what it needs, else where it is defined, in words that end a message."""
        span = targets.first_use(request, need) if need else None
        if span is None:
            code = functions_of(function)[0].__code__
            span = Span(code.co_filename, code.co_firstlineno, 0, code.co_firstlineno, 0)
        text = linecache.getline(span.file, span.line).strip()
        verb = ", needed at" if need else ", by"
        return f"{verb} {span.file}:{span.line}{f': {text}' if text else ''}"


def placement(
    kernel: str, devices: Any = None, fallback: Any = None, requires: Any = None
) -> Placement | None:
    """What a decorator says, checked; None when it says nothing. UserError for what makes no sense."""
    if devices is None and fallback is None and requires is None:
        return None
    wanted = tuple(_device_name(kernel, "devices", name) for name in _listed(kernel, "devices", devices))
    if devices is not None and not wanted:
        raise UserError(f"{kernel}: devices names no device; leave it out where any will do")
    other = "" if fallback is None else _device_name(kernel, "fallback", fallback)
    if other in wanted:
        raise UserError(f"{kernel}: {other!r} is among devices, so it is no fallback")
    needs = tuple(_need(kernel, need) for need in _listed(kernel, "requires", requires))
    return Placement(wanted, other, needs)


def _has(capabilities: Capabilities, need: str) -> bool:
    kind, _, dtype = need.partition(" ")
    if kind == "atomic":
        return BY_NAME[dtype] in capabilities.atomics
    return bool(capabilities.subgroup_sizes) if kind == "subgroups" else BY_NAME[kind] in capabilities.dtypes


def _same(name: str, there: Device) -> bool:
    """Whether a name means a device: without a number it means every device of its kind."""
    kind, _, number = name.partition(":")
    own = there.name.partition(":")[2]
    return kind == there.kind and (not number or int(number) == int(own or 0))


_missing: dict[str, str] = {}  # by name, why a device is not here: what is missing stays so


def _opened(name: str) -> Device | str:
    """A device, or why it is not here."""
    if name not in _missing:
        try:
            return device(name)
        except UnsupportedError as error:
            _missing[name] = str(error)
    return _missing[name]


def _listed(kernel: str, what: str, given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    if isinstance(given, (str, DType, Device)) or not isinstance(given, Iterable):
        raise UserError(f"{kernel}: {what} is a list, such as {what}=[{given!r}]")
    return tuple(given)


def _device_name(kernel: str, what: str, given: Any) -> str:
    name = given.name if isinstance(given, Device) else given
    kind, colon, number = str(name).partition(":")
    if not isinstance(name, str) or kind not in targets.TARGETS or (colon and not number.isdecimal()):
        known = ", ".join(row.kind for row in targets.TARGETS.values() if row.listed)
        raise UserError(f"{kernel}: {what} names {given!r}, which is no device; known kinds: {known}")
    return name


def _need(kernel: str, given: Any) -> str:
    name = given.name if isinstance(given, DType) else given
    kind, _, dtype = str(name).partition(" ")
    known = name == "subgroups" or name in BY_NAME or (kind == "atomic" and dtype in BY_NAME)
    if not isinstance(name, str) or not known:
        raise UserError(
            f"{kernel}: requires names {given!r}; it takes scalar types such as gy.f64, "
            '"subgroups" and "atomic f32"'
        )
    return name
