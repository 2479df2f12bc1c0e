"""What passes may assume of an op without knowing it."""

from __future__ import annotations

from enum import Flag, auto


class Trait(Flag):
    """Facts about an op, combined with `|`."""

    NONE = 0
    PURE = auto()  # no effects, no reads of memory, may be computed anywhere its operands exist
    COMMUTATIVE = auto()
    READS = auto()  # reads memory that others may write
    WRITES = auto()  # writes memory
    EFFECT = auto()  # visible otherwise: prints, checks
    SYNC = auto()  # every thread of the block takes part: needs block-uniform control
    GANG = auto()  # every thread of the subgroup takes part
    TERMINATOR = auto()
    UNIFORM = auto()  # the result is the same for every thread of a block whatever the operands


PURE = Trait.PURE
COMMUTATIVE = Trait.COMMUTATIVE
READS = Trait.READS
WRITES = Trait.WRITES
EFFECT = Trait.EFFECT
SYNC = Trait.SYNC
GANG = Trait.GANG
TERMINATOR = Trait.TERMINATOR
UNIFORM = Trait.UNIFORM
