"""Single figures measured several times, with what is wanted of them; and where records are kept."""

import datetime
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine

RESULTS = Path(__file__).parent / "results"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """What was measured, its values in `unit`, and the most the median may be, where a goal says."""

    what: str
    unit: str
    values: list[float]
    most: float | None = None

    def record(self) -> dict[str, Any]:
        """The measure as JSON holds it."""
        median = statistics.median(self.values)
        return {
            "what": self.what,
            "unit": self.unit,
            "median": round(median, 3),
            "low": round(min(self.values), 3),
            "high": round(max(self.values), 3),
            "runs": len(self.values),
            "most": self.most,
            "met": None if self.most is None else median <= self.most,
        }


def heading(kind: str, title: str) -> dict[str, Any]:
    """What every record starts with."""
    return {
        "format": FORMAT,
        "kind": kind,
        "title": title,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
    }


def write(record: dict[str, Any], path: Path | None, suffix: str = "") -> Path:
    """Write `record` to `path`, or to results/DATE-MACHINE[-suffix].json; returns where."""
    path = path or RESULTS / f"{record['date'][:10]}-{machine.slug()}{suffix}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path
