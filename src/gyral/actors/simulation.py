"""Grid simulations that stay on their device: `gyral.Simulation`."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gyral.actors import simfile
from gyral.actors.declared import boundary_of, declared, fingerprint_of, scalar_of, shape_of
from gyral.actors.halo import Division, Layout
from gyral.actors.steppers import WRAP, Launched, Resident
from gyral.actors.steptext import kernel_of
from gyral.core.errors import CompileError, StateError, UserError
from gyral.runtime.device import Device, current_device, device
from gyral.runtime.elements import numpy_of

CELLS_PER_THREAD = 1 << 19
"""Cells for which a further CPU thread pays: its neighbours wait for it at every step, and where the system
gives its processor to others meanwhile they wait for long."""
AHEAD_CELLS = 1 << 24
"""Cells computed between two looks at the command word, at most."""
MOST_AHEAD = 64
MOST_STEPS = 1 << 31
"""Of one start: counters of 32 bits are compared by their difference."""


class Simulation:
    """Fields on a grid of 1 to 3 axes, stepped on a device by one kernel that stays there.

    `step` is a `@gy.func` that gives a cell's next values, one per field, in the order of `fields`. Its
    parameters are known by name: a field or a parameter that is an array, read as `u[di, dj]` at a distance
    of up to `reach` cells; `u_before`, the field a step earlier; a parameter that is a number; `cell`, the
    cell's indices; `step`, the number of steps done. `fields` gives per name a dtype (zeros) or the first
    values, which are broadcast. `boundary` is what lies beyond the grid, for all axes or for each: "zero",
    "periodic" or "clamp".

    The grid is split in blocks of rows. A block steps when its neighbours have published what it reads: no
    launch per step, no barrier over the grid. On devices where blocks cannot wait for each other each step is
    a dispatch of a recorded batch (`way`). UserError for what does not fit together, CompileError for a step
    that is refused.
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        step: Any,
        fields: Mapping[str, Any],
        *,
        boundary: str | Sequence[str] = "zero",
        parameters: Mapping[str, Any] | None = None,
        reach: int = 1,
        device: Device | str | None = None,
        workers: int | None = None,
    ) -> None:
        self.shape = shape_of(shape)
        self.device = _device(device)
        self._declared = declared(step, self.shape, fields, parameters or {})
        self._layout = Layout(self.shape, _positive("reach", reach), boundary_of(boundary, len(self.shape)))
        if self._layout.size * self._declared.program.levels >= 1 << 31:
            raise UserError(f"a grid of {self.shape} is more than 2**31 elements of memory per field")
        for n, kind in zip(self.shape, self._layout.boundary, strict=True):
            if kind == "periodic" and n < reach:
                raise UserError(f"a periodic axis of {n} cells is shorter than the reach of {reach}")
        self._owner = os.getpid()
        self._closed = False
        self._pending = 0
        self._ran = 0.0
        self._began: float | None = None
        self._steps = 0
        self._set_up(workers)

    def _set_up(self, workers: int | None) -> None:
        caps = self.device.capabilities
        cells = int(np.prod(self.shape))
        rows = len(Division(self._layout, 1).rows)
        resident = "system" in caps.scopes
        if caps.unified:
            asked = workers or min(caps.units, max(1, cells // CELLS_PER_THREAD))
            block = caps.subgroup_sizes[0]
        else:
            asked = workers or (caps.units if resident else 4 * max(caps.units, 16))
            block = min(caps.max_block, 256, max(32, 1 << (self.shape[-1] - 1).bit_length()))
        blocks = min(_positive("workers", asked), rows)
        division = Division(self._layout, blocks)
        kernel = kernel_of(self._declared.program, division, block=block, resident=resident)
        ahead = max(2, min(MOST_AHEAD, AHEAD_CELLS // cells))
        common = (self.device, kernel, division.table(), blocks)
        self._stepper = (
            Resident(*common, ahead)
            if caps.unified and resident
            else Launched(*common, max(ahead, AHEAD_CELLS * 256 // cells), resident)
        )
        levels = self._declared.program.levels
        self._memory: dict[str, Any] = {}
        for name, t in self._declared.program.fields.items():
            self._memory[name] = self._stepper.make(self._layout.size * levels, numpy_of(t))
            for level in range(levels):
                self._store(name, level, self._declared.first[name])
        for name, t in self._declared.program.grids.items():
            self._memory[name] = self._stepper.make(self._layout.size, numpy_of(t))
            self._store(name, 0, self._declared.constants[name])
        try:
            self._stepper.take(list(self._memory.values()), self._scalars())
        except CompileError as error:
            names = ", ".join(self._declared.program.fields)
            # In place of the note about the launch it was compiled for, of which the user knows nothing.
            error.__notes__ = [f"a step gives the next value of each field, in this order: {names}"]
            raise
        self._finalizer = weakref.finalize(self, self._stepper.abandon)

    def _scalars(self) -> list[Any]:
        program = self._declared.program
        return [scalar_of(t, self._declared.constants[name]) for name, t in program.values.items()]

    # Running.

    def run(self, steps: int) -> Self:
        """Take so many steps and return when they are done. Ctrl-C pauses the simulation at a step."""
        self.start(steps)
        try:
            self.wait()
        except KeyboardInterrupt:
            self.pause()
            raise
        return self

    def start(self, steps: int | None = None) -> Self:
        """Take so many steps, or go on until paused, while the caller does something else.

        A start takes 2**31 steps at most.
        """
        self._check_open()
        if self.running:
            raise StateError("the simulation is running; wait for it or pause it first")
        self._rest()
        self._pending = MOST_STEPS if steps is None else _positive("steps", steps, least=0)
        if self._pending > MOST_STEPS:
            raise UserError(f"one start takes {MOST_STEPS} steps at most, not {steps}; start again for more")
        return self.resume()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the steps asked for are done, for so many seconds at most; whether they are.

        What a step's checks found is raised here, or by whatever looks at the simulation first.
        """
        self._check_open()
        done = self._stepper.wait(timeout)
        if done:
            self._rest()
        return done

    def pause(self) -> Self:
        """Stop all blocks at the same step. Steps that are left are taken after `resume`."""
        self._check_open()
        if self.running:
            self._stepper.halt()
        self._stepper.wait()
        self._rest()
        return self

    def resume(self) -> Self:
        """Go on with the steps that are left."""
        self._check_open()
        if not self.running and self._pending:
            self._began = time.perf_counter()
            self._stepper.run(self._pending)
        return self

    def stop(self) -> None:
        """End the simulation: its threads end and its memory is given back. Stopping twice is harmless."""
        if self._closed or os.getpid() != self._owner:
            return
        try:
            self.pause()
        finally:
            self._closed = True
            self._finalizer.detach()
            self._stepper.close()
            self._memory = {}

    # Looking.

    @property
    def steps(self) -> int:
        """Steps done since the beginning, those before a checkpoint among them."""
        return self._steps + (self._stepper.done - self._steps) % WRAP

    @property
    def rate(self) -> float:
        """Steps per second, over the time in which the simulation ran."""
        ran = self._ran + (time.perf_counter() - self._began if self._began is not None else 0.0)
        return (self.steps - self._declared.started) / ran if ran else 0.0

    @property
    def running(self) -> bool:
        """Whether blocks are stepping."""
        return self._began is not None and not self._stepper.wait(0)

    @property
    def pending(self) -> int:
        """Steps that are left of those asked for."""
        return max(0, self._pending - (self.steps - self._steps))

    @property
    def way(self) -> str:
        """ "resident": one launch stays for all steps. "batched": one dispatch per step, many recorded."""
        return self._stepper.way

    @property
    def launches(self) -> int:
        """How often the loop was launched: on resident devices once for each run, resume or look."""
        return self._stepper.launches

    def read(self, name: str, index: Any = ...) -> NDArray[Any]:
        """A copy of a field, of `name_before`, or of an array parameter, between two steps."""
        with self._at_rest():
            return self._cells(name)[index].copy()

    def inject(self, name: str, index: Any, values: Any) -> Self:
        """Set cells of a field between two steps, as `field[index] = values` does in NumPy."""
        with self._at_rest():
            array, level = self._place(name)
            memory = self._stepper.read(array, level * self._layout.size, self._layout.size)
            if not memory.flags.writeable:
                memory = memory.copy()
            try:
                self._layout.cells(memory)[index] = values
            except (IndexError, ValueError, TypeError) as error:
                raise UserError(f"{name!r} of shape {self.shape} cannot be set so: {error}") from None
            self._layout.fill_edges(memory)
            self._stepper.write(array, level * self._layout.size, memory)
        return self

    def set(self, **parameters: Any) -> Self:
        """Give parameters other values between two steps."""
        constants = self._declared.changed(self.shape, parameters)
        with self._at_rest():
            self._declared.constants.update(constants)
            for name in parameters:
                if name in self._declared.program.grids:
                    self._store(name, 0, constants[name])
            self._stepper.values(self._scalars())
        return self

    # Keeping.

    def checkpoint(self, path: str | os.PathLike[str], *, compress: bool = False) -> Path:
        """Write the state of all fields between two steps to a file, whole or not at all."""
        with self._at_rest():
            program = self._declared.program
            names = list(program.fields)
            if program.levels > 2:
                names += [f"{name}_before" for name in program.fields]
            arrays = {name: self._cells(name) for name in names}
            arrays |= {f"parameter {name}": np.asarray(v) for name, v in self._declared.constants.items()}
            about = {
                "step": program.name, "source": fingerprint_of(program.step), "steps": self.steps,
                "shape": list(self.shape), "boundary": list(self._layout.boundary),
                "reach": self._layout.reach, "fields": list(program.fields),
            }  # fmt: skip
            return simfile.write(Path(path), about, arrays, compress)

    @classmethod
    def restore(
        cls,
        path: str | os.PathLike[str],
        step: Any,
        *,
        device: Device | str | None = None,
        workers: int | None = None,
        changed: bool = False,
    ) -> Simulation:
        """A simulation in the state of a checkpoint, on the same or another kind of device.

        UserError for a damaged or foreign file, and where `step` is not the function that wrote it, unless
        `changed` says that this is meant.
        """
        about, arrays = simfile.read(Path(path))
        if not changed and fingerprint_of(step) != about["source"]:
            raise UserError(
                f"{path} was written by another step function ({about['step']}, or an earlier text of it); "
                "changed=True takes it nevertheless"
            )
        head = "parameter "
        made = cls(
            about["shape"],
            step,
            {name: arrays[name] for name in about["fields"]},
            boundary=about["boundary"],
            parameters={n.removeprefix(head): a[()] for n, a in arrays.items() if n.startswith(head)},
            reach=about["reach"],
            device=device,
            workers=workers,
        )
        made._continue(about["steps"])
        for name in about["fields"]:
            if f"{name}_before" in arrays and made._declared.program.levels > 2:
                made.inject(f"{name}_before", ..., arrays[f"{name}_before"])
        return made

    def _continue(self, steps: int) -> None:
        self._stepper.continue_at(steps)
        self._steps = self._declared.started = steps

    # Inside.

    def _place(self, name: str) -> tuple[Any, int]:
        """An array, and the level of it that a name means; the blocks are at rest."""
        program = self._declared.program
        if name in self._memory:
            return self._memory[name], self._stepper.level if name in program.fields else 0
        field = name.removesuffix("_before")
        if field != name and field in program.fields and program.levels > 2:
            return self._memory[field], (self._stepper.level - 1) % program.levels
        raise UserError(f"the simulation has no field {name!r}; it has {', '.join(self._memory)}")

    def _cells(self, name: str) -> NDArray[Any]:
        array, level = self._place(name)
        return self._layout.cells(self._stepper.read(array, level * self._layout.size, self._layout.size))

    def _store(self, name: str, level: int, values: Any) -> None:
        array = self._memory[name]
        memory = np.zeros(self._layout.size, np.asarray(values).dtype)
        self._layout.cells(memory)[...] = values
        self._layout.fill_edges(memory)
        self._stepper.write(array, level * self._layout.size, memory)

    def _rest(self) -> None:
        """Count what was done, once all blocks have stopped."""
        if self._began is not None:
            self._ran += time.perf_counter() - self._began
            self._began = None
        steps = self.steps
        self._pending = max(0, self._pending - (steps - self._steps))
        self._steps = steps

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """Between two steps; the simulation goes on afterwards if it did before."""
        running = self.running
        self.pause()
        try:
            yield
        finally:
            if running:
                self.resume()

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("the simulation was stopped; make a new one, or restore a checkpoint")
        if os.getpid() != self._owner:
            raise StateError("the simulation runs in the process that made it, and not in its forked child")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._closed else f"{self.way} on {self.device.name}, {self.steps} steps"
        return f"<simulation of {self._declared.program.name}, {self.shape}, {state}>"


def _device(given: Device | str | None) -> Device:
    if given is None:
        return current_device()
    return given if isinstance(given, Device) else device(given)


def _positive(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise UserError(f"{name} is a whole number from {least} on, not {value!r}")
    return value.__index__()
