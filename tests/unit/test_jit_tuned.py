"""The tuner's answers: how they are kept, and which launches they are for."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import gyral as gy
from gyral.core.events import CacheTrouble, Event, listening
from gyral.jit.cache import DiskCache
from gyral.jit.key import fingerprint
from gyral.jit.tuned import (
    DEFAULT,
    Advice,
    Answer,
    Choice,
    Subject,
    Trial,
    advise,
    load,
    save,
    size_class,
)

KEY = "ab" + "0" * 62
TILE = Choice(tile=(2, 4))
ANSWER = Answer(TILE, {"default": Trial(DEFAULT, 2e-3, 9), TILE.label: Trial(TILE, 1e-3, 9)})


@pytest.fixture
def store(tmp_path: Path) -> DiskCache:
    """A cache of its own."""
    return DiskCache(str(tmp_path), 1 << 20)


@pytest.mark.parametrize("choice", [DEFAULT, TILE, Choice(block=(8, 32)), Choice((1, 2, 3), (4, 5))])
def test_a_choice_is_read_back_from_its_label(choice: Choice) -> None:
    """Labels are for people and for the store."""
    assert Choice.read(choice.label) == choice


@pytest.mark.parametrize("label", ["", "block", "blocks=3", "tile=0x1", "tile=a"])
def test_a_label_that_names_no_choice_is_refused(label: str) -> None:
    """What is read from disk is not trusted."""
    with pytest.raises(ValueError):
        Choice.read(label)


def test_answers_are_read_back(store: DiskCache) -> None:
    """Choices, times and faults survive the way to disk."""
    broken = Choice(block=(1024,))
    answers = {11: ANSWER, 3: Answer(DEFAULT, {broken.label: Trial(broken, fault="refused: too large")})}
    assert save(store, KEY, answers)
    assert load(store, KEY) == answers


def test_nothing_is_known_at_first(store: DiskCache) -> None:
    """A missing entry is no trouble."""
    seen: list[Event] = []
    with listening(seen.append):
        assert load(store, KEY) == {}
    assert seen == []


@pytest.mark.parametrize(
    "data",
    ["{", "[]", '{"x": {}}', '{"3": {"chosen": "tile=0x0", "trials": {}}}', '{"3": {"chosen": "default"}}'],
)
def test_an_entry_that_makes_no_sense_is_dropped_and_told(store: DiskCache, data: str) -> None:
    """It counts as none, is removed, and is an event."""
    store.write(KEY, data.encode())
    seen: list[Event] = []
    with listening(seen.append):
        assert load(store, KEY) == {}
    assert [type(event) for event in seen] == [CacheTrouble]
    assert store.read(KEY) is None


def test_a_damaged_file_is_dropped_and_told(store: DiskCache) -> None:
    """A flipped byte breaks the checksum."""
    save(store, KEY, {11: ANSWER})
    file = Path(store.path(KEY))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    seen: list[Event] = []
    with listening(seen.append):
        assert load(store, KEY) == {}
    assert [type(event) for event in seen] == [CacheTrouble]


def test_an_entry_is_plain_json(store: DiskCache) -> None:
    """A person can read what was measured."""
    save(store, KEY, {11: ANSWER})
    payload = store.read(KEY)
    assert payload is not None
    found = json.loads(payload)["11"]
    assert (found["chosen"], found["trials"]["default"]["seconds"]) == ("tile=2x4", 2e-3)


@pytest.mark.parametrize(
    ("shape", "size"), [((1,), 1), ((2, 2), 3), ((1024,), 11), ((1023,), 10), ((0, 7), 0)]
)
def test_sizes_fall_into_classes_by_powers_of_two(shape: tuple[int, ...], size: int) -> None:
    """A class holds the thread counts from one power of two to below the next."""
    assert size_class(shape) == size


def test_advice_holds_for_its_class_alone() -> None:
    """Launches of other sizes get the default, and each says for which counts it holds."""
    answers = {11: ANSWER}
    assert advise(answers, (32, 33)) == Advice((), (2, 4), (1024, 2047))
    assert advise(answers, (100,)) == Advice((), (), (64, 127))
    assert advise(answers, (0,)) == Advice((), (), (0, 0))


def test_where_the_default_always_won_there_is_no_advice() -> None:
    """Then one plan serves launches of all sizes, as without the tuner."""
    assert advise({11: Answer(DEFAULT, {})}, (1024,)) is None
    assert advise({}, (1024,)) is None


def test_an_entry_belongs_to_a_kernel_its_types_its_options_and_a_device() -> None:
    """Each of them makes another key."""

    def one(x: gy.Array[gy.f32]):
        x[gy.global_id()] = 1.0

    def two(x: gy.Array[gy.f32]):
        x[gy.global_id()] = 2.0

    cpu, null = gy.device("cpu"), gy.device("null")
    base = Subject((gy.f32,), 1, False, False, cpu)
    others = [
        base.key(fingerprint(two)),
        Subject((gy.f64,), 1, False, False, cpu).key(fingerprint(one)),
        Subject((gy.f32,), 2, False, False, cpu).key(fingerprint(one)),
        Subject((gy.f32,), 1, True, False, cpu).key(fingerprint(one)),
        Subject((gy.f32,), 1, False, True, cpu).key(fingerprint(one)),
        Subject((gy.f32,), 1, False, False, null).key(fingerprint(one)),
    ]
    assert base.key(fingerprint(one)) not in others
    assert len(set(others)) == len(others)
    assert math.isinf(Trial(DEFAULT).seconds)
