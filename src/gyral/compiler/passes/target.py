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
    `clock`: the device has a counter to read. `fences`: it has them, and atomics with an order.
    `downcast`: f64 may become f32. `wide`: a thread of a kernel of so many ops at most may do several
    elements, in accesses of many bytes; `wide_loops`: a loop may do several turns in such accesses.
    `uniform_load`: block-uniform values must be loaded by a special word.
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
    clock: bool = True
    fences: bool = True
    downcast: bool = False
    uniform_load: bool = False
    wide: int = 0
    wide_loops: bool = False


def spec_of(column: str, features: tuple[str, ...] = (), downcast: bool = False) -> TargetSpec:
    """What a language can say on a device with these features (`CompileOptions.features`).

    "llvm", "cuda", "opencl", "msl" or "wgsl". The baselines are the least that every device of the kind has.
    """
    has = frozenset(features)
    match column:
        case "cuda":
            return TargetSpec("cuda", gangs="native", wide=96)
        case "opencl":
            return TargetSpec(
                "opencl",
                f64="f64" in has,
                gangs="shared",
                float_atomics=(),
                int64_atomics="i64_atomics" in has,
                clock=False,
                downcast=downcast,
            )
        case "msl":
            return TargetSpec(
                "msl",
                f64=False,
                gangs="native" if "subgroups:32" in has else "shared",
                float_atomics=("f32",) if "f32_atomics" in has else (),
                int64_atomics=False,
                clock=False,
                downcast=downcast,
            )
        case "wgsl":
            return TargetSpec(
                "wgsl",
                f64="f64" in has,
                int64="i64" in has,
                narrow=False,
                narrow_memory=False,
                gangs="shared",
                float_atomics=(),
                int64_atomics="i64_atomics" in has,
                clock=False,
                fences=False,
                downcast=downcast,
                uniform_load=True,
                wide=256,
                wide_loops=True,
            )
        case _:
            return TargetSpec(column)
