"""Fusing neighbours in a batch: which launches may run as one kernel, and the launch that does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from gyral.core.dtypes import ArrayType
from gyral.core.errors import CompileError, UnsupportedError, UserError
from gyral.jit.arguments import ArrayGiven
from gyral.jit.fuse import Fused, fuse
from gyral.jit.member import Member, Ready
from gyral.runtime.array import DeviceArray

_MOST = 16  # launches in one kernel

Structure: TypeAlias = tuple[Any, ...]
_Place: TypeAlias = tuple[Any, ...]


class Merger:
    """Puts launches together; remembers the kernels it made and where it could not go on."""

    def __init__(self) -> None:
        self._made: dict[Structure, Fused] = {}
        self._stops: dict[Structure, int] = {}
        self._kept: dict[Structure, set[str]] = {}

    def merge(self, launches: Sequence[Ready], temporaries: Sequence[DeviceArray]) -> list[Ready]:
        """The launches with neighbours fused, from the first on as many as go together."""
        found: list[Ready] = []
        at = 0
        while at < len(launches):
            count = _reach(launches[at:])
            made = None
            while made is None and count > 1:
                group = launches[at : at + count]
                made, count = self._fused(group, _own_temporaries(group, launches, temporaries))
            found.append(launches[at] if made is None else made)
            at += count
        return found

    def _fused(self, group: Sequence[Ready], temporaries: Sequence[DeviceArray]) -> tuple[Ready | None, int]:
        """The launch of a group, or None and how many of its first launches may be tried."""
        names, values, types = _named(group)
        structure = tuple(
            (ready.member.kernel, tuple(own.values())) for ready, own in zip(group, names, strict=True)
        )
        dropped = {
            name: types[name]
            for name, value in values.items()
            if any(value is each for each in temporaries) and name not in self._kept.get(structure, ())
        }
        key = (structure, tuple(dropped))
        if key in self._stops:
            return None, self._stops[key]
        try:
            if key not in self._made:
                pairs = [(ready.member.kernel, own) for ready, own in zip(group, names, strict=True)]
                self._made[key] = fuse(pairs, temporaries=dropped)
            return _member(self._made[key], group, values).prepare(), len(group)
        except CompileError as error:
            # The compiler is not imported for its class; what it says of the refusal are attributes.
            unfit, part = getattr(error, "temporary", None), getattr(error, "part", None)
            if unfit is not None:
                self._kept.setdefault(structure, set()).add(unfit)
                return None, len(group)
            self._stops[key] = part or 1
        except (UserError, UnsupportedError):
            self._stops[key] = max(1, len(group) // 2)
        return None, self._stops[key]


def _reach(launches: Sequence[Ready]) -> int:
    """How many of the first launches nothing in sight keeps apart."""
    first = launches[0]
    if not _plain(first):
        return 1
    arrays = list(first.arrays)
    written = {_place(a) for a in _written(first)}
    for count, ready in enumerate(launches[1:_MOST], start=1):
        member = ready.member
        alike = (
            _plain(ready)
            and ready.device is first.device
            and member.shape == first.member.shape
            and member.scope == first.member.scope
            and _blocks(member, first.member)
        )
        places = {_place(a) for a in arrays}
        if not alike or not any(_place(a) in places for a in ready.arrays):
            return count
        arrays += ready.arrays
        written |= {_place(a) for a in _written(ready)}
        if _entangled(arrays, written):
            return count
    return min(len(launches), _MOST)


def _plain(ready: Ready) -> bool:
    """Whether a launch is of a kind that may be fused: the same bits come out, and nothing is reported."""
    kernel, scope = ready.member.kernel, ready.member.scope
    fast = kernel.fastmath or scope.fastmath
    return not (fast or ready.signature.needs_record or kernel.placement is not None or scope.time_limit)


def _blocks(one: Member, other: Member) -> bool:
    """Whether two launches go in the same blocks."""
    ranks = len(one.shape)
    return one.kernel.block_for(one.block, ranks) == other.kernel.block_for(other.block, ranks)


def _place(array: ArrayGiven) -> _Place:
    return array.address, array.shape, array.strides, array.kind.elem


def _written(ready: Ready) -> list[ArrayGiven]:
    parameters = [p for p in ready.signature.parameters if hasattr(p, "writes")]
    return [a for a, p in zip(ready.arrays, parameters, strict=True) if getattr(p, "writes", False)]


def _entangled(arrays: Sequence[ArrayGiven], written: set[_Place]) -> bool:
    """Whether memory that is written is seen in two different ways."""
    return any(
        a.low < b.high
        and b.low < a.high
        and _place(a) != _place(b)
        and (_place(a) in written or _place(b) in written)
        for at, a in enumerate(arrays)
        for b in arrays[at + 1 :]
    )


def _own_temporaries(
    group: Sequence[Ready], launches: Sequence[Ready], temporaries: Sequence[DeviceArray]
) -> list[DeviceArray]:
    """The temporaries that no launch outside a group uses."""
    others = [r for r in launches if not any(r is each for each in group)]
    used = [a for ready in others for a in ready.arrays]
    own = []
    for each in temporaries:
        low, high = each.address, each.address + each.nbytes
        if not any(a.low < high and low < a.high for a in used):
            own.append(each)
    return own


def _named(
    group: Sequence[Ready],
) -> tuple[list[dict[str, str]], dict[str, Any], dict[str, ArrayType]]:
    """Names for the parameters of a group, one for each array and number; their values and arrays' types."""
    arrays: dict[_Place, str] = {}
    values: dict[str, Any] = {}
    types: dict[str, ArrayType] = {}
    names: list[dict[str, str]] = []
    for number, ready in enumerate(group):
        own: dict[str, str] = {}
        met: list[_Place] = []
        given = zip(ready.member.kernel.parameters, ready.given, ready.member.values, strict=True)
        for parameter, each, value in given:
            if isinstance(each, ArrayGiven):
                # A kernel given one array twice has two parameters there, in the fusion too.
                place = (_place(each), met.count(_place(each)))
                met.append(_place(each))
                name = arrays.setdefault(place, f"{parameter.name}.{len(arrays)}")
                types[name] = ArrayType(each.kind.elem, each.kind.rank)
            else:
                name = f"{number}.{parameter.name}"
            own[parameter.name] = name
            values.setdefault(name, value)
        names.append(own)
    return names, values, types


def _member(fused: Fused, group: Sequence[Ready], values: dict[str, Any]) -> Member:
    first = group[0].member
    block = next((r.member.block for r in group if r.member.block is not None), None)
    given = tuple(values[p.name] for p in fused.parameters)
    return Member(first.number, fused, first.shape, block, given, first.scope, group[0].device)
