"""Writing PNG files with the standard library."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2
FILTER_UP = 2


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk: length, kind, body and the checksum of the last two."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode(image: NDArray[np.uint8]) -> bytes:
    """A PNG of an image of shape (height, width) or (height, width, 3).

    Raises ValueError for other shapes and types.
    """
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or image.shape[2:] not in ((), (3,))
        or not image.size
    ):
        raise ValueError(
            f"expected 8-bit (height, width) or (height, width, 3), got {image.dtype} {image.shape}"
        )
    height, width = image.shape[:2]
    rows = image.reshape(height, -1)
    # Each row as its difference to the row above, which compresses photographs well.
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = FILTER_UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, RGB if image.ndim == 3 else GREY, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 6)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def write(path: Path, image: NDArray[np.uint8]) -> None:
    """Write `image` to `path`, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(encode(image))
    partial.replace(path)


def eight_bits(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values 0 … 1 as 0 … 255; what lies outside is clipped."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
