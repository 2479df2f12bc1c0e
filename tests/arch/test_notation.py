"""What type checkers are shown agrees with what runs."""

import inspect
import typing

import gyral
from gyral.compiler.words import REQUIRED, WORDS
from gyral.core import dtypes, notation

BUILT_IN = {"abs", "max", "min", "pow", "round"}


def test_words_have_the_parameters_that_the_compiler_knows() -> None:
    """Each word is declared with the names and the defaults of its row."""
    declared = {
        name: tuple(
            (p.name, REQUIRED if p.default is p.empty else p.default)
            for p in inspect.signature(getattr(notation, name)).parameters.values()
        )
        for name in WORDS.keys() - BUILT_IN
    }
    assert declared == {name: word.parameters for name, word in WORDS.items() if name not in BUILT_IN}


def test_scalar_types_are_numbers_of_their_kind() -> None:
    """Each scalar type is declared as the Python number that it converts to."""
    declared = {t.name: getattr(notation, "bool_" if t.name == "bool" else t.name) for t in dtypes.SCALARS}
    assert declared == {t.name: type(t(1)) for t in dtypes.SCALARS}


def test_every_vector_is_declared() -> None:
    """Each short vector name of the front door is declared as a vector."""
    names = [name for name in gyral.__all__ if isinstance(getattr(gyral, name), dtypes.Vec)]
    assert {name: getattr(notation, name) for name in names} == dict.fromkeys(names, notation.Vec)


def test_annotations_that_say_how_an_argument_is_taken_keep_its_type() -> None:
    """`In` and `Static` are, to a checker, what they hold."""
    held = [typing.get_args(form[int])[0] for form in (notation.In, notation.Static)]
    assert held == [int, int]
