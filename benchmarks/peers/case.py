"""What a peer hands to the benchmark: for each kernel, the forms in which it can run it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


class Missing(Exception):
    """The peer cannot run on this machine; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Case:
    """One form of one kernel, ready to run on data it holds.

    `run` is what is timed; the work is complete when it returns.
    `results` puts the inputs back, runs once, and returns the results in the reference's order.
    `library` marks a call of a hand-tuned routine, which is shown but never counts as a kernel.
    """

    form: str
    run: Callable[[], object]
    results: Callable[[], tuple[np.ndarray, ...]]
    library: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """A library under measurement: its version, and for each kernel how to make its cases.

    Where a kernel has several forms the fastest is timed, so that no peer is held to a slow spelling.
    `checked` is false for the machine's own limits, which have no answer to check.
    """

    version: str
    cases: Mapping[str, Callable[[], list[Case]]]
    checked: bool = True
