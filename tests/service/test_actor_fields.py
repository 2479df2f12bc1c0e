"""What actors and messages may hold, from the host to a handler and back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import gyral as gy

PATIENCE = 20.0


@gy.struct
class Point:
    x: gy.f32
    y: gy.f32


@gy.message
class Everything:
    flag: gy.bool_
    half: gy.f16
    large: gy.u64
    small: gy.i8
    vector: gy.f32x3
    point: Point
    other: gy.Ref


@gy.message
class Look:
    k: gy.i32


@gy.message
class Seen:
    value: gy.f64


@gy.message
class Nudge:
    pass


@gy.actor(mailbox=32, capacity=2)
class Holder:
    """A field of every kind."""

    flag: gy.bool_ = True
    half: gy.f16 = 0.5
    large: gy.u64 = 0
    small: gy.i8 = -1
    vector: gy.f32x3 = None
    point: Point = None
    other: gy.Ref = None
    fixed: gy.Local[gy.i32, 4] = None
    table: gy.Local[gy.f32, 2, 3] = None
    line: gy.Array[gy.f32] = None
    grid: gy.Array[gy.f64, 2] = None

    def everything(self, msg: Everything) -> Everything:
        self.flag = msg.flag
        self.half = msg.half
        self.large = msg.large
        self.small = msg.small
        self.vector = msg.vector
        self.point = msg.point
        self.other = msg.other
        return msg

    def look(self, msg: Look) -> Seen:
        self.fixed[msg.k] += 1
        self.table[1, msg.k] = 2.0
        self.line[msg.k] *= 2.0
        return Seen(self.grid[1, msg.k] + self.line[msg.k])

    def nudge(self, msg: Nudge):
        self.other.tell(Look(0))


@pytest.fixture
def system() -> Iterator[gy.ActorSystem]:
    """A system without time limits that a busy machine could exceed."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as made:
        yield made


def test_scalars_vectors_structs_and_references_travel(system: gy.ActorSystem) -> None:
    """In a message, into fields, in a reply, and out of state()."""
    a, b = system.spawn_many(Holder, 2, names=["a", "b"])
    sent = Everything(True, 1.5, 2**63 + 1, -128, (1.0, 2.0, 3.0), (4.0, 5.0), b)
    reply = a.ask_sync(sent)
    assert (reply.flag, reply.half, reply.large, reply.small) == (True, 1.5, 2**63 + 1, -128)
    state = a.state()
    assert (state["flag"], state["half"], state["large"], state["small"]) == (True, 1.5, 2**63 + 1, -128)
    assert (list(state["vector"]), tuple(state["point"])) == ([1.0, 2.0, 3.0], (4.0, 5.0))
    assert state["other"] == b


def test_fields_have_their_defaults(system: gy.ActorSystem) -> None:
    """As written in the class; zeros where nothing, or None, is."""
    state = system.spawn(Holder).state()
    assert (state["flag"], state["half"], state["small"], state["other"]) == (True, 0.5, -1, None)
    assert (state["fixed"].tolist(), state["table"].shape, state["line"].shape) == ([0] * 4, (2, 3), (0,))


def test_arrays_belong_to_their_actor(system: gy.ActorSystem) -> None:
    """Of fixed shape and of any; the second actor's are its own, also when the pool has to grow."""
    grids = [np.arange(6.0).reshape(2, 3) + 10 * k for k in range(3)]
    actors = [
        system.spawn(Holder, line=np.full(4 + k, k + 1, np.float32), grid=grid)
        for k, grid in enumerate(grids)
    ]
    assert [actor.ask_sync(Look(2)).value for actor in actors] == [5.0 + 2, 15.0 + 4, 25.0 + 6]
    states = [actor.state() for actor in actors]
    assert [s["fixed"].tolist() for s in states] == [[0, 0, 1, 0]] * 3
    assert [s["line"].tolist() for s in states] == [[1, 1, 2, 1], [2, 2, 4, 2, 2], [3, 3, 6, 3, 3, 3]]
    assert [s["table"][1].tolist() for s in states] == [[0, 0, 2]] * 3


def test_arrays_of_actors_that_ended_are_used_again(system: gy.ActorSystem) -> None:
    """Their places go to others of the same size; memory does not grow with those that come and go."""
    kept = system.spawn(Holder, line=np.full(100, 7, np.float32), grid=np.zeros((2, 3)))
    epochs = []
    for k in range(2, 20):
        actor = system.spawn(Holder, line=np.full(100, k, np.float32), grid=np.full((2, 3), k))
        epochs.append(system.epochs)
        assert actor.ask_sync(Look(1)).value == 3 * k
        assert actor.state()["line"][0] == k
        actor.stop()
    assert epochs == [epochs[0]] * 18
    assert kept.state()["line"].tolist() == [7.0] * 100


def test_many_are_spawned_with_arrays_of_values(system: gy.ActorSystem) -> None:
    """One value each for scalars, vectors, fixed arrays and arrays; one for all otherwise."""
    actors = system.spawn_many(
        Holder, 3, large=np.arange(3, dtype=np.uint64), vector=np.eye(3), small=5,
        fixed=np.arange(12).reshape(3, 4), line=[np.ones(1, np.float32), np.ones(2), np.ones(3)],
    )  # fmt: skip
    states = [actor.state() for actor in actors]
    assert [s["large"] for s in states] == [0, 1, 2]
    assert [list(s["vector"]) for s in states] == np.eye(3).tolist()
    assert [s["small"] for s in states] == [5, 5, 5]
    assert [s["fixed"].tolist() for s in states] == np.arange(12).reshape(3, 4).tolist()
    assert [len(s["line"]) for s in states] == [1, 2, 3]


def test_a_reference_in_a_field_is_told(system: gy.ActorSystem) -> None:
    """Given when spawned; None tells nobody, and is counted."""
    first = system.spawn(Holder, line=np.ones(3, np.float32), grid=np.zeros((2, 3)))
    second = system.spawn(Holder, other=first)
    third = system.spawn(Holder)
    second.tell(Nudge())
    third.tell(Nudge())
    assert system.settle(PATIENCE)
    assert first.state()["fixed"].tolist() == [1, 0, 0, 0]
    assert third.status.to_nobody == 1


def test_references_in_messages_are_found_again(system: gy.ActorSystem) -> None:
    """In a dead letter and in a reply."""
    a, b = system.spawn_many(Holder, 2)
    sent = Everything(False, 0.0, 0, 0, (0.0, 0.0, 0.0), (0.0, 0.0), b)
    reply = a.ask_sync(sent)
    a.pause()
    a.tell(sent)
    a.stop()
    assert system.settle(PATIENCE)
    (letter,) = system.dead_letters()
    assert system.reference(letter.message.other) == b
    assert system.reference(reply.other) == b
    assert system.reference((0, 0)) is None
