"""Tables on the terminal."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from report import Table

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
