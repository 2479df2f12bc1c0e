"""The tuner: which block, or which tile of gangs, runs a kernel fastest on a device, found by measuring.

Candidates are compiled and their results compared with the default's; those that differ are out and told.
The others are timed in turns, so that noise strikes all alike, and after each round the slower half leaves.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gyral.core.clock import MONOTONIC, Clock
from gyral.core.errors import CompileError, DeviceError, DeviceErrorKind, UnsupportedError, UserError
from gyral.jit import targets
from gyral.jit.kernel import Kernel
from gyral.jit.launch import check_block, check_shape
from gyral.jit.parameters import bind
from gyral.jit.rehearsal import Host, Rehearsal, Stopwatch, differs
from gyral.jit.specialise import check_tile
from gyral.jit.tuned import DEFAULT, Answer, Choice, Trial, size_class
from gyral.runtime.device import Device, device

Progress = Callable[[int, int, str], None]
"""Called with candidates done, candidates in all, and what happens now."""

BLOCKS: Mapping[int, tuple[tuple[int, ...], ...]] = {
    1: ((256,), (128,), (512,), (64,), (1024,), (32,)),
    2: (
        (8, 32), (1, 256), (16, 16), (4, 64), (4, 32), (2, 128), (16, 32), (8, 64), (1, 128), (32, 32),
        (2, 64), (1, 64), (32, 8), (16, 64), (8, 8),
    ),
    3: (
        (2, 4, 32), (1, 8, 32), (1, 4, 64), (4, 4, 32), (4, 8, 8), (1, 1, 256), (8, 8, 8), (4, 4, 16),
        (2, 2, 64),
    ),
}  # fmt: skip
"""Blocks worth a try by rank, likely ones first; the last axis is the one that lies together in memory."""

TILES: Mapping[int, tuple[tuple[int, int], ...]] = {
    1: ((1, 4), (1, 2), (1, 1), (1, 8), (1, 3), (1, 6)),
    2: (
        (1, 4), (4, 2), (2, 2), (8, 2), (1, 1), (1, 2), (4, 4), (2, 4), (4, 1), (8, 1), (2, 1), (6, 2),
        (1, 8),
    ),
}  # fmt: skip
"""Rows and vectors of gangs worth a try on the CPU; kernels of rank 3 take those of rank 2."""

SHORTEST = 1e-3  # seconds of a sample: launches are repeated to fill it
MOST_LAUNCHES = 1000  # of a sample
COMPILING = 0.6  # share of the budget after which no further candidate is compiled
GAIN = 0.02  # what the default must be beaten by


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the tuner found. `trials` has every candidate known for this size, `untried` those left out for
    want of time: the next call begins with them. `kept`: the answer is on disk for other processes.
    """

    kernel: str
    device: str
    shape: tuple[int, ...]
    chosen: Choice
    trials: tuple[Trial, ...]
    untried: tuple[Choice, ...]
    kept: bool
    seconds: float

    @property
    def gain(self) -> float:
        """How many times faster than the default the choice is."""
        times = {trial.choice: trial.seconds for trial in self.trials}
        return times[DEFAULT] / times[self.chosen]

    def __str__(self) -> str:
        faster = f", {self.gain:.2f} times as fast as the default" if self.chosen != DEFAULT else ""
        return f"{self.kernel} over {self.shape} on {self.device}: {self.chosen.label}{faster}"


@dataclass(eq=False, slots=True)
class _Runner:
    """A candidate that runs: its launch on the rehearsal's arguments, and its samples in seconds."""

    choice: Choice
    launch: Callable[[], None]
    times: list[float] = field(default_factory=list)

    @property
    def typical(self) -> float:
        return _median(self.times)


@dataclass(slots=True)
class _Session:
    """One call of the tuner under way. `own`: the block that the default has where kernels run by blocks."""

    kernel: Kernel
    shape: tuple[int, ...]
    there: Device
    rehearsal: Rehearsal
    expected: list[tuple[str, Host]]
    unordered: bool
    watch: Stopwatch
    clock: Clock
    end: float
    own: tuple[int, ...] = ()
    repeat: int = 1
    faults: dict[Choice, str] = field(default_factory=dict)

    def admit(self, choice: Choice) -> _Runner | None:
        """A candidate whose results are right; None, with its fault noted, for any other."""
        try:
            runner = _Runner(choice, _launch_of(self.kernel, choice, self.shape, self.there, self.rehearsal))
            self.rehearsal.restore()
            runner.launch()
            got = self.rehearsal.results()
        except (CompileError, UnsupportedError, UserError) as error:
            self.faults[choice] = f"refused: {error}"
            return None
        except DeviceError as error:
            if error.kind is DeviceErrorKind.FATAL:
                raise
            self.faults[choice] = f"refused: {error}"
            return None
        wrong = differs(
            self.expected, got, fast=self.kernel.subject(self.there, (), 1).fastmath, unordered=self.unordered
        )
        if not wrong:
            return runner
        self.faults[choice] = f"wrong: {wrong}"
        warnings.warn(
            f"{self.kernel.name} with {choice.label} gives other results than without: {wrong}. It is not "
            "used; please report it with the kernel",
            RuntimeWarning,
            stacklevel=4,
        )
        return None

    def sample(self, runner: _Runner) -> None:
        """Time a candidate once more, from the arguments' first contents where it matters."""
        self.rehearsal.restore(all=False)
        runner.times.append(self.watch.seconds(runner.launch, self.repeat))

    def settle(self, runners: Sequence[_Runner], samples: int) -> None:
        """Successive halving: sample all in turns, drop the slower half, sample the rest longer."""
        alive, rounds = list(runners), 1
        while alive and len(alive[0].times) < samples:
            for turn in range(min(rounds, samples - len(alive[0].times))):
                for at in range(len(alive)):
                    self.sample(alive[(at + turn) % len(alive)])
                if self.clock() >= self.end:
                    return
            base = next(runner for runner in alive if runner.choice == DEFAULT)
            others = sorted((r for r in alive if r is not base), key=lambda r: r.typical)
            if len(others) > 1:
                others = others[: (len(others) + 1) // 2]
            alive, rounds = [base, *others], rounds * 2


def tune(
    kernel: Kernel,
    shape: int | tuple[int, ...],
    *args: Any,
    blocks: Iterable[int | tuple[int, ...]] | None = None,
    tiles: Iterable[tuple[int, int]] | None = None,
    budget: float = 2.0,
    samples: int = 25,
    retune: bool = False,
    device: Device | str | None = None,
    progress: Progress | None = None,
    clock: Clock = MONOTONIC,
    **kwargs: Any,
) -> Tuning:
    """Find the fastest block or tile for launches like this one, and keep it for those to come.

    The arguments stay as they are: all runs are on copies. `budget` is in seconds, `samples` the most timings
    of one candidate. `blocks` and `tiles` name candidates in place of our own. Candidates measured before
    are not measured again, unless `retune`; the best of them is, beside the new ones.
    UserError when the kernel names its own block or tile, or is compiled with checks.
    """
    began = clock()
    if kernel.block is not None or kernel.tile or kernel.effective_check() != "off":
        what = (
            "names its own block or tile" if kernel.effective_check() == "off" else "is compiled with checks"
        )
        raise UserError(f"{kernel.name} {what}, so there is nothing to tune")
    session, there, kinds = _begin(kernel, shape, args, kwargs, device, clock, began + budget)
    subject = kernel.subject(there, kinds, len(session.shape))
    size = size_class(session.shape)
    before = None if retune else kernel.tuned.answers(subject).get(size)
    known = dict(before.trials) if before is not None else {}
    candidates = _candidates(session, blocks, tiles)
    new = [choice for choice in candidates if choice.label not in known]
    again = [before.chosen] if before is not None and before.chosen != DEFAULT else []
    wanted = [DEFAULT, *(again + new if new else [])]
    if new or not known:
        runners, untried = _admitted(session, wanted, began + COMPILING * budget, progress)
        session.settle(runners, samples)
        known |= _trials(runners, session.faults)
    else:
        runners, untried = [], []
    chosen = _best(runners) if runners else before.chosen if before is not None else DEFAULT
    kept = kernel.tuned.keep(subject, size, Answer(chosen, known))
    kernel.renew()
    if progress is not None:
        progress(len(wanted), len(wanted), chosen.label)
    return Tuning(
        kernel.name,
        there.name,
        session.shape,
        chosen,
        tuple(known.values()),
        tuple(untried),
        kept,
        clock() - began,
    )


def _begin(
    kernel: Kernel,
    shape: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    asked: Device | str | None,
    clock: Clock,
    end: float,
) -> tuple[_Session, Device, tuple[Any, ...]]:
    """Copy the arguments and run the default once, whose results are the measure of the others'."""
    extents = check_shape(kernel.name, shape, kernel.rank)
    values = bind(kernel.name, kernel.parameters, args, kwargs)
    given = kernel.take(tuple(values), {})
    plain = kernel.variation((), ())
    plain.placement = kernel.placement
    there, spec, program = plain._prepare(extents, None, given, None if asked is None else _device(asked))
    rehearsal = Rehearsal(kernel.name, there, values, given, program.signature)
    session = _Session(
        kernel,
        extents,
        there,
        rehearsal,
        [],
        targets.reorders(kernel.asked(spec)),
        Stopwatch(there, clock),
        clock,
        end,
    )
    if targets.target(there.kind).by_blocks:
        session.own = program.signature.item[-len(extents) :]
    launch = _launch_of(kernel, DEFAULT, extents, there, rehearsal)
    launch()
    session.expected = rehearsal.results()
    rehearsal.restore(all=False)
    single = session.watch.seconds(launch, 1)
    session.repeat = max(1, min(MOST_LAUNCHES, math.ceil(SHORTEST / max(single, 1e-9))))
    return session, there, spec.kinds


def _launch_of(
    kernel: Kernel, choice: Choice, shape: tuple[int, ...], there: Device, rehearsal: Rehearsal
) -> Callable[[], None]:
    """A candidate, ready to be launched on the rehearsal's arguments."""
    with there:
        return kernel.variation(choice.block, choice.tile).bind(shape, *rehearsal.values)


def _candidates(
    session: _Session,
    blocks: Iterable[int | tuple[int, ...]] | None,
    tiles: Iterable[tuple[int, int]] | None,
) -> list[Choice]:
    """The choices to measure besides the default, likely ones first."""
    name, rank, most = session.kernel.name, len(session.shape), session.there.capabilities.max_block
    if blocks is not None or tiles is not None:
        asked = [Choice(block=check_block(name, block, rank, most)) for block in blocks or ()]
        return list(dict.fromkeys(asked + [Choice(tile=check_tile(name, tile)) for tile in tiles or ()]))
    if not targets.target(session.there.kind).by_blocks:
        return [Choice(tile=tile) for tile in TILES[min(rank, 2)]]
    fitting = [block for block in BLOCKS[rank] if math.prod(block) <= most and block != session.own]
    return [Choice(block=block) for block in fitting if _fills(block, session.shape)] or [
        Choice(block=fitting[0])
    ]


def _fills(block: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether at least a quarter of the threads of a launch's blocks have work."""
    launched = math.prod(-(-extent // b) * b for extent, b in zip(shape, block, strict=True))
    return launched <= 4 * math.prod(shape)


def _admitted(
    session: _Session, wanted: Sequence[Choice], until: float, progress: Progress | None
) -> tuple[list[_Runner], list[Choice]]:
    """The candidates that run and are right, and those there was no time for; the default is always in."""
    runners: list[_Runner] = []
    for done, choice in enumerate(wanted):
        if done and session.clock() >= until:
            return runners, list(wanted[done:])
        if progress is not None:
            progress(done, len(wanted), choice.label)
        runner = session.admit(choice)
        if runner is not None:
            runners.append(runner)
            session.sample(runner)
    return runners, []


def _trials(runners: Sequence[_Runner], faults: Mapping[Choice, str]) -> dict[str, Trial]:
    found = {r.choice.label: Trial(r.choice, r.typical, len(r.times)) for r in runners}
    return found | {choice.label: Trial(choice, fault=fault) for choice, fault in faults.items()}


def _best(runners: Sequence[_Runner]) -> Choice:
    """The fastest, where it beats the default by more than noise."""
    base = next(runner for runner in runners if runner.choice == DEFAULT)
    fastest = min(runners, key=lambda runner: runner.typical)
    return fastest.choice if fastest.typical < (1 - GAIN) * base.typical else DEFAULT


def _median(times: Sequence[float]) -> float:
    """The middle one of some times, infinite without any; `statistics` takes long to load."""
    ordered = sorted(times)
    middle = len(ordered) // 2
    if not ordered:
        return math.inf
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


_device = device
