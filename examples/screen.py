"""Pictures of a plane of numbers: in the terminal while it changes, and as PNG files."""

import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

UPPER_HALF = "\N{UPPER HALF BLOCK}"
SHADES = " .:-=+*#%@"
RESET, HOME, CLEAR, HIDE, SHOW = "\x1b[0m", "\x1b[H", "\x1b[2J", "\x1b[?25l", "\x1b[?25h"


def colours(values: np.ndarray, stops: list[tuple[int, int, int]]) -> np.ndarray:
    """Values 0 … 1 as colours between the stops, of shape (height, width, 3)."""
    at = np.clip(values, 0.0, 1.0) * (len(stops) - 1)
    below = np.minimum(at.astype(int), len(stops) - 2)
    part = (at - below)[..., None]
    table = np.array(stops, np.float32)
    return np.rint(table[below] * (1 - part) + table[below + 1] * part).astype(np.uint8)


def shrunk(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The nearest pixels of an image in a smaller one."""
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return image[rows][:, columns]


def enlarged(image: np.ndarray, least: int = 512) -> np.ndarray:
    """An image with pixels so large that it is no smaller than `least`."""
    times = -(-least // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write 8-bit colours of shape (height, width, 3)."""
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter, 0 for none
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


class Screen:
    """The terminal, two pixels to a character, in colour where it has 24 bits of it, else in shades.

    Nothing is drawn where the output is no terminal, or not `wanted`. With a folder for `frames` every
    picture is written there too.
    """

    def __init__(self, wanted: bool = True, frames: Path | None = None) -> None:
        self.draws = wanted and sys.stdout.isatty()
        self.coloured = os.environ.get("COLORTERM") in ("truecolor", "24bit") and "NO_COLOR" not in os.environ
        self.frames, self.count = frames, 0
        if frames is not None:
            frames.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Screen":
        if self.draws:
            sys.stdout.write(HIDE + CLEAR)
        return self

    def __exit__(self, *failure: object) -> None:
        if self.draws:
            sys.stdout.write(RESET + SHOW + "\n")
            sys.stdout.flush()

    def show(self, image: np.ndarray, line: str) -> None:
        """Draw colours of shape (height, width, 3) with a line of text below."""
        if self.frames is not None:
            write_png(self.frames / f"{self.count:05}.png", enlarged(image))
        self.count += 1
        if self.draws:
            sys.stdout.write(HOME + self.text(image) + RESET + "\n" + line + "\x1b[K")
            sys.stdout.flush()

    def text(self, image: np.ndarray) -> str:
        """An image as lines of the terminal's size."""
        columns, lines = shutil.get_terminal_size()
        scale = max(image.shape[0] / (2 * max(1, lines - 2)), image.shape[1] / max(1, columns - 1), 1.0)
        height, width = int(image.shape[0] / scale) // 2 * 2, int(image.shape[1] / scale)
        small = shrunk(image, max(2, height), max(1, width))
        if not self.coloured:
            grey = small[::2].mean(axis=2) * (len(SHADES) - 1) / 255
            return "\n".join("".join(SHADES[round(float(v))] for v in row) for row in grey)
        return "\n".join(
            "".join(
                f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m{UPPER_HALF}"
                for a, b in zip(upper.tolist(), lower.tolist(), strict=True)
            )
            + RESET
            for upper, lower in zip(small[::2], small[1::2], strict=True)
        )
