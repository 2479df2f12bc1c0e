"""`gyral top`: the actors of other processes, live, in the terminal."""

import os
import select
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from gyral.actors.toptable import as_data, table
from gyral.actors.watch import View, watched
from gyral.cli.output import people, print_json
from gyral.core import settings
from gyral.core.entry import load

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST = "\x1b[H", "\x1b[K", "\x1b[J"
NOBODY = "No process of yours publishes actors: give one GYRAL_PUBLISH=1, or its systems publish=True."
SAMPLE_SECONDS = 0.25


def top(
    once: Annotated[bool, typer.Option("--once", help="Print the table once and leave.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON once, for programs.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    rows: Annotated[int, typer.Option(min=1, help="Actors to print of each system with --once.")] = 20,
) -> None:
    """Show the actors of processes that publish them: states, mailboxes, rates. q or Ctrl-C ends it."""
    place = settings.current().runtime_dir
    if not (once or json) and sys.stdin.isatty() and sys.stdout.isatty():
        _live(place, interval)
        return
    before = watched(place)
    if before:
        time.sleep(min(interval, SAMPLE_SECONDS))
    views = watched(place)
    if json:
        print_json({"systems": [as_data(view, _earlier(view, before)) for view in views]})
        return
    for line in _lines(views, before, rows):
        people().print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(views: Sequence[View], before: Sequence[View], rows: int) -> list[str]:
    found: list[str] = []
    for view in views:
        found += [*table(view, _earlier(view, before), rows), ""]
    return found or [NOBODY]


def _earlier(view: View, before: Sequence[View]) -> View | None:
    key = view["pid"], view["system"]
    return next((old for old in before if (old["pid"], old["system"]) == key), None)


def _live(place: str, interval: float) -> None:
    before: list[View] = []
    with _screen():
        try:
            while True:
                views = watched(place)
                columns, height = shutil.get_terminal_size()
                rows = max(1, (height - 2) // max(1, len(views)) - 4)
                lines = [*_lines(views, before, rows)[: height - 2], "q ends"]
                text = "\r\n".join(line[:columns] + REST_OF_LINE for line in lines)
                sys.stdout.write(HOME + text + REST)
                sys.stdout.flush()
                before = views
                ready, _, _ = select.select([sys.stdin], [], [], interval)
                if ready and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b"\x03", b""):
                    return
        except KeyboardInterrupt:
            return


@contextmanager
def _screen() -> Iterator[None]:
    """A screen of its own, and keys as they are pressed; the terminal is then as it was."""
    termios: Any = load("termios:tcgetattr")
    attributes = termios(sys.stdin)
    load("tty:setcbreak")(sys.stdin)
    sys.stdout.write(ENTER)
    try:
        yield
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        load("termios:tcsetattr")(sys.stdin, load("termios:TCSADRAIN"), attributes)
