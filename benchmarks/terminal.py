"""Tables on the terminal, and single figures published: shown there, and kept as a record."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from measures import Measure, heading, write
from report import Table, measure_table

WIDTH = 170  # where the output is no terminal and has no width of its own


def console() -> Console:
    """The standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def show(table: Table, to: Console) -> None:
    """Print one table; columns of figures are set to the right."""
    shown = RichTable(title=Text(table.title), box=box.SIMPLE, title_justify="left")
    for index, head in enumerate(table.heads):
        figures = index > 0 and any(row[index][:1].isdigit() for row in table.rows)
        shown.add_column(head, justify="right" if figures else "left")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    to.print(shown)


def publish(
    title: str,
    figures: Sequence[Measure],
    to: Console,
    path: Path | None,
    suffix: str,
    notes: Sequence[str] = (),
) -> bool:
    """Show figures and notes, and write their record as `measures.write` does; whether all goals are met."""
    kept = {"measures": [figure.record() for figure in figures], "notes": list(notes)}
    record = heading("measures", title) | kept
    show(measure_table(record), to)
    for note in notes:
        to.print(note, markup=False)
    to.print(f"written to {write(record, path, suffix)}", markup=False)
    return not any(each["met"] is False for each in record["measures"])
