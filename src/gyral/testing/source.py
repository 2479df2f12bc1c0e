"""Kernels written as text: given a file name of their own, so that the compiler can read them back."""

from __future__ import annotations

import itertools
import linecache
import math
import textwrap
from collections.abc import Mapping
from typing import Any

from gyral.testing import language

_serial = itertools.count(1)


def define(text: str, name: str, names: Mapping[str, Any] | None = None) -> Any:
    """Run `text` and return what it binds to `name`.

    The text sees the kernel language as `gy`, the module `math`, and `names`. It is registered with
    `linecache`, as an interactive session registers its cells.
    """
    text = textwrap.dedent(text)
    file = f"<gyral text {next(_serial)}: {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"__name__": f"gyral_text_{name}", "gy": language, "math": math, **(names or {})}
    exec(compile(text, file, "exec", dont_inherit=True), scope)
    return scope[name]


def forget(function: Any) -> None:
    """Drop the registered text of what `define` made; it can then no longer be compiled."""
    function = getattr(function, "__wrapped__", function)
    linecache.cache.pop(function.__code__.co_filename, None)
