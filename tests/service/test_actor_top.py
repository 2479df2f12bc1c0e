"""`gyral top`: systems that are published are seen from outside, and no others."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.command_line import gyral

import gyral as gy
from gyral.actors.toptable import figure, rows_of
from gyral.actors.watch import watched
from gyral.cli.exits import Exit
from gyral.core import settings


@gy.message
class Add:
    n: gy.i32


@gy.actor
class Counter:
    total: gy.i32 = 0

    def add(self, msg: Add):
        self.total += msg.n


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the sockets of this test alone."""
    found = replace(settings.current(), runtime_dir=str(tmp_path / "run"))
    monkeypatch.setattr(settings, "current", lambda: found)
    return tmp_path / "run"


def test_a_published_system_is_seen(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral top --json` tells who lives there, what waits and what was handled."""
    with gy.ActorSystem(name="bank", publish=True) as system:
        alice = system.spawn(Counter, name="alice")
        alice.tell(Add(1))
        system.settle()
        alice.pause()
        alice.tell(Add(2))
        assert gyral(monkeypatch, "top", "--json", "--interval", "0.1") == Exit.OK
        alice.resume()
    (found,) = json.loads(capsys.readouterr().out)["systems"]
    (actor,) = found["actors"]
    assert (found["system"], found["way"]) == ("bank", "resident")
    assert (actor["actor"], actor["kind"], actor["state"]) == ("alice", "Counter", "paused")
    assert (actor["queued"], actor["handled"], actor["rate"]) == (1, 1, 0.0)


def test_the_table_is_printed_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral top --once` and `system.top()` print the same table, but for the rates that take two looks."""
    with gy.ActorSystem(publish=True) as system:
        system.spawn_many(Counter, 3)
        assert gyral(monkeypatch, "top", "--once", "--rows", "2", "--interval", "0.1") == Exit.OK
        outside = capsys.readouterr().out
        system.top(2)
        inside = capsys.readouterr().out
    assert [text.split()[0] for text in outside.splitlines()[1:5]] == ["actor", "#0", "#1", "and"]
    assert [text.split()[:3] for text in inside.splitlines()[1:]] == [
        text.split()[:3] for text in outside.splitlines()[1:5]
    ]


def test_only_published_systems_are_seen(place: Path) -> None:
    """A system says nothing of itself unless it is told to, and nothing once it is closed."""
    with gy.ActorSystem() as system:
        system.spawn(Counter)
        assert watched(str(place)) == []
    with gy.ActorSystem(publish=True) as system:
        system.spawn(Counter)
        assert [view["system"] for view in watched(str(place))] == ["actors"]
    assert (watched(str(place)), list(place.iterdir())) == ([], [])


def test_a_folder_that_others_may_use_is_refused(place: Path) -> None:
    """Nothing is published where others could listen in its place."""
    place.mkdir(mode=0o755)
    with pytest.raises(gy.DeviceError, match="you alone"):
        gy.ActorSystem(publish=True)


def test_rates_are_of_two_looks() -> None:
    """A rate is what was handled between two looks, and a wait the queue over it; a new actor has none."""
    columns = {"generation": [1], "class": ["A"], "state": ["active"], "failed": [0], "restarts": [0]}
    before = {"seconds": 1.0, "names": {}, "actors": {**columns, "slot": [4], "handled": [10], "queued": [0]}}
    now = {
        "seconds": 3.0,
        "names": {"4": "x"},
        "actors": {**columns, "slot": [4], "handled": [30], "queued": [5]},
    }
    assert [(row.actor, row.rate, row.wait) for row in rows_of(now, before)] == [("x", 10.0, 0.5)]
    assert [(row.rate, row.wait) for row in rows_of(now)] == [(None, None)]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9999, "9999"), (12_345, "12.3k"), (1_234_567, "1.23M"), (5e9, "5G")]
)
def test_figures_are_short(value: float, text: str) -> None:
    """Counts have as many figures as a column holds."""
    assert figure(value) == text
