"""Plans for the native launch path: what arguments of a specialisation look like, told to C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gyral.core import native
from gyral.core.artifact import ArrayParameter, ScalarParameter, Signature
from gyral.core.dtypes import DType, Vec, alignment
from gyral.jit.arguments import Kind, Weak
from gyral.runtime.elements import numpy_of

_FLOATS: tuple[type, ...] = (np.float64, np.float32, np.int64, np.int32)
_INTEGERS: tuple[type, ...] = (np.int64, np.int32, np.uint32, np.uint8)
_WEAK = {Weak.FLOAT: "f", Weak.INT: "i", Weak.BOOL: "b"}


def dispatch_plan(
    code: Any,
    signature: Signature,
    kinds: Sequence[Kind],
    bare: Sequence[bool],
    requested: tuple[int, ...] | None,
) -> Any:
    """A plan that takes exactly the launches this specialisation was compiled for.

    `kinds` and `bare` (no annotation) are per argument; every kind is plain. `requested` is the block the
    launch named, None when it named none.
    """
    options = signature.options
    unit = iter(options.unit_stride)
    params = []
    for parameter, kind, is_bare in zip(signature.parameters, kinds, bare, strict=True):
        if isinstance(parameter, ArrayParameter):
            params.append(_array(parameter, next(unit)))
        else:
            params.append(_scalar(parameter, kind, is_bare))
    writes = [p for p in signature.parameters if isinstance(p, ArrayParameter) and p.writes]
    return native.require().Plan(
        code,
        tuple(params),
        signature.rank,
        signature.item,
        block=right_aligned(options.block),
        requested=None if requested is None else right_aligned(requested),
        index_bits=options.index_bits,
        noalias=options.noalias if writes else None,
        scratch_bytes=signature.scratch_bytes,
        record=signature.needs_record,
        cost_ns=signature.cost_ns,
    )


def right_aligned(extents: tuple[int, ...]) -> tuple[int, int, int]:
    """Extents for the three axes of a frame, ones in front."""
    padded = (1, 1, 1, *extents)
    return padded[-3], padded[-2], padded[-1]


def _array(parameter: ArrayParameter, unit: bool) -> tuple[Any, ...]:
    elem = parameter.elem
    if isinstance(elem, Vec):
        form, size, inner = elem.elem.name, elem.elem.itemsize, (elem.size,)
    elif isinstance(elem, DType):
        form, size, inner = elem.name, elem.itemsize, ()
    else:
        form, size, inner = memoryview(np.empty(0, numpy_of(elem)).data).format, elem.itemsize, ()
    return ("array", form, size, parameter.rank, inner, unit, alignment(elem), parameter.writes)


def _scalar(parameter: ScalarParameter, kind: Kind, bare: bool) -> tuple[Any, ...]:
    name = parameter.dtype.name
    if isinstance(kind, Weak):
        return ("scalar", name, _WEAK[kind], ())
    if bare:
        return ("scalar", name, "", (numpy_of(parameter.dtype).type,))
    if parameter.dtype.is_float:
        return ("scalar", name, "fib", _FLOATS)
    if parameter.dtype.kind == "bool":
        return ("scalar", name, "b", (np.bool_,))
    return ("scalar", name, "ib", _INTEGERS)
