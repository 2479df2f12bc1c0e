"""Launches that C puts on a compute pass: which of WebGPU's functions are called, and with what."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest

from gyral import _native

POINTER, WORD, COUNT = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t
PIPELINE = ctypes.CFUNCTYPE(None, POINTER, POINTER)
GROUP = ctypes.CFUNCTYPE(None, POINTER, WORD, POINTER, COUNT, ctypes.POINTER(WORD))
DISPATCH = ctypes.CFUNCTYPE(None, POINTER, WORD, WORD, WORD)


def encoded(table: bytes) -> list[tuple[Any, ...]]:
    """What is called for a table, in order."""
    seen: list[tuple[Any, ...]] = []
    functions = (
        PIPELINE(lambda stage, pipeline: seen.append(("pipeline", stage, pipeline))),
        GROUP(lambda stage, at, group, count, offsets: seen.append((stage, at, group, offsets[:count]))),
        DISPATCH(lambda *given: seen.append(given)),
    )
    first, second, third = (ctypes.cast(f, POINTER).value or 0 for f in functions)
    _native.encode_launches(7, (first, second, third), table)
    return seen


def test_a_pipeline_is_set_where_it_changes() -> None:
    """Each launch has its group, offset and blocks; neighbours of one pipeline share the setting of it."""
    table = b"".join(
        struct.pack("=2Q4I", *launch)
        for launch in ((11, 21, 0, 1, 2, 3), (11, 22, 256, 4, 5, 6), (12, 22, 512, 7, 8, 9))
    )
    assert encoded(table) == [
        ("pipeline", 7, 11), (7, 0, 21, [0]), (7, 1, 2, 3),
        (7, 0, 22, [256]), (7, 4, 5, 6),
        ("pipeline", 7, 12), (7, 0, 22, [512]), (7, 7, 8, 9),
    ]  # fmt: skip


def test_a_piece_of_a_launch_is_refused() -> None:
    """A table of no whole number of launches calls nothing."""
    with pytest.raises(ValueError, match="31 bytes are no whole number of launches"):
        encoded(bytes(31))
