"""Native message types: payloads in line, read and written by field."""

import pickle
import struct
from typing import Any

import pytest

from gyral import _native

ROWS = [
    ("amount", "f32", 0),
    ("place", [("x", "f32", 4), ("y", "f32", 8)]),
    ("who", "ref", 12),
    ("small", "u8", 20),
    ("half", "f16", 22),
    ("sure", "bool", 24),
    ("brain", "bf16", 26),
    ("count", "i64", 32),
    ("exact", "f64", 40),
    ("order", "u64", 48),
]
Order: Any = _native.message_type(f"{__name__}.Order", ROWS, 56, "An order.", (7, 2.5, True, 1.0, -3, 0.1, 9))


def order(**fields: Any) -> Any:
    return Order(1.5, (2.0, 3.0), None, **fields)


def test_a_message_is_made_of_values_and_defaults() -> None:
    """Fields are given by position or name, and the last ones may be left out."""
    made = Order(1.5, place=(2, 3), who=(4, 5), order=2**64 - 1)
    values = made.amount, made.place, made.who, made.small, made.half, made.sure, made.brain, made.count
    assert values == (1.5, (2.0, 3.0), (4, 5), 7, 2.5, True, 1.0, -3)
    assert (made.exact, made.order) == (0.1, 2**64 - 1)


def test_the_payload_lies_as_a_c_struct() -> None:
    """The buffer of a message holds each leaf at its offset, and can be written."""
    made = order(small=255, count=-1)
    assert struct.unpack_from("<fff", memoryview(made)) == (1.5, 2.0, 3.0)
    assert struct.unpack_from("<q", memoryview(made), 32) == (-1,)
    struct.pack_into("<f", memoryview(made), 0, 8.0)
    assert (made.amount, len(memoryview(made))) == (8.0, 56)


def test_fields_can_be_set() -> None:
    """An assignment converts as the constructor does."""
    made = order()
    made.count, made.sure, made.place = -(2**63), 0, [5, 6]
    assert (made.count, made.sure, made.place) == (-(2**63), False, (5.0, 6.0))


@pytest.mark.parametrize(
    "field, value, error",
    [
        ("small", 256, OverflowError), ("small", -1, OverflowError), ("count", 2**63, OverflowError),
        ("order", -1, OverflowError), ("half", 1e6, OverflowError), ("brain", 1e39, OverflowError),
        ("amount", 1e39, OverflowError), ("amount", "1", TypeError), ("count", 1.5, TypeError),
        ("place", (1,), TypeError), ("who", 3, TypeError),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_field_is_refused(field: str, value: Any, error: type[Exception]) -> None:
    """A value out of range or of another kind raises, and the field keeps what it was."""
    made = order()
    before = bytes(made)
    with pytest.raises(error):
        setattr(made, field, value)
    assert bytes(made) == before


def test_infinity_is_a_number() -> None:
    """What is infinite stays so in every float; only what would become infinite is refused."""
    made = order(half=float("inf"), brain=float("-inf"), exact=float("inf"))
    assert (made.half, made.brain, made.exact) == (float("inf"), float("-inf"), float("inf"))


@pytest.mark.parametrize(
    "values, fields, says",
    [
        ((), {}, "needs a value for 'amount'"),
        ((1.0,), {"amount": 1.0}, "was given 'amount' twice"),
        ((1.0, (1, 2), None), {"colour": 1}, "has no field 'colour'"),
        ((1,) * 11, {}, "has 10 fields, and 11 values were given"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(values: Any, fields: Any, says: str) -> None:
    """A constructor called with too little, too much or what is unknown names it."""
    with pytest.raises(TypeError, match=says):
        Order(*values, **fields)


def test_messages_are_equal_when_their_values_are() -> None:
    """Equality compares fields, so that -0.0 is 0.0; messages cannot be hashed."""
    assert order(exact=0.0) == order(exact=-0.0)
    assert order(small=1) != order(small=2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(order())


def test_a_message_shows_its_fields() -> None:
    """The text of a message is a call that makes it."""
    one: Any = _native.message_type("shop.Deposit", [("amount", "f32", 0)], 4)
    assert repr(one(5.0)) == "Deposit(amount=5.0)"


def test_a_message_can_be_pickled_and_matched() -> None:
    """Pickling keeps the values, and patterns see the fields in order."""
    again = pickle.loads(pickle.dumps(order(small=8)))
    assert again == order(small=8)
    match again:
        case Order(amount, place):
            assert (amount, place) == (1.5, (2.0, 3.0))


def test_leaves_are_listed_by_dotted_name() -> None:
    """A type says where each scalar lies."""
    assert Order.__gyral_leaves__[:4] == (
        ("amount", "f32", 0), ("place.x", "f32", 4), ("place.y", "f32", 8), ("who", "ref", 12),
    )  # fmt: skip


@pytest.mark.parametrize(
    "rows, nbytes, error",
    [
        ([("a", "f32", 2)], 4, ValueError),
        ([("a", "f31", 0)], 4, ValueError),
        ([("a", [])], 4, ValueError),
        ([("a",)], 4, TypeError),
        ([], 1 << 20, ValueError),
    ],
)
def test_an_impossible_layout_is_refused(rows: Any, nbytes: int, error: type[Exception]) -> None:
    """Leaves must be of a known kind and lie within the payload."""
    with pytest.raises(error):
        _native.message_type("shop.Wrong", rows, nbytes)


def test_a_subclass_is_a_message_too() -> None:
    """Classes derived from a message type have its fields and may have more of their own."""

    class Noted(Order):
        note = "n"

    made = Noted(1.0, (0, 0), None)
    assert (made.amount, made.note, made == Order(1.0, (0, 0), None)) == (1.0, "n", True)
