"""The public face: the names of `gyral`, compared with the list in exports.txt."""

import inspect
from pathlib import Path

import gyral

SNAPSHOT = Path(__file__).with_name("exports.txt")


def test_exports_are_the_ones_agreed_on() -> None:
    """`gyral.__all__` is what exports.txt lists: a change of the public face is a change of that file."""
    assert sorted(gyral.__all__) == SNAPSHOT.read_text(encoding="utf-8").split()


def test_every_export_is_there_and_explained() -> None:
    """Each public name can be had, and each class and function has a docstring."""
    objects = {name: getattr(gyral, name) for name in gyral.__all__}
    mute = [
        name
        for name, value in objects.items()
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value)
    ]
    assert mute == []


def test_dir_lists_the_exports() -> None:
    """`dir(gyral)` shows every public name, those that are loaded at first use among them."""
    assert set(gyral.__all__) <= set(dir(gyral))
