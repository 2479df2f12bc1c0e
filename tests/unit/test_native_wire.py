"""The C side of `core.wire`: one layout, written twice and compared."""

import re
from pathlib import Path

from gyral.core import wire

HEADER = Path(__file__).parents[2] / "src/native/wire.h"


def constants(text: str) -> dict[str, int]:
    """The names that a header of `#define`s and `enum`s gives numbers."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    defined = re.findall(r"#define (\w+) (0x\w+|\d+u?)\n", text)
    found = {name: int(value.rstrip("u"), 0) for name, value in defined}
    for body in re.findall(r"enum \{(.*?)\}", text, flags=re.S):
        following = 0
        for entry in filter(None, map(str.strip, body.split(","))):
            name, _, value = (part.strip() for part in entry.partition("="))
            following = _shifted(value) if value else following
            found[name] = following
            following += 1
    return found


def _shifted(value: str) -> int:
    left, _, bits = value.partition("<<")
    return int(left, 0) << int(bits or 0)


def test_every_constant_of_the_header_is_the_one_of_wire() -> None:
    """What the header names has the number that Python gives it."""
    found = constants(HEADER.read_text(encoding="utf-8"))
    assert {name: getattr(wire, name, None) for name in found} == found


def test_the_header_names_what_the_host_touches() -> None:
    """All words of the system, of workers, lanes, messages, records and cells are in the header."""
    found = constants(HEADER.read_text(encoding="utf-8"))
    prefixes = "SYS_", "WK_", "LN_", "EV_", "EVENT_", "CE_", "CELL_", "REPLY_", "EXIT_"
    # What workers keep for themselves is none of the host's business.
    own = {name for name in dir(wire) if name.startswith("WK_") and getattr(wire, name) >= 2 * wire.LINE}
    named = {name for name in dir(wire) if name.startswith(prefixes)} - own
    assert named - found.keys() == set()
