"""What stands in a saved file: a block that says what it is, pages of sections, and a header that names them.

    block 0    magic, version of the format, where the header lies, sizes, checksums
    pages      the chunks of the sections, each padded with zeros to whole pages
    header     JSON: what the file is about, and per section its dtype, shape, packing and chunks

Checksums cover every byte: those of chunks and of the header their padding too, that of block 0 the block.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gyral.core.dtypes import bf16
from gyral.core.errors import StateError, UserError
from gyral.runtime.elements import numpy_of

MAGIC: Final = b"\x89GYRAL\r\n"
VERSION: Final = 1
PAGE: Final = 4096
CHUNK: Final = 4 << 20
_BLOCK: Final = struct.Struct("<8sIIQQQ24s")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a part of a section lies: its place, bytes as stored (padding not counted) and unpacked."""

    at: int
    stored: int
    nbytes: int
    crc: int


@dataclass(frozen=True, slots=True)
class Section:
    """An array in the file. `width`: bytes of an element, sorted by place before packing."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    packing: str
    width: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Block 0."""

    header_at: int
    header_bytes: int
    header_crc: int
    file_bytes: int
    writer: str

    def packed(self) -> bytes:
        """The block as it stands in the file."""
        head = _BLOCK.pack(
            MAGIC, VERSION, self.header_crc, self.header_at, self.header_bytes, self.file_bytes,
            self.writer.encode()[:24],
        )  # fmt: skip
        body = head.ljust(PAGE - 4, b"\0")
        return body + struct.pack("<I", zlib.crc32(body))


def pages(nbytes: int) -> int:
    """Bytes rounded up to whole pages."""
    return -(-nbytes // PAGE) * PAGE


def read_block(data: bytes, name: str) -> Block:
    """Block 0 of a file. UserError for a foreign file or a newer format, StateError for a damaged one."""
    if data[: len(MAGIC)] != MAGIC:
        raise UserError(f"{name} is no file of Gyral: it begins with other bytes")
    if len(data) < PAGE:
        raise StateError(f"{name} is truncated: {len(data)} bytes are left")
    if zlib.crc32(data[: PAGE - 4]) != struct.unpack("<I", data[PAGE - 4 : PAGE])[0]:
        raise StateError(f"{name} is damaged: the checksum of its first block is wrong")
    _, version, crc, at, nbytes, total, writer = _BLOCK.unpack_from(data)
    block = Block(at, nbytes, crc, total, writer.rstrip(b"\0").decode("utf-8", "replace"))
    if version != VERSION:
        raise UserError(
            f"{name} has format {version} of Gyral {block.writer}, and this Gyral reads format {VERSION}; "
            f"read it with the Gyral that wrote it{', or a newer one' if version > VERSION else ''}"
        )
    return block


def write_header(about: dict[str, Any], sections: list[Section]) -> bytes:
    """The header's text."""
    table = [
        [s.name, s.dtype, s.shape, s.packing, s.width, [[c.at, c.stored, c.nbytes, c.crc] for c in s.chunks]]
        for s in sections
    ]
    return json.dumps({"about": about, "sections": table}, separators=(",", ":")).encode()


def read_header(text: bytes, block: Block, name: str) -> tuple[dict[str, Any], list[Section]]:
    """What `write_header` was given. StateError when it contradicts itself or the file's size."""
    try:
        found = json.loads(text)
        sections = [
            Section(title, dtype, tuple(shape), packing, width, tuple(Chunk(*chunk) for chunk in chunks))
            for title, dtype, shape, packing, width, chunks in found["sections"]
        ]
        for section in sections:
            _check_section(section, block)
        return found["about"], sections
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"the header of {name} makes no sense: {error}") from error


def _check_section(section: Section, block: Block) -> None:
    if section.width < 1:
        raise ValueError(f"section {section.name} has elements of {section.width} bytes")
    nbytes = dtype_of(section.dtype).itemsize
    for extent in section.shape:
        if extent < 0:
            raise ValueError(f"section {section.name} has a negative extent")
        nbytes *= extent
    if sum(chunk.nbytes for chunk in section.chunks) != nbytes:
        raise ValueError(f"section {section.name} does not have the {nbytes} bytes of its shape")
    for chunk in section.chunks:
        inside = PAGE <= chunk.at and 0 <= chunk.stored and chunk.at + chunk.stored <= block.header_at
        plain = section.packing != "none" or chunk.stored == chunk.nbytes
        if not (inside and plain and 0 <= chunk.nbytes <= CHUNK and chunk.nbytes % section.width == 0):
            raise ValueError(f"a chunk of section {section.name} lies where none can")


def dtype_text(dtype: np.dtype[Any]) -> Any:
    """A dtype as JSON: its code, [its dtype, its shape] of an array, or its fields, offsets and size."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [dtype_text(base), list(shape)]
    if dtype.fields is not None:
        rows = [[name, dtype_text(field[0]), field[1]] for name, field in dtype.fields.items()]
        return {"fields": rows, "size": dtype.itemsize, "aligned": dtype.isalignedstruct}
    if dtype.hasobject:
        raise UserError("an array of Python objects cannot be saved; use an array of numbers")
    return dtype.name if dtype.name == "bfloat16" else dtype.str


def dtype_of(text: Any) -> np.dtype[Any]:
    """The dtype of what `dtype_text` gave."""
    if isinstance(text, str):
        found = numpy_of(bf16) if text == "bfloat16" else np.dtype(text)
        if found.hasobject:
            raise ValueError("it has an array of Python objects")
        return found
    if isinstance(text, list):
        return np.dtype((dtype_of(text[0]), tuple(text[1])))
    rows = text["fields"]
    return np.dtype(
        {
            "names": [name for name, _, _ in rows],
            "formats": [dtype_of(inner) for _, inner, _ in rows],
            "offsets": [offset for _, _, offset in rows],
            "itemsize": text["size"],
        },
        align=text["aligned"],
    )
