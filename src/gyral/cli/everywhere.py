"""`gyral check --device all`: the language on every device that is here, proofs for those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from textwrap import indent

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gyral.cli.output import people, print_json
from gyral.runtime.device import devices
from gyral.testing import conformance, proofs
from gyral.testing.conformance import Row
from gyral.testing.proofs import Proof, ProofTarget

GOOD = {"pass", "refused", "compiled", "emitted"}


@dataclass(frozen=True, slots=True)
class Column:
    """One device or target: how it was judged ("executed", "compiled" or "emitted") and its rows."""

    name: str
    judged: str
    rows: Sequence[Row | Proof]

    @property
    def bad(self) -> list[Row | Proof]:
        """The rows that are not as they should be."""
        return [row for row in self.rows if row.outcome not in GOOD]


def check_everywhere(groups: list[str] | None, json: bool, verbose: bool) -> bool:
    """Run the suite wherever it can be run, print one table; whether all is as it should be."""
    present = devices()
    targets = [target for target in proofs.absent(device.kind for device in present) if can_prove(target)]
    columns: list[Column] = []
    with Progress(console=people(error=True), transient=True, disable=json) as bar:

        def advance(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(f"checking {name}", total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        for device in present:
            rows = conformance.run(device.name, groups, progress=advance(device.name))
            columns.append(Column(device.name, "executed", rows))
        for target in targets:
            found = proofs.prove(target, groups, progress=advance(target.name))
            columns.append(Column(target.name, "compiled" if target.compiled else "emitted", found))
    left_out = [target.name for target in proofs.absent(d.kind for d in present) if not can_prove(target)]
    if json:
        print_json(as_data(columns, left_out))
    else:
        show(columns, left_out, verbose)
    return not any(column.bad for column in columns)


def can_prove(target: ProofTarget) -> bool:
    """Whether the vendor's compiler is here, where one has a say."""
    return not target.compiled or find_spec("cuda") is not None


def show(columns: Sequence[Column], left_out: Sequence[str], verbose: bool) -> None:
    """The table, then what was refused and why, then what is wrong."""
    grid = table(columns)
    console = people()
    if not console.is_terminal:  # a file is as wide as it must be
        endless = console.options.update(width=10_000)
        console.width = max(console.width, console.measure(grid, options=endless).maximum)
    console.print(grid)
    for column in columns:
        show_resources(column)
    for name in left_out:
        people().print(
            f"{name} is left out: NVRTC is not installed (pip install gyral\\[cuda])", soft_wrap=True
        )
    for column in columns:
        show_refusals(column, verbose)
    for column in columns:
        for row in column.bad:
            text = escape(f"{column.name}: {row.group} {row.row}: {row.name}")
            people().print(f"[bold red]{row.outcome.upper()}[/] {text}", highlight=False)
            people().print(indent(row.detail, "    "), markup=False, highlight=False, soft_wrap=True)


def table(columns: Sequence[Column]) -> Table:
    """Numbers of cases by outcome: a line for each row of the language's list, a column for each device."""
    grid = Table(
        title="Conformance against the interpreter: cases right, [yellow]+ refused[/]",
        box=SIMPLE_HEAD,
        padding=0,
    )
    grid.add_column("", no_wrap=True, min_width=1)
    grid.add_column("row")
    names = dict.fromkeys((row.group, row.row) for column in columns for row in column.rows)
    counted = [counts(column) for column in columns]
    sums = [cell(Counter(row.outcome for row in column.rows)) for column in columns]
    for column, total in zip(columns, sums, strict=True):
        name = column.name.replace(" ", "\n")
        widest = max(len(column.judged), Text.from_markup(total).cell_len)
        grid.add_column(
            f"{name}\n[dim]{column.judged}[/]",
            justify="right",
            no_wrap=True,
            vertical="bottom",
            min_width=widest,
        )
    for group, name in names:
        grid.add_row(group, name, *(cell(found.get((group, name))) for found in counted))
    grid.add_section()
    grid.add_row("", "all", *sums)
    return grid


def counts(column: Column) -> dict[tuple[str, str], Counter[str]]:
    """Outcomes of a column's rows."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in column.rows:
        found.setdefault((row.group, row.row), Counter())[row.outcome] += 1
    return found


def cell(outcomes: Counter[str] | None) -> str:
    """One row on one device: how many are right, how many were refused, how many are wrong."""
    if not outcomes:
        return "–"
    right = sum(outcomes[o] for o in ("pass", "compiled", "emitted"))
    parts = [str(right)] if right or not outcomes["refused"] else []
    if outcomes["refused"]:
        parts.append(f"[yellow]+{outcomes['refused']}[/]")
    wrong = sum(count for outcome, count in outcomes.items() if outcome not in GOOD)
    if wrong:
        parts.append(f"[bold red]{wrong} WRONG[/]")
    return " ".join(parts)


def show_refusals(column: Column, verbose: bool) -> None:
    """Why a device refused, each reason once with its number of cases; with `verbose` the cases too."""
    reasons: dict[str, list[str]] = {}
    for row in column.rows:
        if row.outcome == "refused":
            reasons.setdefault(row.detail, []).append(f"{row.group} {row.row}: {row.name}")
    for reason, names in reasons.items():
        people().print(
            f"{column.name} refuses {len(names)}: {reason}", markup=False, highlight=False, soft_wrap=True
        )
        if verbose:
            people().print(indent("\n".join(names), "    "), markup=False, highlight=False, soft_wrap=True)


def show_resources(column: Column) -> None:
    """What the vendor's compiler says the kernels take."""
    used = resources(column)
    if used:
        people().print(
            f"{column.name}: at most {used['registers']} registers and {used['shared_bytes']} bytes on chip "
            f"a kernel; {used['spilling']} of {used['kernels']} kernels spill registers",
            highlight=False,
            soft_wrap=True,
        )


def resources(column: Column) -> dict[str, int]:
    """The most that any kernel takes, and how many spill; empty where no compiler reports it."""
    found = [row.resources for row in column.rows if isinstance(row, Proof) and row.resources]
    if not found:
        return {}
    return {
        "kernels": len(found),
        "registers": max(each.get("registers", 0) for each in found),
        "shared_bytes": max(each.get("shared_bytes", 0) for each in found),
        "spilling": sum(bool(each.get("spill_store_bytes")) for each in found),
    }


def as_data(columns: Sequence[Column], left_out: Sequence[str]) -> dict[str, object]:
    """The same for programs."""
    return {
        "devices": [
            {
                "name": column.name,
                "judged": column.judged,
                "resources": resources(column),
                "cases": [
                    {
                        "group": row.group,
                        "row": row.row,
                        "case": row.name,
                        "outcome": row.outcome,
                        "detail": row.detail,
                        **({"resources": row.resources} if isinstance(row, Proof) and row.resources else {}),
                    }
                    for row in column.rows
                ],
            }
            for column in columns
        ],
        "left_out": list(left_out),
        "ok": not any(column.bad for column in columns),
    }
