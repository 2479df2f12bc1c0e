"""What a target can say, as the passes and emitters see it: its column of the table and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One target. The defaults are those of a machine that has everything, which is the CPU.

    `column`: of the intrinsics table. `f64`, `int64`: values of these types. `narrow`: values of 8- and
    16-bit integers; `narrow_memory`: loads and stores of them. `f16`, `bf16`: conversions between these
    formats' storage and f32 (arithmetic on them is done in f32 everywhere).
    `gangs`: "lanes" when the emitter runs blocks on vector lanes and does block-wide ops itself, "native"
    for subgroup operations in the block's linear order, "shared" when they go through shared memory.
    `subgroup`: lanes of a subgroup unless "lanes". `float_atomics`: dtypes whose atomic add is native.
    `downcast`: f64 may become f32. `uniform_load`: block-uniform values must be loaded by a special word.
    """

    column: str
    f64: bool = True
    int64: bool = True
    narrow: bool = True
    narrow_memory: bool = True
    f16: bool = True
    bf16: bool = True
    gangs: str = "lanes"
    subgroup: int = 32
    float_atomics: tuple[str, ...] = ("f32", "f64")
    int64_atomics: bool = True
    downcast: bool = False
    uniform_load: bool = False
