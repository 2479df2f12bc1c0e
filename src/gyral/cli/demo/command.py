"""`gyral demo`: kernels on real input, checked against NumPy and timed beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gyral.cli.demo import flights, fluid, options, photograph, png, resident
from gyral.cli.demo.measure import Outcome, measure
from gyral.cli.demo.section import Section
from gyral.cli.exits import Exit
from gyral.cli.inventory import device_rows, device_table
from gyral.cli.output import duration, people, print_json

SECTIONS: tuple[Callable[[], Section], ...] = (
    photograph.section,
    fluid.section,
    options.section,
    flights.section,
)
STAGES = 4


def run_sections(makers: Sequence[Callable[[], Section]], quiet: bool) -> list[Outcome]:
    """Measure each section under one progress bar on standard error."""
    outcomes = []
    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=people(error=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=len(makers) * STAGES)
        for make in makers:
            section = make()

            def advance(stage: str, name: str = section.name) -> None:
                progress.update(task, advance=1, description=f"{name}: {stage}")

            outcomes.append(measure(section, advance))
    return outcomes


def write_pictures(outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """Write what each section has to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for outcome in outcomes:
        for name, image in outcome.section.pictures(outcome.results).items():
            png.write(folder / name, image)
            written.append(folder / name)
    return written


def table(outcomes: Sequence[Outcome]) -> Table:
    """Times and checks for people."""
    grid = Table(
        title="Kernels beside NumPy",
        caption="first: with compiling, or with loading what an earlier run compiled",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for heading in ("job", "on"):
        grid.add_column(heading, no_wrap=True)
    for heading in ("first", "kernels", "NumPy", "faster", "off by"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("check", no_wrap=True)
    for outcome in outcomes:
        worst = max(outcome.differences.values())
        grid.add_row(
            outcome.section.name,
            outcome.section.size,
            duration(outcome.first),
            duration(outcome.ours),
            duration(outcome.numpy),
            f"{outcome.numpy / outcome.ours:.1f}×",
            "0" if worst == 0 else f"{worst:.1e}",
            "[green]ok[/]" if outcome.ok else "[bold red]WRONG[/]",
        )
    return grid


def as_data(outcomes: Sequence[Outcome], pictures: Sequence[Path]) -> dict[str, object]:
    """The same for programs; times in seconds."""
    return {
        "devices": device_rows(),
        "sections": [
            {
                "name": outcome.section.name,
                "size": outcome.section.size,
                "first_launch_seconds": outcome.first,
                "kernels_seconds": outcome.ours,
                "numpy_seconds": outcome.numpy,
                "differences": dict(outcome.differences),
                "tolerances": dict(outcome.section.tolerances),
                "ok": outcome.ok,
            }
            for outcome in outcomes
        ],
        "pictures": [str(path) for path in pictures],
        "ok": all(outcome.ok for outcome in outcomes),
    }


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.", file_okay=False)] = Path("gyral-demo"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables.")] = False,
) -> None:
    """Run kernels on a photograph and a table of flights, check them against NumPy, write pictures."""
    if not json:
        people().print(device_table())
    outcomes = run_sections(SECTIONS, quiet=json)
    pictures = write_pictures(outcomes, out)
    residents = resident.measure()
    if json:
        data = as_data(outcomes, pictures)
        print_json(data | {"actors": resident.as_data(residents), "ok": data["ok"] and residents.ok})
    else:
        people().print(table(outcomes))
        for outcome in outcomes:
            for line in outcome.section.facts(outcome.results):
                people().print(line, highlight=False)
        people().print(resident.table(residents))
        for line in resident.picture(residents):
            people().print(line, highlight=False)
        people().print("Pictures to look at:", highlight=False)
        for path in pictures:
            people().print(f"  {path}", highlight=False, soft_wrap=True)
    if not (residents.ok and all(outcome.ok for outcome in outcomes)):
        raise typer.Exit(Exit.MISMATCH)
