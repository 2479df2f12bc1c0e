"""What the examples of actors share: options, progress, waiting for room, the report at the end, Ctrl-C."""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

import gyral as gy

REST = 100e-6


def options(about: str) -> argparse.ArgumentParser:
    """The options every one of them has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--device", default="cpu", help="where the actors live: cpu, opencl, webgpu … (cpu)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def progress(given: argparse.Namespace, text: str) -> None:
    """A line that the next one overwrites, where somebody reads it."""
    if not given.json and sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()


def tell_all(ref: gy.Ref, messages: object, kind: type | None = None) -> int:
    """Send a message, or an array of a kind, and wait while the mailbox is full; how often it was."""
    waits = 0
    if not isinstance(messages, np.ndarray):
        while True:
            try:
                ref.tell(messages)
            except gy.MailboxFull:
                waits += 1
                time.sleep(REST)
            else:
                return waits
    sent = 0
    while sent < len(messages):
        try:
            taken = ref.tell_many(messages[sent:], kind)
        except gy.MailboxFull:
            taken = 0
        sent += taken
        if not taken:
            waits += 1
            time.sleep(REST)
    return waits


def finish(given: argparse.Namespace, report: dict[str, object], lines: list[str]) -> int:
    """Print the report; the exit status: 0 where it is right, else 1."""
    progress(given, "")
    print(json.dumps(report) if given.json else "\n".join(lines))
    return 0 if report["ok"] else 1


def run(main: Callable[[], int]) -> int:
    """Run an example; Ctrl-C ends it, and its actors, with the status that shells expect."""
    try:
        return main()
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130
