"""`gyral check`: does this machine compute what the language means?"""

from collections import Counter
from textwrap import indent
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from gyral.cli.everywhere import check_everywhere
from gyral.cli.exits import Exit
from gyral.cli.locate import kernel
from gyral.cli.output import people, print_json
from gyral.cli.trial import Trial, run_trials, try_device
from gyral.jit.kernel import Kernel
from gyral.runtime.device import devices
from gyral.testing.conformance import Row, run

EVERY = "all"
GOOD = {"pass", "refused"}
SHOWN = {
    "pass": "[green]pass[/]",
    "refused": "[yellow]refused[/]",
    "wrong": "[bold red]WRONG[/]",
    "error": "[bold red]ERROR[/]",
}


def check(
    target: Annotated[
        str | None, typer.Argument(metavar="[FILE:KERNEL]", help="A kernel of yours; the language without.")
    ] = None,
    random: Annotated[int, typer.Option(min=1, help="Random launches of FILE:KERNEL.")] = 20,
    seed: Annotated[int, typer.Option(help="Which random launches.")] = 0,
    group: Annotated[
        list[str] | None, typer.Option(help="Groups of the conformance table, such as A.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="The device to check; all: every one here, and proofs for the others.")
    ] = "cpu",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every case.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")] = False,
) -> None:
    """Compare a device with the interpreter, the specification: row by row, or on a kernel of yours."""
    if target is not None:
        check_kernel(kernel(target), random, seed, device, json)
        return
    if device == EVERY:
        if not check_everywhere(group, json, verbose):
            raise typer.Exit(Exit.MISMATCH)
        return
    rows = run_conformance(device, group, quiet=json)
    if json:
        print_json([row_data(row) for row in rows])
    else:
        people().print(summary(rows))
        print_cases(rows, verbose)
    if any(row.outcome not in GOOD for row in rows):
        raise typer.Exit(Exit.MISMATCH)


def check_kernel(chosen: Kernel, count: int, seed: int, device: str, json: bool) -> None:
    """Random launches on one device, or on every one that is here; leave with MISMATCH when one differs."""
    if device != EVERY:
        wrong = report_trials(run_trials(chosen, count, seed, device), json)
    else:
        found = {each.name: try_device(chosen, count, seed, each.name) for each in devices()}
        wrong = False
        if json:
            print_json({name: [trial_data(trial) for trial in trials] for name, trials in found.items()})
            wrong = any(trial.difference for trials in found.values() for trial in trials)
        else:
            for name, trials in found.items():
                people().print(f"[bold]{escape(name)}[/]", highlight=False)
                wrong |= report_trials(trials, json)
    if wrong:
        raise typer.Exit(Exit.MISMATCH)


def run_conformance(device: str, groups: list[str] | None, quiet: bool) -> list[Row]:
    """The suite under a progress bar on standard error."""
    with Progress(console=people(error=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(f"checking {device}", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return run(device, groups, progress=advance)


def row_data(row: Row) -> dict[str, object]:
    """One row for programs."""
    return {
        "group": row.group,
        "row": row.row,
        "case": row.name,
        "outcome": row.outcome,
        "detail": row.detail,
    }


def summary(rows: list[Row]) -> Table:
    """Numbers of cases by outcome for each row of the language's list."""
    grid = Table(title="Conformance: this device against the interpreter")
    for heading in ("group", "row"):
        grid.add_column(heading)
    for heading in SHOWN:
        grid.add_column(heading, justify="right")
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row.group, row.row), Counter())[row.outcome] += 1
    for (group, name), outcomes in counts.items():
        bad = any(outcomes[outcome] for outcome in SHOWN if outcome not in GOOD)
        numbers = [str(outcomes[outcome]) if outcomes[outcome] else "·" for outcome in SHOWN]
        grid.add_row(group, name, *numbers, style="red" if bad else None)
    total = Counter(row.outcome for row in rows)
    grid.add_section()
    grid.add_row("", "all", *(str(total[outcome]) for outcome in SHOWN))
    return grid


def print_cases(rows: list[Row], every: bool) -> None:
    """The cases that are wrong, or all of them, one below the other."""
    for row in rows:
        if every or row.outcome not in GOOD:
            people().print(
                f"{SHOWN[row.outcome]} {row.group} {escape(f'{row.row}: {row.name}')}", highlight=False
            )
            if row.detail:
                people().print(indent(row.detail, "    "), markup=False, highlight=False, soft_wrap=True)


def trial_data(trial: Trial) -> dict[str, object]:
    """One launch for programs."""
    return {
        "shape": list(trial.shape),
        "fault": trial.fault,
        "difference": trial.difference,
        "refused": trial.refused,
    }


def report_trials(trials: list[Trial], json: bool) -> bool:
    """Say how the random launches went; whether one differs."""
    wrong = [trial for trial in trials if trial.difference]
    if json:
        print_json([trial_data(trial) for trial in trials])
        return bool(wrong)
    for trial in wrong:
        people().print(f"shape {trial.shape}: {trial.difference}", style="red", markup=False, soft_wrap=True)
    if trials and trials[0].refused:
        people().print(f"refused: {trials[0].refused}", style="yellow", markup=False, soft_wrap=True)
        return False
    faults = sum(bool(trial.fault) for trial in trials)
    faulty = f", {faults} of them with the same fault on both sides" if faults else ""
    people().print(
        f"{len(trials) - len(wrong)} of {len(trials)} launches agree with the interpreter{faulty}",
        soft_wrap=True,
    )
    if faults:
        first = next(trial for trial in trials if trial.fault)
        people().print(f"for example at shape {first.shape}: {first.fault}", markup=False, soft_wrap=True)
    return bool(wrong)
