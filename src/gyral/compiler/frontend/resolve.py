"""What names and attributes outside a function mean inside it; captured values are frozen."""

from __future__ import annotations

import ast
import builtins
from collections.abc import MutableMapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import Const, Datum, Host, Scalar, Text, Tuple, too_large
from gyral.compiler.words import Word
from gyral.core.dtypes import SCALARS, Array, DType, StructType, Vec, bf16

ABSENT: Any = object()
BY_FORMAT: dict[tuple[str, int], DType] = {
    ({"bool": "b", "int": "i", "uint": "u", "float": "f"}[t.kind], t.itemsize): t
    for t in SCALARS
    if t is not bf16
}


def resolve_global(f: Frame, node: ast.Name) -> Datum:
    """A name that the function does not assign: a captured value, a module's name or a builtin."""
    found = outside(f.fn, node.id)
    if found is ABSENT:
        if node.id.startswith("$"):
            raise LookupError(node.id)
        f.refuse(codes.UNKNOWN_NAME, node, name=node.id, hint=_near(f, node.id))
    return lift(f, found, node.id, node)


def outside(fn: Any, name: str) -> Any:
    """The object a name means outside the function's own names, or ABSENT."""
    code = fn.__code__
    if name in code.co_freevars:
        try:
            return fn.__closure__[code.co_freevars.index(name)].cell_contents
        except ValueError:
            return ABSENT
    found = fn.__globals__.get(name, ABSENT)
    return getattr(builtins, name, ABSENT) if found is ABSENT else found


def lift(f: Frame, obj: Any, name: str, node: ast.AST) -> Datum:
    """A Python object as the kernel sees it; refused when it could change under the kernel."""
    if isinstance(obj, (bool, int, float)):
        if too_large(obj):
            what = f"{name!r}, an integer of {int(obj).bit_length()} bits,"
            f.refuse(codes.LITERAL_RANGE, node, value=what, dtype="any type")
        _freeze(f, obj, name, node)
        if type(obj).__module__ == "numpy":
            return _numpy_scalar(f, obj)
        return Const(obj if isinstance(obj, bool) else float(obj) if isinstance(obj, float) else int(obj))
    if isinstance(obj, tuple):
        _freeze(f, obj, name, node)
        return Tuple(tuple(lift(f, item, f"{name}[{k}]", node) for k, item in enumerate(obj)))
    if isinstance(obj, (DType, Vec, StructType)):
        _freeze(f, obj, name, node)
        return Host(obj)
    if isinstance(obj, type) and isinstance(getattr(obj, "__gyral_struct__", None), StructType):
        return Host(obj.__gyral_struct__)
    if isinstance(obj, (type, ModuleType, FunctionType, BuiltinFunctionType, Word)):
        return Host(obj)
    if isinstance(obj, str):
        return Text(obj)
    if type(obj).__module__ == "numpy" and hasattr(obj, "dtype"):
        if getattr(obj, "ndim", 1) == 0 and hasattr(obj, "item") and not hasattr(obj, "__setitem__"):
            _freeze(f, obj, name, node)
            return _numpy_scalar(f, obj)
        if callable(obj):
            return Host(obj)
        f.refuse(codes.MUTABLE_CAPTURE, node, name=name, what="an array")
    if callable(obj) or hasattr(obj, "__gyral_func__") or hasattr(obj, "__gyral_kernel__"):
        return Host(obj)
    f.refuse(codes.MUTABLE_CAPTURE, node, name=name, what=_kind(obj))


def _kind(obj: object) -> str:
    if obj is None:
        return "None"
    name = type(obj).__name__
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _numpy_scalar(f: Frame, obj: Any) -> Datum:
    """A NumPy scalar keeps its type."""
    dtype = BY_FORMAT.get((obj.dtype.kind, obj.dtype.itemsize))
    if dtype is None:
        return Host(obj)
    return Scalar(f.const(dtype, obj.item()))


def _freeze(f: Frame, obj: Any, name: str, node: ast.AST) -> None:
    """Keep the value of the first compile; a later one must see the same."""
    old = frozen_value(f.unit.frozen, f.fn, name, obj)
    if old is not obj and (type(old) is not type(obj) or repr(old) != repr(obj)):
        f.refuse(codes.CAPTURE_CHANGED, node, name=name, old=old, new=obj)


def frozen_value(frozen: MutableMapping[tuple[str, str], Any], fn: Any, name: str, obj: Any) -> Any:
    """The value of a captured name at the first compile; this is it when there was none."""
    return frozen.setdefault((f"{fn.__module__}.{fn.__qualname__}", name), obj)


def attribute(f: Frame, owner: Any, name: str, node: ast.AST) -> Datum:
    """An attribute of a module, a class or another host object."""
    if isinstance(owner, ModuleType) or isinstance(owner, type):
        found = getattr(owner, name, ABSENT)
        if found is ABSENT:
            what = f"the {'module' if isinstance(owner, ModuleType) else 'class'} {owner.__name__}"
            f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=what, name=name, advice="check its spelling")
        return lift(f, found, f"{owner.__name__}.{name}", node)
    what = f"this {type(owner).__name__}"
    f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=what, name=name, advice="pass the value as a parameter")


def subscript(f: Frame, owner: Any, key: Datum, node: ast.AST) -> Datum:
    """`gy.Vec[gy.f32, 3]`, the one host object that kernels index."""
    if owner is Vec and isinstance(key, Tuple) and len(key.items) == 2:
        elem, size = key.items
        if isinstance(elem, Host) and isinstance(elem.obj, DType) and isinstance(size, Const):
            return Host(Vec(elem.obj, int(size.value)))
    what = "gy.Array" if owner is Array else "this object"
    f.refuse(codes.NOT_INDEXABLE, node, what=what)


def _near(f: Frame, name: str) -> str:
    """A spelling that exists, for a name that does not."""
    lowered = name.lower()
    known = [*f.names, *f.fn.__globals__, *dir(builtins)]
    found = next((k for k in known if k.lower() == lowered and not k.startswith("$")), "")
    return f" (did you mean {found!r}?)" if found else ""
