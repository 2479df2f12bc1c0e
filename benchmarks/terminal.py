"""Tables on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from report import Table


def show(table: Table, console: Console) -> None:
    """Print one table; columns of figures are set to the right."""
    shown = RichTable(title=Text(table.title), box=box.SIMPLE, title_justify="left")
    for index, head in enumerate(table.heads):
        figures = index > 0 and any(row[index][:1].isdigit() for row in table.rows)
        shown.add_column(head, justify="right" if figures else "left")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
