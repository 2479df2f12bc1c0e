"""Kernels as a user holds them: `@kernel`, `kernel[shape](...)`, and ways to look inside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from gyral.core import context, entry, native, settings
from gyral.core.artifact import Artifact, Check, CompileOptions, Signature
from gyral.core.dtypes import StaticType, StructType, Vec, f64
from gyral.core.errors import UserError
from gyral.core.events import FellBack
from gyral.core.native import Dispatcher
from gyral.jit.arguments import ArrayGiven, Given, contiguous, exact, take
from gyral.jit.inspection import Interpretation, kinds_of_types, show_ir
from gyral.jit.launch import check_block, check_shape, choose_device, in_place, plans_launch, run
from gyral.jit.parameters import Parameter, bind, parameters_of
from gyral.jit.plan import bound, dispatch_plan, fits_plan, has_launcher, plan_arguments, plan_kinds
from gyral.jit.programs import Programs, has_answers
from gyral.jit.ranks import Unranked, rank_of
from gyral.jit.repeat import repeated
from gyral.jit.request import Request
from gyral.jit.route import Routes
from gyral.jit.specialise import Spec, Terms, check_tile, declared, specialise, tiled
from gyral.jit.targets import kind_of_source, print_source, target
from gyral.jit.variants import MISSED, Variant, run_recorded
from gyral.runtime.device import Device, check_level, device
from gyral.runtime.stream import Stream

Block = int | tuple[int, ...] | None


class Kernel(Dispatcher):
    """A function compiled for devices. `kernel[shape](*args)` runs one thread per element of `shape`.

    Made by `@gyral.kernel`. Specialised by itself for each combination of argument types that it meets.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        rank: int | None = None,
        block: Block = None,
        fastmath: bool = False,
        check: bool | str | None = None,
        tile: tuple[int, int] | None = None,
        downcast: bool = False,
        devices: Sequence[Any] | None = None,
        fallback: Any = None,
        requires: Sequence[Any] | None = None,
    ) -> None:
        wrapper: Any = self  # which is called by way of a shape
        functools.update_wrapper(wrapper, function)
        self.__gyral_kernel__ = function
        self.name = function.__name__
        if rank is not None and rank not in (1, 2, 3):
            raise UserError(f"the rank of a kernel is 1, 2 or 3, not {rank!r}")
        self.rank = rank or 0
        self.fixed_rank = rank
        self.block = block
        self.fastmath = bool(fastmath)
        self.downcast = bool(downcast)
        self.tile = check_tile(self.name, tile)
        self.check: Check | None = check_level(check)
        self._programs = Programs(self.name, function, rank)
        self.placement: Any = None
        if not (devices is fallback is requires is None):
            self.placement = entry.load("gyral.jit.choice:placement")(self.name, devices, fallback, requires)
        self.tunable = True
        self._plans: dict[tuple[Any, ...], Any] = {}
        self._signatures: dict[Any, Signature] = {}
        self._variants: dict[tuple[Any, ...], Variant] = {}
        self._routes = Routes(self)

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters as annotated."""
        return parameters_of(self.__gyral_kernel__)

    if not TYPE_CHECKING:  # to a type checker, calling a kernel is the error that it is

        def __call__(self, *args: Any, **kwargs: Any) -> None:
            """A kernel needs a launch shape: UserError says how to give it."""
            raise UserError(f"{self.name} is a kernel: launch it with a shape, {self.name}[shape](...)")

    def launch(
        self,
        shape: int | tuple[int, ...],
        *args: Any,
        block: Block = None,
        device: Device | str | None = None,
        stream: Stream | None = None,
        **kwargs: Any,
    ) -> None:
        """The long form of `kernel[shape, block](*args)`, with a place to run."""
        extents = check_shape(self.name, shape, self.rank)
        if device is None and self.rank and (stream is None or has_launcher(stream.driver)):
            with stream or nullcontext():
                self[extents if block is None else (extents, block)](*args, **kwargs)
        elif device is None and stream is None:
            self._miss(extents, block, args, kwargs)
        else:
            values = bind(self.name, self.parameters, args, kwargs)
            self._launch(extents, block, values, None if device is None else _device(device), stream)

    def bind(
        self, shape: int | tuple[int, ...], *args: Any, block: Block = None, **kwargs: Any
    ) -> Callable[[], None]:
        """Check a launch once; calling what comes back launches it again, on the arrays given here."""
        extents = check_shape(self.name, shape, self.rank)
        values = bind(self.name, self.parameters, args, kwargs)
        given = self._take(values)
        if self.effective_check() == "race":
            return functools.partial(self.interpret.watch, extents, block, given, None)
        there, spec, program = self._prepare(extents, block, given, None)
        launch = functools.partial(run, self.name, there, program, extents, given, None)
        if (fell := self._fell(there, given, None)) is not None:
            return self.placement.telling(fell, launch)
        if self._is_native(there, spec, given) and not program.signature.needs_record:
            plan = self._plan(program, spec, extents, block, there)
            try:
                return bound(plan, extents, self._moving(values), launch)
            except TypeError:
                pass  # a number that only Python converts, such as one of NumPy's rarer scalar types
        return repeated(self.name, there, program, extents, given, launch)

    def compile(self, device: Device | str = "cpu", *types: Any, **options: Any) -> Artifact:
        """Compile for argument types (the annotations' by default) without running. Needs no device."""
        kind = device.kind if isinstance(device, Device) else str(device).partition(":")[0]
        if self.placement is not None and not self.placement.allows_kind(kind):
            raise self.placement.refusal(self.name, kind, self._line((), ""))
        return self._programs.artifact(self.declared(types, kind, **options))

    def ir(self, *types: Any, stage: str | None = None, **options: Any) -> str:
        """The IR for argument types, as the frontend gives it or after a stage of the pipeline."""
        return show_ir(self.request(types, **options), stage)

    def source(self, language: str, *types: Any, **options: Any) -> str:
        """The kernel in a language it passes through: llvm, asm, cuda, ptx, opencl, wgsl or msl."""
        return print_source(language, self.asked(self.declared(types, kind_of_source(language), **options)))

    @property
    def interpret(self) -> Interpretation:
        """`kernel.interpret[shape](*args)` runs the reference interpreter on NumPy arrays."""
        return Interpretation(self)

    def declared(
        self,
        types: Sequence[Any],
        kind: str,
        *,
        block: Block = None,
        check: Any = None,
        rank: int | None = None,
    ) -> Spec:
        """The specialisation for argument types: arrays contiguous and apart, of ordinary size."""
        kinds = kinds_of_types(self.name, self.parameters, types)
        found = rank or self.rank or rank_of(self.__gyral_kernel__, kinds)
        chosen = self.block_for(block, found)
        row = target(kind)
        terms = Terms(
            kind,
            chosen,
            check_level(check) or self.effective_check(),
            self.fastmath,
            row.features,
            row.separate,
            self._downcasts() and row.by_blocks,
        )
        return tiled(declared(kinds, found, terms), self.tile)

    def artifact(self, spec: Spec) -> tuple[str, Artifact]:
        """The key and the compiled code of a specialisation."""
        return self._programs.key(spec), self._programs.artifact(spec)

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Given]:
        """A call's arguments, checked against the parameters."""
        return self._take(bind(self.name, self.parameters, args, kwargs))

    def block_for(self, block: Block, rank: int, most: int = 1 << 16) -> tuple[int, ...]:
        """The block of a launch: the one asked for, else the kernel's own, () when there is neither."""
        if self.block is not None and block is not None:
            own = check_block(self.name, self.block, rank, most)
            if check_block(self.name, block, rank, most) != own:
                raise UserError(
                    f"{self.name} is compiled with block={self.block}, and {block!r} was asked for"
                )
        chosen = block if block is not None else self.block
        return () if chosen is None else check_block(self.name, chosen, rank, most)

    def effective_check(self) -> Check:
        """The check level of a launch here: the kernel's own, else the scope's, else the process's."""
        return self.check or context.current().check or settings.current().check

    def options_in_force(self) -> tuple[Check, bool, bool]:
        """What a launch here is compiled with: its checks, fast maths, f64 in f32."""
        return self.effective_check(), self._is_fast(), self._downcasts()

    def _is_fast(self) -> bool:
        return self.fastmath or bool(context.current().fastmath)

    def _downcasts(self) -> bool:
        return self.downcast or bool(context.current().downcast)

    def _take(self, values: Sequence[Any]) -> list[Given]:
        return [take(parameter, value) for parameter, value in zip(self.parameters, values, strict=True)]

    def _prepare(
        self, shape: tuple[int, ...], block: Block, given: Sequence[Given], asked: Device | None
    ) -> tuple[Device, Spec, Any]:
        if self.placement is None:
            return self._prepare_on(choose_device(self.name, given, asked), shape, block, given)
        line = functools.partial(self._line, tuple(g.kind for g in given))
        if self.placement.insists(given, asked):
            there = choose_device(self.name, given, asked)
            self.placement.check(self.name, there, line)
            return self._prepare_on(there, shape, block, given)
        return self.placement.settle(
            self.name, lambda there: self._prepare_on(there, shape, block, given), line
        )

    def _prepare_on(
        self, there: Device, shape: tuple[int, ...], block: Block, given: Sequence[Given]
    ) -> tuple[Device, Spec, Any]:
        if not there.capabilities.unified:
            given = [contiguous(g) if isinstance(g, ArrayGiven) and g.host is not None else g for g in given]
        caps = there.capabilities
        kinds = tuple(g.kind for g in given)
        advised = self._advice(there, kinds, shape, block)
        chosen = self.block_for(block, len(shape), caps.max_block) or (advised.block if advised else ())
        tile = self.tile or (advised.tile if advised else ())
        known = self._programs.writes(kinds)
        terms = Terms(
            there.kind,
            chosen,
            self.effective_check(),
            self._is_fast(),
            caps.features,
            caps.separate_buffers,
            self._downcasts() and f64 not in caps.dtypes,
            caps.wide_access,
            caps.max_grid if target(there.kind).by_blocks else (),
        )
        spec = tiled(specialise(given, shape, terms, known), tile)
        program = self._programs.get(spec, there)
        if known is None and not spec.options.noalias:
            # Only now it is known which arrays are written: arrays that are merely read may overlap.
            written = self._programs.writes(kinds)
            better = tiled(specialise(given, shape, terms, written), tile)
            if better != spec:
                spec, program = better, self._programs.get(better, there)
        if program.signature.rank != len(shape):
            self.rank = program.signature.rank
            check_shape(self.name, shape, self.rank)
        return there, spec, program

    def _advice(self, there: Device, kinds: tuple[Any, ...], shape: tuple[int, ...], block: Block) -> Any:
        """What the tuner knows (`jit.tuned.Advice`) of a launch that leaves it a choice, or None."""
        named = block is not None or self.block is not None or self.tile
        if named or not self.tunable or self.effective_check() != "off":
            return None
        # Nothing of the tuner is loaded where it never ran.
        asked = "tuned" in self.__dict__ or has_answers()
        return self.tuned.advise(self.subject(there, kinds, len(shape)), shape) if asked else None

    @functools.cached_property
    def tuned(self) -> Any:
        """What the tuner found out about this kernel (`jit.tuned.Tuned`)."""
        return entry.load("gyral.jit.tuned:Tuned")(self._programs)

    def subject(self, there: Device, kinds: tuple[Any, ...], rank: int) -> Any:
        """What the tuner keeps its findings under (`jit.tuned.Subject`), for launches made here."""
        return entry.load("gyral.jit.tuned:Subject")(kinds, rank, self._is_fast(), self._downcasts(), there)

    def variation(self, block: tuple[int, ...], tile: tuple[int, ...]) -> Kernel:
        """The same kernel with a block or tile of the tuner's, () for none, which does not ask the tuner."""
        rows_and_vectors: Any = tile or None
        made = Kernel(
            self.__gyral_kernel__,
            self.rank or None,
            block or None,
            self.fastmath,
            self.check,
            rows_and_vectors,
        )
        made.downcast, made._programs, made.tunable = self.downcast, self._programs, False
        return made

    def tune(self, shape: int | tuple[int, ...], *args: Any, **options: Any) -> Any:
        """Find the fastest block or tile for launches like this one, and keep it: see `gyral.tune`."""
        return entry.load("gyral.jit.tune:tune")(self, shape, *args, **options)

    def renew(self) -> None:
        """Let launches from now on look anew at what the tuner knows."""
        self.clear_plans()
        self._plans.clear()
        self._variants.clear()
        self._routes.clear()

    def _fell(self, there: Device, given: Sequence[Given], asked: Device | None) -> FellBack | None:
        """How a launch came to run on its kernel's fallback; None where it runs as it should."""
        placed = self.placement
        if placed is None or placed.names(there) or placed.insists(given, asked):
            return None
        return placed.fallen.get(there.name)

    def _line(self, kinds: tuple[Any, ...], need: str) -> str:
        """The line that needs something of a device, as the end of a message."""
        function = self.__gyral_kernel__
        return self.placement.line_of(
            function, Request(function, kinds, CompileOptions(), self.rank or None), need
        )

    def _launch(
        self,
        shape: tuple[int, ...],
        block: Block,
        values: Sequence[Any],
        asked: Device | None = None,
        stream: Stream | None = None,
    ) -> None:
        """The whole road: check, specialise, run. Leaves a native plan for the next launch like this."""
        check_shape(self.name, shape)
        if (recorder := context.current().recorder) is not None:
            return recorder.record(self, shape, block, values, asked, stream)
        given = self._take(values)
        if self.effective_check() == "race":
            return self.interpret.watch(shape, block, given, asked)
        there, spec, program = self._prepare(shape, block, given, asked)
        self.rank = program.signature.rank
        fell = self._fell(there, given, asked)
        if asked is None and stream is None and fell is None and self._is_native(there, spec, given):
            plan = self._plan(program, spec, shape, block, there)
            direct = context.VARIABLE.get() is None and self._passed_as_given
            holder = self if direct else self._variant(self._mode(there, values))
            if plan is not None and all(plan is not held for held in holder.plans):
                holder.add_plan(plan)
        run(self.name, there, program, shape, given, stream)
        if asked is None and stream is None:
            self._routes.learn(shape, block, values, there, program)

    @functools.cached_property
    def _statics(self) -> tuple[int, ...]:
        """Positions of the parameters that are part of the specialisation."""
        return tuple(k for k, p in enumerate(self.parameters) if isinstance(p.accepts, StaticType))

    def _is_native(self, there: Device, spec: Spec, given: Sequence[Given]) -> bool:
        """Whether the native path can check, pack and run launches like this."""
        return fits_plan(self.parameters, spec.kinds) and plans_launch(there, given)

    @functools.cached_property
    def _passed_as_given(self) -> bool:
        """Whether a native plan takes the arguments as they are: none static, none of several numbers."""
        return not self._statics and not any(
            isinstance(p.accepts, (Vec, StructType)) for p in self.parameters
        )

    def _moving(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments that a native plan takes: no static ones, vectors and structs as their numbers."""
        return tuple(values) if self._passed_as_given else plan_arguments(self.parameters, values)

    def _mode(self, there: Device, values: Sequence[Any]) -> tuple[Any, ...]:
        """What chooses a variant: device, options in force, and static values with their types."""
        statics = tuple(exact(values[k]) for k in self._statics)
        return (there.name, self.effective_check(), self._is_fast(), statics)

    def _variant(self, mode: tuple[Any, ...]) -> Variant:
        found = self._variants.get(mode)
        if found is None:
            found = self._variants[mode] = Variant(self.rank, self._signatures)
        return found

    def _named_block(self, block: Block, rank: int) -> tuple[int, ...] | None:
        return None if block is None else check_block(self.name, block, rank, 1 << 16)

    def _plan(self, program: Any, spec: Spec, shape: tuple[int, ...], block: Block, there: Device) -> Any:
        requested = self._named_block(block, spec.rank)
        advised = self._advice(there, spec.kinds, shape, block)
        counts = advised.counts if advised else None
        key = spec, requested, counts, there
        if key not in self._plans:
            kinds = plan_kinds(self.parameters, spec.kinds)
            self._plans[key] = found = dispatch_plan(program, there.driver, kinds, requested, counts)
            self._signatures[found] = program.signature
        return self._plans[key]

    def request(self, types: Sequence[Any], **options: Any) -> Request:
        """What a compiler is asked for argument types."""
        return self.asked(self.declared(types, "cpu", **options))

    def asked(self, spec: Spec) -> Request:
        """What a compiler is asked for a specialisation."""
        return self._programs.request(spec.kinds, spec.options)

    # What the native dispatcher calls.

    def _miss(
        self, shape: tuple[int, ...], block: Block, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        values = bind(self.name, self.parameters, args, kwargs)
        if self._routes.launch(shape, block, values):
            return
        # A kernel with a word on where it runs is asked each time: in place is only one of the places.
        there, placed = in_place(values) if self.placement is None else (None, values)
        if there is not None and context.current().time_limit is None:
            named = None if block is None else check_block(self.name, block, len(shape), 1 << 62)
            if self._run_variant(there, shape, named, placed):
                return
            changed = kwargs or placed is not values
            if changed and self.rank and self._passed_as_given and context.VARIABLE.get() is None:
                # Positional and in host memory now: the native path takes it, or comes back without changes.
                return self[shape if named is None else (shape, named)](*placed)
        self._launch(shape, block, placed)

    def _run_variant(
        self, there: Device, shape: tuple[int, ...], block: tuple[int, ...] | None, values: Sequence[Any]
    ) -> bool:
        """Run a launch by a native plan that Python has to choose; False when there is none yet."""
        if not self._variants:
            return False
        try:
            variant = self._variants.get(self._mode(there, values))
        except TypeError:
            return False  # a static value that cannot be hashed, of which the whole road complains
        return variant is not None and variant.launch(shape, block, self._moving(values)) is not MISSED

    def _run_recorded(self, plan: Any, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
        run_recorded(plan, self._signatures[plan], shape, args)

    def _shape_error(self, key: Any) -> Any:
        if self.rank:
            shape = key
            if isinstance(key, tuple) and len(key) == 2 and (isinstance(key[0], tuple) or self.rank == 1):
                shape, block = key
                check_block(self.name, block, self.rank, 1 << 62)
            extents = check_shape(self.name, shape, self.rank)
            raise UserError(f"{self.name} cannot be launched with {key!r}; its shape is {extents}")
        return Unranked(self, key)

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


_device = device


Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...


@overload
def kernel(
    *,
    rank: int | None = None,
    block: Block = None,
    fastmath: bool = False,
    check: bool | str | None = None,
    tile: tuple[int, int] | None = None,
    downcast: bool = False,
    devices: Sequence[str | Device] | None = None,
    fallback: str | Device | None = None,
    requires: Sequence[Any] | None = None,
) -> Callable[[Callable[..., Any]], Kernel]: ...


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a kernel of a function: `@kernel` or `@kernel(rank=, block=, fastmath=, check=, tile=, ...)`.

    `tile`: rows and vectors of gangs that the CPU interleaves in a kernel without a block, up to 16 each,
    where the compiler's own choice is not the best. It changes speed alone.
    `downcast`: on a device without f64, compute it in f32 (with a warning that names the lines).
    `devices`: where it runs, in order of preference; the first that is here and can run it takes launches
    that name no device. `fallback`: the only other place, told each time by an event and a warning in the log
    "gyral". `requires`: scalar types, "subgroups" and "atomic f32" that a device must have.
    `fast = kernel(fastmath=True)` is a decorator to be used many times.
    """
    if function is not None:
        return Kernel(_function(function), **options)
    return lambda found: Kernel(_function(found), **options)


def _function(found: Any) -> Callable[..., Any]:
    if not hasattr(found, "__code__"):
        raise UserError(f"a kernel is made of a plain function, not of {found!r}")
    return found


if native.module is not None:
    native.module.register_array_type(np.ndarray)
    native.module.watch_scope(context.VARIABLE)
