"""The tables of one run, as lists of cells: printed by `run.py`, written as Markdown by `render.py`."""

from dataclasses import dataclass
from typing import Any

from goals import goals
from problems import PROBLEMS

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the column heads, and rows of text cells."""

    title: str
    heads: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """The table in Markdown, its title in bold above it."""
        lines = [f"**{self.title}**", "", f"| {' | '.join(self.heads)} |", f"|{'---|' * len(self.heads)}"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


def duration(seconds: float) -> str:
    """Milliseconds, or microseconds below a hundred of them, to three digits."""
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-4 else f"{seconds * 1e3:.3g} ms"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _kernels(record: Record) -> list[str]:
    return [kernel for kernel in PROBLEMS if any(row["kernel"] == kernel for row in record["rows"])]


def _cells(record: Record, threads: int) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["peer"], row["kernel"]): row for row in record["rows"] if row["threads"] == threads}


def _peers(record: Record, threads: int) -> list[str]:
    return list(dict.fromkeys(row["peer"] for row in record["rows"] if row["threads"] == threads))


def _time(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    if row.get("median") is None:
        return "WRONG" if "WRONG" in row["fault"] else "failed"
    return duration(row["median"]) + (" (library)" if row["library"] else "")


def times(record: Record, threads: int) -> Table:
    """Median time per kernel and peer; below, the machine's limit and the base's fraction of it."""
    kernels, cells = _kernels(record), _cells(record, threads)
    rows = [
        [peer, *(_time(cells.get((peer, kernel))) for kernel in kernels)] for peer in _peers(record, threads)
    ]
    limits = {limit["kernel"]: limit["seconds"] for limit in record["limits"] if limit["threads"] == threads}
    rows.append(["the machine's limit", *(duration(limits[k]) if k in limits else "–" for k in kernels)])
    base = record["settings"]["base"]
    shares = [
        f"{limits[kernel] / cells[base, kernel]['median']:.0%}"
        if kernel in limits and cells.get((base, kernel), {}).get("median")
        else "–"
        for kernel in kernels
    ]
    rows.append([f"{base}, share of the limit", *shares])
    title = f"Median times at {_threads(threads)}"
    return Table(title, ["", *(PROBLEMS[kernel].title for kernel in kernels)], rows)


def ratios(record: Record, threads: int) -> Table:
    """Each peer's time over the base's, taken between neighbouring batches."""
    kernels, cells, base = _kernels(record), _cells(record, threads), record["settings"]["base"]
    rows = []
    for peer in _peers(record, threads):
        found = [cells.get((peer, kernel), {}).get("ratio") for kernel in kernels]
        if peer != base and any(found):
            rows.append([peer, *(f"{ratio:.2f}×" if ratio else "–" for ratio in found)])
    title = f"Times of the peers over {base}'s at {_threads(threads)} (above 1: {base} is faster)"
    return Table(title, ["", *(PROBLEMS[kernel].title for kernel in kernels)], rows)


def spreads(record: Record, threads: int) -> Table:
    """How far the batches of a row lie apart."""
    kernels, cells = _kernels(record), _cells(record, threads)
    rows = []
    for peer in _peers(record, threads):
        found = [cells.get((peer, kernel), {}).get("spread") for kernel in kernels]
        rows.append([peer, *("–" if spread is None else f"{spread:.0%}" for spread in found)])
    title = f"Spread of the batches (slowest less fastest, over the median) at {_threads(threads)}"
    return Table(title, ["", *(PROBLEMS[kernel].title for kernel in kernels)], rows)


def forms(record: Record) -> Table:
    """Which form of each peer's kernels was the fastest right one, at the first thread count."""
    kernels, threads = _kernels(record), record["settings"]["threads"][0]
    cells = _cells(record, threads)
    rows = [
        [peer, *(cells.get((peer, kernel), {}).get("form") or "–" for kernel in kernels)]
        for peer in _peers(record, threads)
    ]
    return Table("Form timed", ["", *(PROBLEMS[kernel].title for kernel in kernels)], rows)


def goal_table(record: Record) -> Table:
    """The goals and what this run says about them."""
    marks = {True: "yes", False: "no", None: "–"}
    rows = [[goal.what, goal.wanted, goal.measured, marks[goal.met]] for goal in goals(record)]
    return Table("Goals", ["what", "wanted", "measured", "met"], rows)


def measure_table(record: Record) -> Table:
    """The figures of a record of single measures."""
    marks = {True: "yes", False: "no", None: "–"}
    rows = [
        [
            measure["what"],
            f"{measure['median']:.4g} {measure['unit']}",
            f"{measure['low']:.4g} – {measure['high']:.4g}",
            "–" if measure["most"] is None else f"≤ {measure['most']:g} {measure['unit']}",
            marks[measure["met"]],
        ]
        for measure in record["measures"]
    ]
    return Table(record["title"], ["", "median", "lowest – highest", "wanted", "met"], rows)


def tables(record: Record) -> list[Table]:
    """All tables of a record."""
    if record["kind"] == "measures":
        return [measure_table(record)]
    found = []
    for threads in record["settings"]["threads"]:
        found.append(times(record, threads))
        compared = ratios(record, threads)
        if compared.rows:
            found.append(compared)
        found.append(spreads(record, threads))
    return [*found, forms(record), goal_table(record)]


def absences(record: Record) -> list[str]:
    """One line for each peer that was left out, and for each kernel that went wrong."""
    lines = [f"left out: {name}: {why}" for name, why in record["missing"].items()]
    for row in record["rows"]:
        if row["fault"]:
            lines.append(f"{row['kernel']}, {row['peer']}, {row['threads']} thread(s): {row['fault']}")
    return lines
