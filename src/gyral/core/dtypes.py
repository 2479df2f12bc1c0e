"""The types a kernel can name: scalars, short vectors, structs, and the `Array` annotation.

They serve as annotations on the host, as conversions inside kernels, and as the types of the IR.
"""

from __future__ import annotations

import struct as _struct
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["bool", "int", "uint", "float", "index"]


@dataclass(frozen=True, slots=True)
class DType:
    """A scalar type. `code` is its buffer-protocol format character ("" where there is none)."""

    name: str
    kind: Kind
    bits: int
    code: str

    @property
    def itemsize(self) -> int:
        """Bytes one value takes in memory."""
        return max(8, self.bits) // 8

    @property
    def is_float(self) -> bool:
        """Whether this is a floating-point type."""
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """Whether this is a signed, unsigned or index integer (`bool_` is not)."""
        return self.kind in ("int", "uint", "index")

    @property
    def is_signed(self) -> bool:
        """Whether values can be negative; `index` counts as signed."""
        return self.kind in ("int", "index", "float")

    def bounds(self) -> tuple[int, int]:
        """Lowest and highest value of an integer type (of 64 bits for `index`)."""
        if self.kind == "bool":
            return 0, 1
        if self.kind == "uint":
            return 0, (1 << self.bits) - 1
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    def wrap(self, value: int) -> int:
        """`value` reduced into the range of this integer type, two's complement."""
        masked = value & ((1 << self.bits) - 1)
        return masked - (1 << self.bits) if self.kind == "int" and masked >> (self.bits - 1) else masked

    def __call__(self, value: Any) -> bool | int | float:
        """Convert a host number as a kernel would: integers wrap, floats round, NaN to integer is 0."""
        if self.kind == "bool":
            return bool(value)
        if self.is_float:
            return round_float(self, float(value))
        if isinstance(value, float):
            return saturate(self, value)
        return self.wrap(int(value))

    def __repr__(self) -> str:
        return self.name


bool_ = DType("bool", "bool", 1, "?")
i8, i16 = DType("i8", "int", 8, "b"), DType("i16", "int", 16, "h")
i32, i64 = DType("i32", "int", 32, "i"), DType("i64", "int", 64, "q")
u8, u16 = DType("u8", "uint", 8, "B"), DType("u16", "uint", 16, "H")
u32, u64 = DType("u32", "uint", 32, "I"), DType("u64", "uint", 64, "Q")
f16, bf16 = DType("f16", "float", 16, "e"), DType("bf16", "float", 16, "")
f32, f64 = DType("f32", "float", 32, "f"), DType("f64", "float", 64, "d")
index = DType("index", "index", 64, "")

SCALARS: tuple[DType, ...] = (bool_, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64)
BY_NAME: dict[str, DType] = {t.name: t for t in (*SCALARS, index)}


def round_float(dtype: DType, value: float) -> float:
    """`value` rounded to nearest-even in a float type; overflow gives an infinity."""
    if dtype.bits == 64 or value != value or value in (float("inf"), float("-inf")):
        return value
    if dtype.name == "bf16":
        return _round_bf16(value)
    code = "<f" if dtype.bits == 32 else "<e"
    try:
        return _struct.unpack(code, _struct.pack(code, value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _round_bf16(value: float) -> float:
    """Round an f64 to bfloat16 once (not through f32, which would round twice)."""
    bits = int.from_bytes(_struct.pack("<d", value), "little")
    sign, magnitude = bits >> 63, bits & ((1 << 63) - 1)
    exponent = (magnitude >> 52) - 1023
    if exponent < -126:
        unit = 2.0**-133
        rounded = float(round(abs(value) / unit)) * unit
        return -rounded if sign else rounded
    drop = 52 - 7
    half, low = 1 << (drop - 1), magnitude & ((1 << drop) - 1)
    kept = magnitude >> drop
    if low > half or (low == half and kept & 1):
        kept += 1
    rounded = _struct.unpack("<d", (kept << drop).to_bytes(8, "little"))[0]
    if rounded > 3.3895313892515355e38:
        rounded = float("inf")
    return -rounded if sign else rounded


def saturate(dtype: DType, value: float) -> int:
    """A float converted to an integer type: toward zero, saturating, NaN to 0."""
    if value != value:
        return 0
    low, high = dtype.bounds()
    if value <= low:
        return low
    return high if value >= high else int(value)


@dataclass(frozen=True, slots=True)
class Vec:
    """A short vector of 2 to 4 equal scalars; aligned in memory as its scalar."""

    elem: DType
    size: int

    def __class_getitem__(cls, item: tuple[DType, int]) -> Vec:
        elem, size = item
        if size not in (2, 3, 4):
            raise TypeError(f"Vec has 2, 3 or 4 components, not {size}")
        return Vec(elem, size)

    @property
    def name(self) -> str:
        """The short name, such as `f32x3`."""
        return f"{self.elem.name}x{self.size}"

    @property
    def itemsize(self) -> int:
        """Bytes one value takes in memory, without padding."""
        return self.elem.itemsize * self.size

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class StructType:
    """A record with named fields in C layout, the same on host and every device."""

    name: str
    fields: tuple[tuple[str, ElementType], ...]

    def __repr__(self) -> str:
        return self.name

    @property
    def alignment(self) -> int:
        """Alignment in bytes: the largest of the fields'."""
        return max(alignment(t) for _, t in self.fields)

    @property
    def itemsize(self) -> int:
        """Bytes one record takes in an array, trailing padding included."""
        end = 0
        for _, offset, t in self.offsets():
            end = offset + t.itemsize
        return _align(end, self.alignment)

    def offsets(self) -> tuple[tuple[str, int, ElementType], ...]:
        """Each field with its byte offset and type, in order."""
        found, at = [], 0
        for field, t in self.fields:
            at = _align(at, alignment(t))
            found.append((field, at, t))
            at += t.itemsize
        return tuple(found)


ElementType: TypeAlias = DType | Vec | StructType


def alignment(t: ElementType) -> int:
    """Natural alignment of a type in bytes; a vector is aligned as its scalar."""
    if isinstance(t, StructType):
        return t.alignment
    return t.elem.itemsize if isinstance(t, Vec) else t.itemsize


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar inside an element: its path of names, byte offset and type."""

    path: tuple[str, ...]
    offset: int
    dtype: DType


def leaves(t: ElementType) -> tuple[Leaf, ...]:
    """The scalars of an element in memory order; a scalar is its own single leaf."""
    if isinstance(t, DType):
        return (Leaf((), 0, t),)
    if isinstance(t, Vec):
        return tuple(Leaf(("xyzw"[k],), k * t.elem.itemsize, t.elem) for k in range(t.size))
    return tuple(
        Leaf((field, *leaf.path), offset + leaf.offset, leaf.dtype)
        for field, offset, inner in t.offsets()
        for leaf in leaves(inner)
    )


def _align(value: int, to: int) -> int:
    return -(-value // to) * to


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An array parameter: element type, rank 1 to 4, and whether the kernel promises not to write it."""

    elem: ElementType
    rank: int = 1
    readonly: bool = False

    def __repr__(self) -> str:
        inner = f"Array[{self.elem}]" if self.rank == 1 else f"Array[{self.elem}, {self.rank}]"
        return f"In[{inner}]" if self.readonly else inner


class Array:
    """Annotation of an array parameter: `Array[f32]`, `Array[f32, 2]`; bare `Array` is generic."""

    def __class_getitem__(cls, item: ElementType | tuple[ElementType, int]) -> ArrayType:
        elem, rank = item if isinstance(item, tuple) else (item, 1)
        elem = getattr(elem, "__gyral_struct__", elem)  # references to actors
        if not isinstance(elem, (DType, Vec, StructType)):
            raise TypeError(f"Array takes an element type such as gy.f32, not {elem!r}")
        if rank not in (1, 2, 3, 4):
            raise TypeError(f"Array has rank 1 to 4, not {rank!r}")
        return ArrayType(elem, rank)


@dataclass(frozen=True, slots=True)
class GenericInput:
    """`In[Array]`: a read-only array whose element type and rank come from the call."""


class In:
    """Annotation of a read-only array parameter: `In[Array[f32, 2]]` or `In[Array]`."""

    def __class_getitem__(cls, item: ArrayType | type[Array]) -> ArrayType | GenericInput:
        if item is Array:
            return GenericInput()
        if not isinstance(item, ArrayType):
            raise TypeError(f"In takes an Array annotation, not {item!r}")
        return ArrayType(item.elem, item.rank, readonly=True)


@dataclass(frozen=True, slots=True)
class StaticType:
    """`Static[int]`: a parameter that is part of the specialisation."""

    of: type | DType


class Static:
    """Annotation of a compile-time parameter: `Static[int]`, `Static[bool]`, `Static[float]`."""

    def __class_getitem__(cls, item: type | DType) -> StaticType:
        return StaticType(item)


PARAMETER_OF_BUILTIN: dict[type, DType] = {bool: bool_, int: i32, float: f32}
