"""What the compiler hands to a driver: code, and the signature a launch needs. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gyral.core.dtypes import DType, ElementType
from gyral.core.span import Span

Check: TypeAlias = Literal["off", "on", "race"]

ALIGNED = "aligned16"
"""The feature word by which a launch promises that arrays and their rows begin at multiples of 16 bytes."""
FOLDED = "folded"
"""The feature word of code for launches of more blocks along an axis than the device's grid has there."""


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """Everything besides the types that chooses a specialisation.

    `unit_stride`: per array parameter, in order: the last axis is contiguous.
    `block`: extents, user axis order, () when the kernel has none and the compiler chooses.
    `tile`: rows and vectors of gangs that the CPU interleaves, () for the compiler's choice.
    `features`: what the code may use of a device beyond the baseline of its kind, sorted.
    `groups`: on devices whose buffers are bound one by one, per array parameter the number of the buffer it
    lives in, numbered by first use; () elsewhere.
    `downcast`: f64 may be computed in f32 where the device has none; its storage stays.
    """

    index_bits: Literal[32, 64] = 32
    check: Check = "off"
    noalias: bool = False
    unit_stride: tuple[bool, ...] = ()
    block: tuple[int, ...] = ()
    fastmath: bool = False
    tile: tuple[int, ...] = ()
    features: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    downcast: bool = False


@dataclass(frozen=True, slots=True)
class ArrayParameter:
    """An array of a kernel's signature, with what the kernel does to it."""

    name: str
    elem: ElementType
    rank: int
    reads: bool
    writes: bool


@dataclass(frozen=True, slots=True)
class ScalarParameter:
    """A scalar of a kernel's signature, after structs were flattened."""

    name: str
    dtype: DType


Parameter: TypeAlias = ArrayParameter | ScalarParameter


@dataclass(frozen=True, slots=True)
class Site:
    """A place that can report: a check ("assert", "bounds", "divide") or a print.

    For prints `parts` alternates text and format specs (see the IR's print op) and `types` are the values'.
    """

    kind: str
    span: Span
    text: str = ""
    axis: int = 0
    parts: tuple[str, ...] = ()
    types: tuple[DType, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """What a launch needs to know of compiled code.

    `item`: extents of one work item, or of one block where a device runs whole blocks, right-aligned to
    three axes; `scratch_bytes` per worker; `shared_bytes` of on-chip memory per block; `coarse`: elements of
    the last axis that one thread of a block does;
    `cost_ns`: rough time of one item, for the choice between one thread and many.
    """

    name: str
    rank: int
    parameters: tuple[Parameter, ...]
    options: CompileOptions
    item: tuple[int, int, int] = (1, 1, 1)
    scratch_bytes: int = 0
    cost_ns: float = 1.0
    sites: tuple[Site, ...] = ()
    shared_bytes: int = 0
    coarse: int = 1

    @property
    def threads(self) -> tuple[int, int, int]:
        """Extents of one block in threads, right-aligned to three axes."""
        return self.item[0], self.item[1], self.item[2] // self.coarse

    @property
    def needs_record(self) -> bool:
        """Whether a launch must bring a record buffer for checks or prints."""
        return bool(self.sites)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Compiled code for one target: `form` says what `code` holds ("cpu-image", "llvm", "cuda", ...)."""

    form: str
    code: bytes
    entry: int
    signature: Signature
    extra: dict[str, str] = field(default_factory=dict)
