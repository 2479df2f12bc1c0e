"""Kernels that run as one, without what they hand to each other going through memory: `gyral.fuse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

from gyral.core.dtypes import Array, ArrayType, DType, GenericInput, StructType, Vec
from gyral.core.errors import UserError
from gyral.jit.arguments import ArrayGiven, Given
from gyral.jit.chain import Chain, Link
from gyral.jit.kernel import Block, Kernel
from gyral.jit.parameters import REQUIRED, Parameter
from gyral.jit.specialise import Spec, spell
from gyral.runtime.device import Device

Member: TypeAlias = Kernel | tuple[Kernel, Mapping[str, str]]
"""A kernel, or one whose parameters go by other names in the fusion: own name -> name there."""


class Fused(Kernel):
    """Several kernels as one, launched like any kernel. Made by `gyral.fuse`."""

    def __init__(self, chain: Chain, parameters: tuple[Parameter, ...], options: Mapping[str, Any]) -> None:
        self.chain = chain
        self._united = parameters
        super().__init__(chain, **{k: v for k, v in options.items() if k != "placement"})
        self.placement = options["placement"]
        self.__doc__ = (
            f"Runs {', then '.join(link.function.__name__ for link in chain.links)} in each thread."
        )

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of all kernels; those of one name are one, temporaries are none."""
        return self._united

    def variation(self, block: tuple[int, ...], tile: tuple[int, ...]) -> Kernel:
        """The same fusion with a block or tile of the tuner's, () for none, which does not ask the tuner."""
        options = {option: getattr(self, option) for option in _OPTIONS}
        made = Fused(self.chain, self._united, options | {"block": block or None, "tile": tile or None})
        made._programs, made.tunable = self._programs, False
        return made

    def _prepare_on(
        self, there: Device, shape: tuple[int, ...], block: Block, given: Sequence[Given]
    ) -> tuple[Device, Spec, Any]:
        arrays = [g for g in given if isinstance(g, ArrayGiven)]
        meeting = [
            (a, b)
            for at, a in enumerate(arrays)
            for b in arrays[at + 1 :]
            if a.low < b.high and b.low < a.high
        ]
        if meeting:
            kinds = tuple(g.kind for g in given)
            if self._programs.writes(kinds) is None:
                # Which arrays are written decides what may be fused, and is known once it was compiled.
                super()._prepare_on(there, shape, block, _set_apart(given))
            written = dict(zip((a.name for a in arrays), self._programs.writes(kinds) or (), strict=True))
            for a, b in meeting:
                if (written[a.name] or written[b.name]) and not _same(a, b):
                    raise UserError(
                        f"arguments {a.name!r} and {b.name!r} of {self.name}() overlap and are not the same "
                        "array, and kernels that run as one keep no order between them; give a copy"
                    )
        return super()._prepare_on(there, shape, block, given)

    def _is_native(self, there: Device, spec: Spec, given: Sequence[Given]) -> bool:
        # The native path knows overlapping from apart, and not the same from shifted.
        return spec.options.noalias and super()._is_native(there, spec, given)


_OPTIONS = ("block", "fastmath", "check", "downcast", "placement")


def fuse(
    kernels: Sequence[Member],
    *,
    temporaries: Sequence[str] | Mapping[str, Any] = (),
    name: str | None = None,
) -> Fused:
    """One kernel that does the work of several, one after another in each thread: one pass over the data.

    Parameters of the same name are one parameter; a member `(kernel, {"own": "name"})` renames. What is named
    in `temporaries`, arrays that one kernel writes and the next ones read, is no parameter any more and never
    reaches memory; where its annotation leaves the type open, a mapping says it: `{"t": gy.f32}`.

    The kernels are launched over one shape. Where a kernel reads what another thread of one before it wrote,
    or writes what another thread read, the first launch raises CompileError GY701 with both lines.
    UserError when the members do not fit together.
    """
    united = _Union(dict(temporaries) if isinstance(temporaries, Mapping) else dict.fromkeys(temporaries))
    for member in kernels:
        kernel, renamed = member if isinstance(member, tuple) else (member, {})
        if not isinstance(kernel, Kernel):
            raise UserError(f"fuse takes kernels, and {kernel!r} is none")
        united.add(kernel, renamed)
    if not united.members:
        raise UserError("fuse takes at least one kernel")
    return united.finish(name or "+".join(kernel.name for kernel in united.members))


@dataclass(slots=True)
class _Union:
    """The parameters of several kernels, by name."""

    asked: dict[str, Any]
    members: list[Kernel] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    found: dict[str, Parameter] = field(default_factory=dict)
    inner: dict[str, ArrayType] = field(default_factory=dict)

    def add(self, kernel: Kernel, renamed: Mapping[str, str]) -> None:
        """Join a kernel's parameters with those before; a fused one brings its links."""
        own = {p.name for p in kernel.parameters}
        unknown = sorted(set(renamed) - own)
        if unknown:
            raise UserError(f"{kernel.name} has no parameter {unknown[0]!r} to be renamed")
        names = {p.name: renamed.get(p.name, p.name) for p in kernel.parameters}
        if len(set(names.values())) < len(names):
            raise UserError(f"two parameters of {kernel.name} would be called the same: {names}")
        for parameter in kernel.parameters:
            self.join(kernel, replace(parameter, name=names[parameter.name]))
        if isinstance(kernel, Fused):
            for name, kind in kernel.chain.temporaries:
                names[name] = f"{len(self.members)}.{name}"
                self.inner[names[name]] = kind
            links = kernel.chain.links
        else:
            links = (Link(kernel.__gyral_kernel__, kernel.fixed_rank, tuple(names)),)
        for link in links:
            self.links.append(replace(link, parameters=tuple(names[p] for p in link.parameters)))
        self.members.append(kernel)

    def join(self, kernel: Kernel, parameter: Parameter) -> None:
        """One parameter with those of its name."""
        before = self.found.get(parameter.name)
        if before is None:
            self.found[parameter.name] = parameter
            return
        accepts = _united(before.accepts, parameter.accepts)
        if accepts is _NEITHER:
            raise UserError(
                f"{parameter.name!r} is {_shown(parameter.accepts)} in {kernel.name} and "
                f"{_shown(before.accepts)} in a kernel before it; rename one, or annotate both alike"
            )
        default = before.default if before.default is not REQUIRED else parameter.default
        self.found[parameter.name] = replace(before, accepts=accepts, default=default)

    def finish(self, name: str) -> Fused:
        """The fusion. UserError for temporaries that are no arrays of known type."""
        for temporary, kind in self.asked.items():
            if temporary not in self.found:
                raise UserError(f"no kernel has a parameter {temporary!r} that could be a temporary")
            self.inner[temporary] = _array_type(temporary, self.found.pop(temporary).accepts, kind)
        parameters = tuple(self.found.values())
        # A parameter without a default cannot follow one that has, so those come first.
        parameters = tuple(sorted(parameters, key=lambda p: p.default is not REQUIRED))
        temporaries = tuple(self.inner.items())
        functions = list(dict.fromkeys(link.function for link in self.links))
        words = [[functions.index(link.function), link.rank, link.parameters] for link in self.links]
        order = [p.name for p in parameters]
        spelling = f"chain {words} {order} {[(n, spell(t)) for n, t in temporaries]}"
        chain = Chain(name, tuple(self.links), tuple(order), temporaries, spelling)
        return Fused(chain, parameters, {option: _agreed(name, option, self.members) for option in _OPTIONS})


_NEITHER = object()


def _united(one: Any, other: Any) -> Any:
    """The annotation that stands for two of one parameter, `_NEITHER` where they disagree."""
    if one == other:
        return one
    arrays = (ArrayType, GenericInput)
    is_array = [isinstance(a, arrays) or a is Array for a in (one, other)]
    if not any(is_array) or not all(
        known or a is None for known, a in zip(is_array, (one, other), strict=True)
    ):
        return _NEITHER
    typed = [a for a in (one, other) if isinstance(a, ArrayType)]
    readonly = all(isinstance(a, GenericInput) or getattr(a, "readonly", False) for a in (one, other))
    if not typed:
        return GenericInput() if readonly else Array
    if len({(a.elem, a.rank) for a in typed}) > 1:
        return _NEITHER
    return replace(typed[0], readonly=readonly)


def _array_type(name: str, accepts: Any, asked: Any) -> ArrayType:
    if isinstance(asked, ArrayType):
        return replace(asked, readonly=False)
    if isinstance(accepts, ArrayType):
        if asked is not None and asked != accepts.elem:
            raise UserError(f"the temporary {name!r} is {_shown(accepts)} in its kernels, not of {asked}")
        return replace(accepts, readonly=False)
    if accepts is not None and accepts is not Array and not isinstance(accepts, GenericInput):
        raise UserError(f"{name!r} is {_shown(accepts)}, and only arrays are temporaries")
    if isinstance(asked, (DType, Vec, StructType)):
        return ArrayType(asked)
    raise UserError(
        f"nothing says what the temporary {name!r} holds; annotate it, "
        f"or give temporaries={{{name!r}: gy.f32}}"
    )


def _agreed(name: str, option: str, members: Sequence[Kernel]) -> Any:
    """An option that all members have alike, or that some leave open."""
    said = {getattr(kernel, option) for kernel in members}
    if option in ("block", "check", "placement"):
        said.discard(None)
    if len(said) > 1:
        shown = ", ".join(f"{kernel.name} has {option}={getattr(kernel, option)!r}" for kernel in members)
        raise UserError(f"{name} cannot run as one: {shown}")
    return next(iter(said), None)


def _same(a: ArrayGiven, b: ArrayGiven) -> bool:
    return (a.address, a.shape, a.strides) == (b.address, b.shape, b.strides)


def _set_apart(given: Sequence[Given]) -> list[Given]:
    """The same arguments at made-up addresses that do not meet."""
    end, moved = 0, []
    for each in given:
        if isinstance(each, ArrayGiven):
            by = end + (-end) % 4096 - each.low
            end = each.high + by
            each = replace(each, address=each.address + by, low=each.low + by, high=end)
        moved.append(each)
    return moved


def _shown(accepts: Any) -> str:
    if accepts is None:
        return "without annotation"
    return "an array" if accepts is Array else repr(accepts)
