"""The first-level key: change anything that matters and it changes, and only then."""

import linecache
import math
import subprocess
import sys
import types
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gyral as gy
from gyral.jit.key import fingerprint, key_of

_serial = count()
PLAIN = "def f(x):\n    y = x * 2\n    return y\n"


def make(text: str, **names: Any) -> Callable[..., Any]:
    """A function from source text that linecache knows."""
    file = f"<key test {next(_serial)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    scope: dict[str, Any] = dict(names)
    exec(compile(text, file, "exec"), scope)
    return scope["f"]


def key(function: Callable[..., Any], *parts: str, reports: bool = False) -> str:
    return key_of(fingerprint(function), *parts, reports=reports)


def test_the_same_function_has_the_same_key() -> None:
    """Equal text with equal captures gives one key, wherever it stands."""
    assert key(make(PLAIN)) == key(make(PLAIN))


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    y = x * 3\n    return y\n",
        "def f(x):\n    y = x + 2\n    return y\n",
        "def f(x):\n    y: gy.f32 = x * 2\n    return y\n",
        "def f(x: int):\n    y = x * 2\n    return y\n",
        "def f(x=1):\n    y = x * 2\n    return y\n",
        "def f(x, *, z=1):\n    y = x * 2\n    return y\n",
        "def f(z):\n    y = z * 2\n    return y\n",
        "def g(x):\n    y = x * 2\n    return y\nf = g\n",
    ],
)
def test_another_text_has_another_key(text: str) -> None:
    """Code, annotations, even of locals, defaults and names are part of the key."""
    assert key(make(text, gy=gy)) != key(make(PLAIN, gy=gy))


@pytest.mark.parametrize(
    "before, after",
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ((1, 2), (1, 3)),
        ((1, 2), (1, 2.0)),
        (gy.f32, gy.f64),
        (gy.Array[gy.f32], gy.Array[gy.f32, 2]),
        (gy.f32x2, gy.f32x3),
        (None, 0),
        ("a", "b"),
        (math, gy),
        (math.sin, math.cos),
        (types.SimpleNamespace(n=1), types.SimpleNamespace(n=2)),
    ],
)
def test_another_capture_has_another_key(before: Any, after: Any) -> None:
    """Each captured value is part of the key, with its type."""
    text = "def f(x):\n    return x * C.n\n"
    assert key(make(text, C=before)) != key(make(text, C=after))


def test_a_function_that_is_reached_is_part_of_the_key() -> None:
    """A changed @gy.func changes the kernels that call it, through any number of calls."""

    def stack(inner: str) -> Callable[..., Any]:
        a = gy.func(make(inner))
        b = gy.func(make("def f(x):\n    return a(x)\n", a=a))
        return make("def f(x):\n    return b(x)\n", b=b)

    assert key(stack("def f(x):\n    return x + 1\n")) != key(stack("def f(x):\n    return x + 2\n"))


def test_two_functions_from_one_factory_are_told_apart() -> None:
    """Functions with one name but different closures both count."""

    def adder(k: int) -> Any:
        @gy.func
        def add(x: int) -> int:
            return x + k

        return add

    def pair(a: int, b: int) -> Callable[..., Any]:
        return make("def f(x):\n    return a(x) * b(x)\n", a=adder(a), b=adder(b))

    keys = {key(pair(1, 2)), key(pair(2, 1)), key(pair(1, 1)), key(pair(2, 2))}
    assert len(keys) == 4


def test_attributes_of_a_module_count_by_value() -> None:
    """A constant read through the user's own module is a capture."""
    settings = types.ModuleType("settings")
    function = make("def f(x):\n    return x * settings.N\n", settings=settings)
    settings.N = 1  # type: ignore[attr-defined]
    before = key(function)
    settings.N = 2  # type: ignore[attr-defined]
    assert key(function) != before


def test_a_struct_counts_by_its_fields() -> None:
    """Two structs of one name are different types."""
    one = gy.struct(type("P", (), {"__annotations__": {"x": gy.f32}}))
    two = gy.struct(type("P", (), {"__annotations__": {"x": gy.f64}}))
    text = "def f(x: P):\n    return x\n"
    assert key(make(text, P=one)) != key(make(text, P=two))


def test_what_is_not_named_does_not_count() -> None:
    """Globals that the function does not name leave the key alone."""
    assert key(make(PLAIN, other=1)) == key(make(PLAIN, other=2))


def test_lines_count_where_they_are_reported() -> None:
    """Moving a kernel makes new code only when the code carries line numbers."""
    moved = "\n\n" + PLAIN
    assert key(make(PLAIN)) == key(make(moved))
    assert key(make(PLAIN), reports=True) != key(make(moved), reports=True)


def test_prints_carry_their_place() -> None:
    """A kernel that prints is keyed by its place."""
    text = "def f(x):\n    print(x)\n"
    assert key(make(text)) != key(make("\n" + text))


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_parts_are_kept_apart(a: list[str], b: list[str]) -> None:
    """Different lists of parts never run together into one key."""
    function = PART
    assert (key(function, *a) == key(function, *b)) == (a == b)


PART = make(PLAIN)


def test_captures_tell_what_changed() -> None:
    """A later fingerprint names the capture that differs, with both values."""
    text = "def f(x):\n    return x * C\n"
    before, after = fingerprint(make(text, C=1)), fingerprint(make(text, C=2))
    assert after.changed(before) == [("f.C", "int 1", "int 2")]


def test_the_key_is_the_same_in_another_process() -> None:
    """Neither addresses nor hash seeds reach the key."""
    program = (
        "import linecache, sys\n"
        f"text = {'def f(x):' + chr(10) + '    return x in (1, 2) or x in {3, 4, 5} or C[x]' + chr(10)!r}\n"
        "linecache.cache['<k>'] = (len(text), None, text.splitlines(True), '<k>')\n"
        "scope = {'C': frozenset({'a', 'b', 'c'})}\n"
        "exec(compile(text, '<k>', 'exec'), scope)\n"
        "from gyral.jit.key import fingerprint, key_of\n"
        "print(key_of(fingerprint(scope['f'])))\n"
    )
    runs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(runs) == 1
