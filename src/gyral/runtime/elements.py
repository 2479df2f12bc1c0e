"""Element types of kernels as NumPy dtypes, and back."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any, Final

import numpy as np

from gyral.core.dtypes import SCALARS, DType, ElementType, StructType, Vec
from gyral.core.errors import UnsupportedError

_OF_KIND: Final = {
    (t.kind[0] if t.kind != "bool" else "b", t.itemsize): t
    for t in SCALARS
    if t.name not in ("bf16", "index")
}
_KINDS: Final = {"b": "b", "i": "i", "u": "u", "f": "f"}
_structs: dict[Any, StructType] = {}


@cache
def numpy_of(t: ElementType) -> np.dtype[Any]:
    """The NumPy dtype with the layout kernels use. UnsupportedError for bf16 without ml_dtypes."""
    if isinstance(t, Vec):
        return np.dtype((numpy_of(t.elem), (t.size,)))
    if isinstance(t, StructType):
        rows = t.offsets()
        return np.dtype(
            {
                "names": [name for name, _, _ in rows],
                "formats": [numpy_of(inner) for _, _, inner in rows],
                "offsets": [offset for _, offset, _ in rows],
                "itemsize": t.itemsize,
            },
            align=True,
        )
    if t.name == "bf16":
        return _bfloat16()
    return np.dtype(t.code)


def scalar_of(dtype: np.dtype[Any]) -> DType | None:
    """The scalar type of a NumPy dtype, byte order aside; None where kernels have none."""
    if dtype.name == "bfloat16":
        return next(t for t in SCALARS if t.name == "bf16")
    if dtype.kind not in _KINDS:
        return None
    return _OF_KIND.get((dtype.kind, dtype.itemsize))


def element_of(dtype: np.dtype[Any]) -> ElementType | None:
    """The element type of a NumPy dtype; a structured one is known once its struct was declared."""
    return _structs.get(dtype) if dtype.names else scalar_of(dtype)


def declare(struct: StructType) -> None:
    """Let arrays with the struct's dtype be recognised where a parameter does not say its type."""
    if _storable(struct):
        _structs[numpy_of(struct)] = struct


def _storable(t: ElementType) -> bool:
    if isinstance(t, StructType):
        return all(_storable(inner) for _, inner in t.fields)
    return (t.elem if isinstance(t, Vec) else t).name != "bf16" or "ml_dtypes" in sys.modules


def same_layout(dtype: np.dtype[Any], t: ElementType) -> bool:
    """Whether arrays of a NumPy dtype hold elements of the type, in this machine's byte order."""
    if not dtype.isnative:
        return False
    if isinstance(t, DType):
        return scalar_of(dtype) == t
    if isinstance(t, Vec):
        return dtype.subdtype is not None and dtype == numpy_of(t)
    return dtype == numpy_of(t)


def _bfloat16() -> np.dtype[Any]:
    # ml_dtypes is optional; the one place that needs it asks for it when a bf16 array is first made.
    try:
        module = __import__("ml_dtypes")
    except ImportError as error:
        raise UnsupportedError(
            "NumPy has no bf16 of its own: install gyral[bf16], which brings ml_dtypes"
        ) from error
    return np.dtype(module.bfloat16)
