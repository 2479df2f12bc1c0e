"""DLPack's structs and capsules: the memory layout by which array libraries hand arrays to one another.

Laid out after DLPack 1.1, both the versioned form and the older one. What is given away is held here until
its taker calls the deleter. Takers may do so from any thread, and some do so after the interpreter is gone:
so that they find nothing to call then, deleters are withdrawn when it ends.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.core.errors import UserError

VERSION = (1, 1)
READ_ONLY, COPIED = 1, 2
_PLAIN, _VERSIONED = b"dltensor", b"dltensor_versioned"
_USED = {_PLAIN: b"used_dltensor", _VERSIONED: b"used_dltensor_versioned"}
_CODES = {"i": 0, "u": 1, "f": 2, "bf": 4, "bool": 6}
_NAMES = {0: "int", 1: "uint", 2: "float", 3: "opaque", 4: "bfloat", 5: "complex", 6: "bool"}


class _Device(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("number", ctypes.c_int32)]


class _DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _ManagedVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


@dataclass(frozen=True, slots=True)
class Shared:
    """An array between libraries: where it lies, what it holds, and what keeps it alive.

    `code` and `bits` are the element's: "i", "u", "f", "bf" or "bool". Strides are in elements.
    """

    address: int
    device: tuple[int, int]
    code: str
    bits: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    flags: int
    owner: Any


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _python(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the interpreter, typed for us alone: ctypes shares those it is asked for by name."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_new = _python("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_is_valid = _python("PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_pointer = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_rename = _python("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_keep_for_ever = _python("Py_IncRef", None, ctypes.py_object)
# A capsule that is being dropped must not be referred to again: by address.
_is_valid_at = _python("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_pointer_at = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)

# Single operations on a dictionary need no lock, under which garbage might be collected and come back here.
_given: dict[int, tuple[Any, ...]] = {}


def give(shared: Shared, versioned: bool) -> Any:
    """A capsule that hands an array away, its owner held until the taker lets go of it."""
    extents = (ctypes.c_int64 * max(1, len(shared.shape)))(*shared.shape)
    steps = (ctypes.c_int64 * max(1, len(shared.shape)))(*shared.strides)
    tensor = _Tensor(
        shared.address,
        _Device(*shared.device),
        len(shared.shape),
        _DataType(_CODES[shared.code], shared.bits, 1),
        extents,
        steps,
        0,
    )
    deleter = ctypes.cast(_on_delete, ctypes.c_void_p)
    managed: Any
    if versioned:
        managed = _ManagedVersioned(*VERSION, None, deleter, shared.flags, tensor)
    else:
        managed = _Managed(tensor, None, deleter)
    address = ctypes.addressof(managed)
    _given[address] = managed, extents, steps, shared.owner
    return _new(address, _VERSIONED if versioned else _PLAIN, _on_drop)


def take(capsule: Any) -> Shared:
    """The array in a capsule, which is ours from now on. UserError for what is none, or of a later DLPack."""
    name = next((n for n in (_VERSIONED, _PLAIN) if _is_valid(capsule, n)), None)
    if name is None:
        raise UserError("the object is no DLPack capsule, or somebody took its array already")
    address = _pointer(capsule, name)
    flags = 0
    if name == _VERSIONED:
        managed = _ManagedVersioned.from_address(address)
        release = _release_of(address, managed.deleter)
        if managed.major != VERSION[0]:
            version = f"{managed.major}.{managed.minor}"
            raise UserError(f"the array is handed over by DLPack {version}, and {VERSION[0]}.x is understood")
        flags = managed.flags
    else:
        managed = _Managed.from_address(address)
        release = _release_of(address, managed.deleter)
    tensor: _Tensor = managed.tensor
    _rename(capsule, _USED[name])
    owner = Taken(release)
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim)) if tensor.strides else _packed(shape)
    return Shared(
        (tensor.data or 0) + tensor.byte_offset,
        (tensor.device.kind, tensor.device.number),
        _code_of(tensor.dtype),
        tensor.dtype.bits,
        shape,
        strides,
        flags,
        owner,
    )


class Taken:
    """Another library's array: it is told to let go of it when this is dropped."""

    __slots__ = ("_release",)

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release

    def __del__(self) -> None:
        self._release()


def _release_of(address: int, deleter: int | None) -> Callable[[], None]:
    if not deleter:
        return lambda: None
    function = _Deleter(deleter)
    return lambda: function(address)


def _code_of(dtype: _DataType) -> str:
    """The element's code. UserError names what kernels do not have."""
    found = next((code for code, number in _CODES.items() if number == dtype.code), None)
    if found is None or dtype.lanes != 1:
        name = _NAMES.get(dtype.code, f"type code {dtype.code} with ")
        lanes = f"x{dtype.lanes}" if dtype.lanes != 1 else ""
        raise UserError(f"kernels have no element type for DLPack's {name}{dtype.bits}{lanes}")
    return found


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


@_Deleter
def _on_delete(address: int, given: dict[int, Any] = _given) -> None:
    """A taker is done with an array."""
    given.pop(address, None)


@_Destructor
def _on_drop(capsule: int, names: Any = (_VERSIONED, _PLAIN), given: dict[int, Any] = _given) -> None:
    """A capsule is dropped: if nobody took its array, it is ours to let go of."""
    for name in names:
        if _is_valid_at(capsule, name):
            given.pop(_pointer_at(capsule, name), None)


# Capsules may be dropped, and deleters called, while the interpreter takes itself apart.
for _lasting in (_on_delete, _on_drop, _PLAIN, _VERSIONED, *_USED.values()):
    _keep_for_ever(_lasting)


@atexit.register
def _withdraw() -> None:
    """Whoever has an array of ours when the interpreter is gone finds no deleter, and the array alive."""
    for held in list(_given.values()):
        held[0].deleter = None
        _keep_for_ever(held)
