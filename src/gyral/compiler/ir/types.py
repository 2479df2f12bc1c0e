"""Types of IR values: scalars, array parameters and on-chip memory; and their spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gyral.core.dtypes import ArrayType, DType, ElementType

Space: TypeAlias = Literal["shared", "local"]


@dataclass(frozen=True, slots=True)
class MemType:
    """On-chip memory of a fixed shape: `shared` one per block, `local` one per thread."""

    elem: ElementType
    shape: tuple[int, ...]
    space: Space

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


Type: TypeAlias = DType | ArrayType | MemType
MemoryType: TypeAlias = ArrayType | MemType
