"""How a value stands in registers: one scalar for many threads, a vector of lanes, or base plus lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gyral.compiler.emit.llvm.text import SCALAR_TYPES, literal
from gyral.core.dtypes import DType

ROW = 1  # differs between the rows of gangs of a tile, not between the lanes of one gang
LANE = 2  # differs between lanes
ALL = "splat (i1 true)"  # the mask of all lanes


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value for all lanes."""

    name: str


@dataclass(frozen=True, slots=True)
class Vector:
    """A value per lane."""

    name: str


@dataclass(frozen=True, slots=True)
class Affine:
    """Lane l holds base + l * stride; base is an i64 scalar. Only for `index`, which is exact."""

    base: str
    stride: int


@dataclass(frozen=True, slots=True)
class Guarded:
    """An id clamped or wrapped at an edge: a vector that is base plus lane while the scalar `when` holds."""

    name: str
    near: Affine
    when: str


Part: TypeAlias = Scalar | Vector | Affine | Guarded


@dataclass(frozen=True, slots=True)
class Form:
    """A dtype in scalar (lanes 0) or vector form, and how LLVM spells it.

    `index` is 64 bits wide as a scalar, where exactness is free, and `index_bits` wide in lanes.
    """

    dtype: DType
    lanes: int
    index_bits: int

    @property
    def element(self) -> str:
        """LLVM type of one lane."""
        if self.dtype.kind == "index" and self.lanes:
            return f"i{self.index_bits}"
        return SCALAR_TYPES[self.dtype.name]

    @property
    def llvm(self) -> str:
        """LLVM type of the whole."""
        return f"<{self.lanes} x {self.element}>" if self.lanes else self.element

    @property
    def bits(self) -> int:
        """Width of one lane."""
        if self.dtype.kind == "index":
            return self.index_bits if self.lanes else 64
        return self.dtype.bits

    @property
    def suffix(self) -> str:
        """How intrinsic names spell the type."""
        element = {"float": "f32", "double": "f64"}.get(self.element, self.element)
        return f"v{self.lanes}{element}" if self.lanes else element

    def of(self, dtype: DType) -> Form:
        """The same shape with another dtype."""
        return Form(dtype, self.lanes, self.index_bits)

    def spread(self, element: str, value: str) -> str:
        """A constant of an LLVM element type in this shape."""
        return f"splat ({element} {value})" if self.lanes else value

    def constant(self, value: bool | int | float) -> str:
        """A constant of this form."""
        return self.spread(self.element, literal(self.dtype, value))

    def vector_of(self, element: str) -> str:
        """This shape over another LLVM element type."""
        return f"<{self.lanes} x {element}>" if self.lanes else element
