"""The measurement: every peer's worker asked in turn, kernel by kernel, with ours between any two others."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fleet import BATCH_SECONDS, OPEN_SECONDS, Lost, Member
from machine import wait_until_quiet
from peers.limit import OPERATIONS, traffic
from problems import PROBLEMS

DISTURBED = 0.15  # share of a core that others may use during a batch before it counts as disturbed


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run measures: `rounds` batches per peer and kernel, spread over `placements` of the data."""

    kernels: tuple[str, ...]
    peers: tuple[str, ...]
    threads: tuple[int, ...]
    base: str = "gyral"
    rounds: int = 6
    placements: int = 2
    seconds: float = 0.15
    least: int = 3
    quiet: float = 2.0
    offset: int = 0


@dataclass(slots=True)
class Row:
    """One peer on one kernel at one thread count. Times are in seconds, of one launch for the small launches.

    `ratio` is this peer's time over that of the base in the batch before it: above 1 the base is faster.
    """

    kernel: str
    peer: str
    threads: int
    form: str = ""
    library: bool = False
    error: float | None = None
    fault: str = ""
    batches: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    best: float = float("inf")
    runs: int = 0

    def clean(self, values: list[float]) -> list[float]:
        """Those of undisturbed batches, if they are at least half of them; else all."""
        kept = [value for value, foreign in zip(values, self.foreign, strict=True) if foreign < DISTURBED]
        return kept if 2 * len(kept) >= len(values) else values

    @property
    def median(self) -> float | None:
        """The median of the batches' medians."""
        return statistics.median(self.clean(self.batches)) if self.batches else None

    @property
    def spread(self) -> float | None:
        """Slowest less fastest batch, over the median."""
        times = self.clean(self.batches)
        return (max(times) - min(times)) / statistics.median(times) if times else None

    @property
    def ratio(self) -> float | None:
        """The median of the ratios to the base."""
        return statistics.median(self.ratios) if self.ratios else None

    def record(self) -> dict[str, Any]:
        """The row as JSON holds it."""
        told = asdict(self) | {"median": self.median, "spread": self.spread, "ratio": self.ratio}
        return {name: _rounded(value) for name, value in told.items() if value != float("inf")}


@dataclass(frozen=True, slots=True)
class Limit:
    """What the machine does at most, timed beside a kernel; 0 bytes a second where memory is no limit."""

    kernel: str
    threads: int
    bytes_per_second: float
    operations_per_second: float

    @property
    def seconds(self) -> float:
        """The least time the kernel can take."""
        problem = PROBLEMS[self.kernel]
        memory = problem.bytes / self.bytes_per_second if self.bytes_per_second else 0.0
        return max(memory, problem.operations / self.operations_per_second)


Entrant = tuple[Member, Row]  # a worker with the row it is filling


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return [_rounded(item) for item in value] if isinstance(value, list) else value


class Measurement:
    """Runs the settings' kernels over a fleet of started workers, one per peer and thread count."""

    def __init__(
        self, settings: Settings, fleet: list[Member], step: Callable[[str], None] = lambda told: None
    ) -> None:
        self.settings = settings
        self.fleet = fleet
        self.step = step
        self.rows: list[Row] = []
        self.limits: list[Limit] = []
        self._arithmetic: dict[int, float] = {}

    def run(self) -> None:
        """Measure everything; `rows` and `limits` hold the results."""
        for threads in self.settings.threads:
            self._arithmetic[threads] = self._limit_rate("multiply_add", threads, OPERATIONS * threads)
        for kernel in self.settings.kernels:
            for threads in self.settings.threads:
                self._kernel(kernel, threads)

    def _members(self, threads: int) -> Iterator[Member]:
        return (member for member in self.fleet if member.threads == threads and not member.missing)

    def _limit(self, threads: int) -> Member | None:
        return next((member for member in self._members(threads) if member.peer == "limit"), None)

    def _kernel(self, kernel: str, threads: int) -> None:
        """Open, measure in rounds and close one kernel on all workers of one thread count."""
        rows: dict[str, Entrant] = {}
        for member in self._members(threads):
            if member.peer != "limit":
                self.step(f"{kernel}, {threads} thread(s): {member.peer} prepares")
                row = self._opened(member, kernel)
                if row is not None:
                    self.rows.append(row)
                    if not row.fault:
                        rows[member.peer] = (member, row)
        base = rows.pop(self.settings.base, None)
        others = list(rows.values())
        for turn in range(self.settings.rounds):
            if turn and self._placement(turn) != self._placement(turn - 1):
                self._place_anew(kernel, [*others, *([base] if base else [])])
            shift = turn % len(others) if others else 0
            for pair in others[shift:] + others[:shift] or [None]:
                self._turn(kernel, base, pair)
        for member in self._members(threads):
            with self._losing(None):
                member.ask(BATCH_SECONDS, close=True)
        self._measure_limit(kernel, threads)

    def _placement(self, turn: int) -> int:
        return turn * self.settings.placements // self.settings.rounds

    def _turn(self, kernel: str, base: Entrant | None, other: Entrant | None) -> None:
        """A batch of the base, then one of the other peer."""
        ours = self._batch(kernel, *base) if base else None
        theirs = self._batch(kernel, *other) if other else None
        if other and ours and theirs:
            other[1].ratios.append(theirs / ours)

    def _opened(self, member: Member, kernel: str) -> Row | None:
        """The row of a peer that has the kernel; its fault says what is wrong with it, if something is."""
        row = Row(kernel, member.peer, member.threads)
        with self._losing(row):
            told = member.ask(OPEN_SECONDS, open=kernel)
            if told.get("absent"):
                return None
            row.fault = "; ".join(f"{form}: {why}" for form, why in told["faults"].items())
            if "form" in told:  # forms that failed are left out; those that are left count
                row.form, row.library, row.error = told["form"], told["library"], told.get("error")
                row.fault = ""
        return row

    def _batch(self, kernel: str, member: Member, row: Row) -> float | None:
        """One batch; returns its median, and adds it to the row."""
        self.step(f"{kernel}, {member.threads} thread(s): {member.peer}")
        wait_until_quiet(self.settings.quiet)
        with self._losing(row):
            told = member.ask(BATCH_SECONDS, batch=self.settings.seconds, least=self.settings.least)
            launches = PROBLEMS[kernel].launches
            times = [seconds / launches for seconds in told["seconds"]]
            row.batches.append(statistics.median(times))
            row.foreign.append(told["foreign"])
            row.best = min(row.best, *times)
            row.runs += len(times)
            return row.batches[-1]
        return None

    def _place_anew(self, kernel: str, pairs: list[Entrant]) -> None:
        """Data somewhere else in memory: which pages it lies in changes what the caches do."""
        for member, row in pairs:
            with self._losing(row):
                member.ask(OPEN_SECONDS, open=kernel, form=row.form)

    @contextmanager
    def _losing(self, row: Row | None) -> Iterator[None]:
        """Note the loss of a worker in its row and go on without it."""
        try:
            yield
        except Lost as fault:
            if row is not None:
                row.fault = str(fault)

    def _limit_rate(self, kernel: str, threads: int, amount: float) -> float:
        """`amount` a second in the limit's best run."""
        member = self._limit(threads)
        if member is None:
            return 0.0
        self.step(f"{kernel}, {threads} thread(s): the machine's limit")
        member.ask(OPEN_SECONDS, open=kernel)
        best = float("inf")
        for _ in range(max(2, self.settings.rounds // 2)):
            wait_until_quiet(self.settings.quiet)
            best = min(best, *member.ask(BATCH_SECONDS, batch=self.settings.seconds, least=3)["seconds"])
        member.ask(BATCH_SECONDS, close=True)
        return amount / best

    def _measure_limit(self, kernel: str, threads: int) -> None:
        problem, arithmetic = PROBLEMS[kernel], self._arithmetic[threads]
        if problem.operations and arithmetic:
            memory = self._limit_rate(kernel, threads, traffic(problem)) if problem.footprint else 0.0
            self.limits.append(Limit(kernel, threads, memory, arithmetic))


def start_fleet(peers: tuple[str, ...], threads: tuple[int, ...], logs: Path) -> list[Member]:
    """Start one worker per peer and thread count, the machine's limit among them, and wait for all."""
    fleet = []
    for count in threads:
        for peer in dict.fromkeys(("limit", *peers)):
            member = Member.start(peer, count, logs)
            member.greet()
            fleet.append(member)
    return fleet
