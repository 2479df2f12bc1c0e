"""`gyral bench`: the benchmark's kernels on this machine."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Annotated

import typer
from rich.progress import track
from rich.table import Table

from gyral.cli.bench.cases import MAKERS, Case
from gyral.cli.exits import Exit
from gyral.cli.inventory import device_rows
from gyral.cli.output import duration, people, print_json

SHORTEST_BATCH = 2e-3
LEAST_BATCHES = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a case, its first launch and the median and best of many, and how far its result was off."""

    case: Case
    first: float
    median: float
    best: float
    error: float

    @property
    def ok(self) -> bool:
        """Whether the result was near enough to the truth. NaN is not."""
        return self.error <= self.case.allowed


def once(job: Callable[[], None], times: int, clock: Callable[[], float]) -> float:
    """Seconds for each of `times` calls in a row."""
    started = clock()
    for _ in range(times):
        job()
    return (clock() - started) / times


def measure(case: Case, seconds: float, clock: Callable[[], float] = perf_counter) -> Timing:
    """Launch, check, then repeat for about `seconds`, in batches long enough for the clock."""
    first = once(case.launch, 1, clock)
    error = case.error()
    single = once(case.launch, 1, clock)
    batch = max(1, round(SHORTEST_BATCH / max(single, 1e-7)))
    times = []
    deadline = clock() + seconds
    while len(times) < LEAST_BATCHES or clock() < deadline:
        times.append(once(case.launch, batch, clock))
    return Timing(case, first, median(times), min(times), error)


def rate(amount: float, seconds: float) -> str:
    """Billions a second, or a dash where nothing was counted."""
    return f"{amount / seconds / 1e9:.1f}" if amount else "–"


def table(timings: list[Timing]) -> Table:
    """Timings for people."""
    grid = Table(title="Benchmark kernels, f32, fast maths", box=None, padding=(0, 2, 0, 0))
    grid.add_column("kernel", no_wrap=True)
    for heading in ("size", "first", "median", "best", "GB/s", "GFLOP/s"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("result", no_wrap=True)
    for timing in timings:
        case = timing.case
        grid.add_row(
            case.name,
            case.size,
            duration(timing.first),
            duration(timing.median),
            duration(timing.best),
            rate(case.bytes, timing.median),
            rate(case.flops, timing.median),
            "[green]ok[/]" if timing.ok else f"[bold red]WRONG[/] by {timing.error:.1e}",
        )
    return grid


def as_data(timings: list[Timing]) -> dict[str, object]:
    """The same for programs; times in seconds."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "devices": device_rows(),
        "kernels": [
            {
                "name": timing.case.name,
                "size": timing.case.size,
                "first_launch_seconds": timing.first,
                "median_seconds": timing.median,
                "best_seconds": timing.best,
                "bytes": timing.case.bytes,
                "flops": timing.case.flops,
                "error": timing.error,
                "allowed_error": timing.case.allowed,
                "ok": timing.ok,
            }
            for timing in timings
        ],
        "ok": all(timing.ok for timing in timings),
    }


def chosen(names: list[str] | None) -> list[str]:
    """The cases to run; all without names. Raises typer.BadParameter for an unknown one."""
    unknown = sorted(set(names or ()) - set(MAKERS))
    if unknown:
        raise typer.BadParameter(f"no case {', '.join(unknown)}; there are {', '.join(MAKERS)}")
    return list(names or MAKERS)


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="CASE", help="Cases to run; all by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Time for each case.")] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")] = False,
) -> None:
    """Time the benchmark kernels on this machine and check their results."""
    progress = track(chosen(names), "measuring", console=people(error=True), transient=True, disable=json)
    timings = [measure(MAKERS[name](), seconds) for name in progress]
    if json:
        print_json(as_data(timings))
    else:
        people().print(table(timings))
    if not all(timing.ok for timing in timings):
        raise typer.Exit(Exit.MISMATCH)
