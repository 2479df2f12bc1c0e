"""Plans for the native launch path: what arguments of a specialisation look like, told to C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gyral.core import native
from gyral.core.artifact import ALIGNED, FOLDED, ArrayParameter, ScalarParameter, Signature
from gyral.core.dtypes import ArrayType, DType, ElementType, StaticType, StructType, Vec, alignment, leaves
from gyral.jit.arguments import Kind, StaticValue, Weak
from gyral.jit.parameters import Parameter
from gyral.jit.scalars import leaves_of
from gyral.runtime.elements import numpy_of

_FLOATS: tuple[type, ...] = (np.float64, np.float32, np.int64, np.int32)
_INTEGERS: tuple[type, ...] = (np.int64, np.int32, np.uint32, np.uint8)
_WEAK = {Weak.FLOAT: "f", Weak.INT: "i", Weak.BOOL: "b"}


def dispatch_plan(
    program: Any,
    driver: Any,
    kinds: Sequence[tuple[Kind, bool]],
    requested: tuple[int, ...] | None,
    counts: tuple[int, int] | None = None,
) -> Any:
    """A plan that takes exactly the launches this specialisation was compiled for.

    `kinds` as `plan_kinds` gives them; every kind is plain. `requested` is the block the launch named, None
    when it named none. `counts`: the fewest and the most threads of launches it is for, None for any.
    None for a program on another device than the CPU that checks or prints: Python reads its records.
    """
    signature: Signature = program.signature
    options = signature.options
    writes = [p for p in signature.parameters if isinstance(p, ArrayParameter) and p.writes]
    common: dict[str, Any] = {
        "requested": None if requested is None else right_aligned(requested),
        "index_bits": options.index_bits,
        "noalias": options.noalias if writes else None,
        "counts": counts,
    }
    shape = signature.rank, signature.item
    if has_launcher(driver):
        if signature.needs_record:
            return None
        wide = driver.capabilities.wide_access if ALIGNED in options.features else 1
        params = _params(signature, kinds, partial(_device_array, wide))
        function, shared = driver.entry(program)
        common |= {"shared_bytes": shared, "coarse": signature.coarse, "folded": FOLDED in options.features}
        return native.require().DevicePlan(driver.launcher, program, function, params, *shape, **common)
    return native.require().Plan(
        program.code,
        _params(signature, kinds, _array),
        *shape,
        block=right_aligned(options.block),
        scratch_bytes=signature.scratch_bytes,
        record=signature.needs_record,
        cost_ns=signature.cost_ns,
        **common,
    )


def has_launcher(driver: Any) -> bool:
    """Whether a driver's programs are launched by the native module (`core.driver.NativeLaunches`)."""
    # Asked for every launch that the native path left to Python, where `isinstance` would cost too much.
    return getattr(driver, "launcher", None) is not None


def bound(plan: Any, shape: tuple[int, ...], args: tuple[Any, ...], otherwise: Callable[[], None]) -> Any:
    """A launch that a plan checks once; `otherwise` launches it where the plan's device must not.

    TypeError for arguments that the plan does not take.
    """
    launcher = getattr(plan, "launcher", None)
    return plan.bind(shape, args) if launcher is None else plan.bind(shape, args, otherwise)


def fits_plan(parameters: Sequence[Parameter], kinds: Sequence[Kind]) -> bool:
    """Whether the native launch path can check and pack arguments of these kinds by itself."""
    for parameter, kind in zip(parameters, kinds, strict=True):
        if isinstance(kind, ArrayType) and _has_bf16(kind.elem):
            return False
        if isinstance(kind, (Vec, StructType)) and parameter.accepts is None:
            return False
    return True


def _has_bf16(t: ElementType) -> bool:
    """Whether bf16 stands anywhere in an element; the buffer protocol has no name for it."""
    if isinstance(t, StructType):
        return any(_has_bf16(inner) for _, inner in t.fields)
    return (t.elem if isinstance(t, Vec) else t).name == "bf16"


def plan_kinds(parameters: Sequence[Parameter], kinds: Sequence[Kind]) -> list[tuple[Kind, bool]]:
    """The kind of each argument of a plan, and whether its parameter has no annotation."""
    found: list[tuple[Kind, bool]] = []
    for parameter, kind in zip(parameters, kinds, strict=True):
        if isinstance(kind, (Vec, StructType)):
            found += [(leaf.dtype, False) for leaf in leaves(kind)]
        elif not isinstance(kind, StaticValue):
            found.append((kind, parameter.accepts is None))
    return found


def plan_arguments(parameters: Sequence[Parameter], values: Sequence[Any]) -> tuple[Any, ...]:
    """A call's arguments as a plan takes them: static ones left out, vectors and structs as their numbers.

    UserError for a value that is no vector or struct of its parameter.
    """
    found: list[Any] = []
    for parameter, value in zip(parameters, values, strict=True):
        accepts = parameter.accepts
        if isinstance(accepts, (Vec, StructType)):
            found += leaves_of(parameter.name, accepts, value)[0]
        elif not isinstance(accepts, StaticType):
            found.append(value)
    return tuple(found)


def right_aligned(extents: tuple[int, ...]) -> tuple[int, int, int]:
    """Extents for the three axes of a frame, ones in front."""
    padded = (1, 1, 1, *extents)
    return padded[-3], padded[-2], padded[-1]


def _params(
    signature: Signature,
    kinds: Sequence[tuple[Kind, bool]],
    array: Callable[[ArrayParameter, bool], tuple[Any, ...]],
) -> tuple[tuple[Any, ...], ...]:
    unit = iter(signature.options.unit_stride)
    return tuple(
        array(parameter, next(unit))
        if isinstance(parameter, ArrayParameter)
        else _scalar(parameter, kind, is_bare)
        for parameter, (kind, is_bare) in zip(signature.parameters, kinds, strict=True)
    )


def _device_array(wide: int, parameter: ArrayParameter, unit: bool) -> tuple[Any, ...]:
    """`wide`: bytes to which the code was promised that arrays and their rows are aligned."""
    elem = parameter.elem
    aligned = max(wide, alignment(elem))
    return ("device", elem, elem.itemsize, parameter.rank, unit, aligned, parameter.writes)


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
