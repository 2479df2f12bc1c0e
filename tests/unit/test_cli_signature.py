"""Argument types written on the command line."""

import pytest
import typer

from gyral.cli.signature import parse
from gyral.core.dtypes import Array, In, Vec, bool_, f32, i64


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("f32", [f32]),
        ("f32, i64,", [f32, i64]),
        ("bool_, bool", [bool_, bool_]),
        ("f32x3", [Vec(f32, 3)]),
        ("Array[f32]", [Array[f32]]),
        ("Array[i64, 3], f32", [Array[i64, 3], f32]),
        ("In[Array[f32x2, 2]]", [In[Array[Vec(f32, 2), 2]]]),
    ],
)
def test_types_are_written_as_in_annotations(text: str, types: list[object]) -> None:
    """A list of scalar types, vectors and arrays is read into the types themselves."""
    assert parse(text) == types


@pytest.mark.parametrize(
    "text",
    ["f33", "Array", "Array[f32, 5]", "Array[Array[f32]]", "In[f32]", "print('x')", "f32 +", "__import__"],
)
def test_anything_else_is_refused(text: str) -> None:
    """What is no type is a wrong command line and never evaluated."""
    with pytest.raises(typer.BadParameter):
        parse(text)
