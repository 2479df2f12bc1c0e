"""How the chunks of a saved file are packed: as they are, or compressed with their bytes sorted by place."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gyral.core.errors import StateError, UnsupportedError, UserError

Packing: TypeAlias = Literal["none", "zlib", "zstd"]
PACKINGS: Final = ("none", "zlib", "zstd")
WIDEST: Final = 256
"""Bytes of the largest element whose bytes are sorted."""


def checked(packing: str | None) -> Packing:
    """A way of packing by the name a user gave. UserError for one that is not known."""
    name = packing or "none"
    if name == "none":
        return "none"
    if name == "zlib":
        return "zlib"
    if name == "zstd":
        _zstandard()
        return "zstd"
    raise UserError(f"compress is one of None, 'zlib' and 'zstd', not {packing!r}")


def width_of(dtype: np.dtype[Any]) -> int:
    """Bytes of an element that are sorted by place before packing; 1 where that would not help."""
    size = dtype.itemsize
    return size if 1 < size <= WIDEST and dtype.kind not in "SU" else 1


def packer(packing: Packing) -> Callable[[NDArray[np.uint8], int], bytes]:
    """What packs a chunk whose elements are so many bytes wide; one for each thread."""
    if packing == "zlib":
        return lambda chunk, width: zlib.compress(_sorted(chunk, width), 1)
    pack = _zstandard().ZstdCompressor(level=1).compress
    return lambda chunk, width: pack(_sorted(chunk, width))


def unpack(packing: str, data: memoryview, into: NDArray[np.uint8], width: int) -> None:
    """Unpack a chunk. StateError when it does not give what it should; never more than that is unpacked."""
    try:
        found = _unpacked(packing, data, into.size)
    except (zlib.error, ValueError) as error:
        raise StateError(f"a chunk cannot be unpacked: {error}") from error
    if len(found) != into.size:
        raise StateError(f"a chunk unpacks to {len(found)} bytes instead of {into.size}")
    rows = np.frombuffer(found, np.uint8)
    if width > 1:
        into.reshape(-1, width)[:] = rows.reshape(width, -1).T
    else:
        into[:] = rows


def _unpacked(packing: str, data: memoryview, nbytes: int) -> bytes:
    if packing == "zlib":
        return zlib.decompressobj().decompress(data, nbytes + 1)
    module = _zstandard()
    try:
        return module.ZstdDecompressor().decompress(data, max_output_size=nbytes)
    except module.ZstdError as error:
        raise ValueError(str(error)) from error


def _sorted(chunk: NDArray[np.uint8], width: int) -> Any:
    """All first bytes of elements, then all second ones: exponents lie together, and pack well."""
    if width == 1:
        return chunk.data
    return np.ascontiguousarray(chunk.reshape(-1, width).T).data.cast("B")


def _zstandard() -> Any:
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise UnsupportedError(
            "compress='zstd' needs the package zstandard: install gyral[checkpoint], or use compress='zlib'"
        ) from error
