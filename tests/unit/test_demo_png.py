"""PNG files as the demo writes them."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from gyral.cli.demo.png import SIGNATURE, eight_bits, encode, write


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and body of each chunk, its checksum verified."""
    found, at = [], len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        found.append((kind, body))
        at += length + 12
    return found


@pytest.mark.parametrize(("shape", "colour"), [((5, 7), 0), ((4, 3, 3), 2), ((1, 1), 0)])
def test_pixels_come_back(shape: tuple[int, ...], colour: int) -> None:
    """Header and pixels of an encoded image, read back by the rules of the format, are what was given."""
    image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    data = encode(image)
    (header, first), (body, second), (end, third) = chunks(data)
    rows = np.frombuffer(zlib.decompress(second), np.uint8).reshape(shape[0], -1)
    pixels = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(shape)
    assert data.startswith(SIGNATURE)
    assert (header, body, end, third) == (b"IHDR", b"IDAT", b"IEND", b"")
    assert struct.unpack(">IIBBBBB", first) == (shape[1], shape[0], 8, colour, 0, 0, 0)
    assert set(rows[:, 0]) == {2}
    assert np.array_equal(pixels, image)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    """Other types, channels and empty images raise ValueError and name what was given."""
    with pytest.raises(ValueError, match=r"got \w+ \("):
        encode(image)


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    """After writing there is the picture and no partial file."""
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    write(tmp_path / "a.png", image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == encode(image)


def test_values_become_eight_bits() -> None:
    """0 … 1 becomes 0 … 255, rounded, and what lies outside is clipped."""
    values = np.array([-1, 0, 0.5, 1, 7], np.float32)
    assert eight_bits(values).tolist() == [0, 0, 128, 255, 255]
