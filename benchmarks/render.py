"""Write the tables of RESULTS.md from the records in results/.

    python benchmarks/render.py

A table stands between two markers, of which the first names its record; all other text is written by hand:

    <!-- record: 2026-01-31-some-machine.json -->
    <!-- end of record -->
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from measures import RESULTS
from report import absences, tables

PAGE = Path(__file__).parent / "RESULTS.md"
SECTION = re.compile(r"(<!-- record: (\S+) -->\n).*?(<!-- end of record -->)", re.DOTALL)


def machine_line(record: dict[str, Any]) -> str:
    """When and on what the record was made."""
    told = record["machine"]
    return (
        f"{record['date'][:10]}, {told['cpu']}, {told['usable_cores']} cores, {', '.join(told['caches'])}, "
        f"{told['memory_gib']} GiB, {told['system']}, Python {told['python']}."
    )


def settings_line(record: dict[str, Any]) -> str:
    """How a run of peers was made, and with which versions."""
    settings = record["settings"]
    versions = "; ".join(f"{peer} {version}" for peer, version in record["versions"].items())
    return (
        f"{settings['rounds']} rounds of {settings['seconds']:g} s over {settings['placements']} placements "
        f"of the data, which starts {settings['offset']} bytes past a 64-byte boundary. Versions: {versions}."
    )


def rendered(record: dict[str, Any]) -> str:
    """A record as Markdown."""
    parts = [machine_line(record)]
    if record["kind"] == "peers":
        parts.append(settings_line(record))
    parts += [table.markdown() for table in tables(record)]
    notes = absences(record) if record["kind"] == "peers" else record["notes"]
    if notes:
        parts.append("\n".join(f"- {' '.join(note.split())}" for note in notes))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def page(text: str, results: Path) -> str:
    """`text` with every section written anew from its record in `results`."""

    def section(found: re.Match[str]) -> str:
        record = json.loads((results / found[2]).read_text())
        return f"{found[1]}\n{rendered(record)}\n{found[3]}"

    return SECTION.sub(section, text)


def main() -> int:
    """Returns 1 when a section names a record that is not there, else 0."""
    before = PAGE.read_text()
    try:
        after = page(before, RESULTS)
    except FileNotFoundError as fault:
        print(f"{PAGE.name} names {Path(fault.filename).name}, which is not in {RESULTS}", file=sys.stderr)
        return 1
    PAGE.write_text(after)
    print(f"{PAGE} {'is as it was' if after == before else 'is written anew'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
