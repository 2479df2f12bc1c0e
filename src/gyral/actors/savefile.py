"""Files of named arrays that are whole or refused: checksummed, written beside and renamed.

A save leaves either the new file, with the old one kept as `<path>.previous`, or the old one untouched.
"""

from __future__ import annotations

import itertools
import mmap
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gyral.actors.disk import DISK, WRITING, Disk, beside
from gyral.actors.packing import PACKINGS, Packing, checked, packer, unpack, width_of
from gyral.actors.saveformat import (
    CHUNK,
    PAGE,
    Block,
    Chunk,
    Section,
    dtype_of,
    dtype_text,
    pages,
    read_block,
    read_header,
    write_header,
)
from gyral.core import entry
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UserError

THREADS: Final = min(8, 2 * (os.cpu_count() or 1))
"""While one waits for the disk, another makes checksums."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a file holds: what it is about (JSON) and its arrays, by name."""

    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def save(
    path: Path,
    about: dict[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    compress: str | None = None,
    disk: Disk = DISK,
) -> int:
    """Write a file, and let it take the place of `path` once it is safe; its size in bytes.

    Contiguous arrays are written from where they lie, fastest from whole pages. UserError where no file can
    be made, DeviceError where the disk is full or fails: the file that was there is then untouched.
    """
    packing = checked(compress)
    written = beside(path, WRITING)
    room = 0 if packing != "none" else sum(pages(a.nbytes) for a in arrays.values()) + 2 * PAGE
    try:
        file, direct = disk.create(written, room)
        try:
            writer = _Writer(file, direct, disk)
            sections = writer.sections(arrays, packing)
            writer.finish(write_header(about, sections))
            disk.sync(file)
        finally:
            os.close(file)
        disk.publish(written, path)
    except OSError as error:
        raise _refusal(error, path, max(room, sum(a.nbytes for a in arrays.values())), disk) from error
    finally:
        disk.remove(written)
    return writer.size


def load(path: Path) -> Saved:
    """Read a file, all of it checked before anything is given.

    UserError for a file that is not there, foreign or of a newer format, StateError for one that is damaged
    or truncated.
    """
    with _opened(path) as file:
        block = _block(file, path)
        about, sections = _header(file, block, path)
        arrays = {s.name: np.empty(s.shape, dtype_of(s.dtype)) for s in sections}
        work = [
            (section, chunk, arrays[section.name].reshape(-1).view(np.uint8)[start : start + chunk.nbytes])
            for section in sections
            for chunk, start in _placed(section.chunks)
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda one: _read_chunk(file, path, *one), work):
                pass
    return Saved(about, arrays)


def peek(path: Path) -> dict[str, Any]:
    """What a file is about, without its arrays; their damage is not noticed. Raises as `load` does."""
    with _opened(path) as file:
        return _header(file, _block(file, path), path)[0]


class _Writer:
    """Puts chunks and the header into a new file. Block 0 comes last."""

    def __init__(self, file: int, direct: bool, disk: Disk) -> None:
        self.size = 0
        self._file, self._direct, self._disk = file, direct, disk
        self._at = PAGE
        self._lock = threading.Lock()
        self._own = threading.local()

    def sections(self, arrays: Mapping[str, NDArray[Any]], packing: Packing) -> list[Section]:
        """Write all arrays, in chunks, by several threads."""
        parts: list[list[tuple[NDArray[np.uint8], int]]] = []
        found: list[tuple[str, Any, tuple[int, ...], str, int]] = []
        for name, array in arrays.items():
            dtype = dtype_text(array.dtype)
            width = 1 if packing == "none" else width_of(array.dtype)
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            step = CHUNK // width * width
            parts.append([(flat[start : start + step], width) for start in range(0, flat.size, step)])
            found.append((name, dtype, array.shape, packing, width))
        write = self._plain if packing == "none" else self._packed(packing)
        with ThreadPoolExecutor(THREADS) as pool:
            chunks = pool.map(lambda part: write(*part), itertools.chain(*parts))
            return [
                Section(name, dtype, shape, packing, width, tuple(itertools.islice(chunks, len(part))))
                for (name, dtype, shape, packing, width), part in zip(found, parts, strict=True)
            ]

    def finish(self, header: bytes) -> None:
        """Write the header behind the chunks, then block 0."""
        data = header.ljust(pages(len(header)), b"\0")
        at = self._place(len(data))
        self._put(np.frombuffer(data, np.uint8), at)
        self.size = at + len(data)
        block = Block(at, len(header), zlib.crc32(data), self.size, _version())
        self._put(np.frombuffer(block.packed(), np.uint8), 0)

    def _plain(self, part: NDArray[np.uint8], width: int) -> Chunk:
        at = self._place(part.size)
        return Chunk(at, part.size, part.size, self._put(part, at))

    def _packed(self, packing: Packing) -> Callable[[NDArray[np.uint8], int], Chunk]:
        def write(part: NDArray[np.uint8], width: int) -> Chunk:
            if not hasattr(self._own, "pack"):
                self._own.pack = packer(packing)
            data = np.frombuffer(self._own.pack(part, width), np.uint8)
            at = self._place(data.size)
            return Chunk(at, data.size, part.size, self._put(data, at))

        return write

    def _place(self, nbytes: int) -> int:
        with self._lock:
            at = self._at
            self._at += pages(nbytes)
            return at

    def _put(self, data: NDArray[np.uint8], at: int) -> int:
        """Write bytes, padded to whole pages; the checksum of both."""
        whole = data.size % PAGE == 0
        if not whole or (self._direct and data.__array_interface__["data"][0] % PAGE):
            data = self._padded(data)
        view = data.data.cast("B")
        crc = zlib.crc32(view)
        self._disk.write(self._file, view, at)
        return crc

    def _padded(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy in whole pages of this thread's own, which it keeps."""
        need = pages(data.size)
        own: NDArray[np.uint8] | None = getattr(self._own, "pages", None)
        if own is None or own.size < need:
            own = self._own.pages = np.frombuffer(mmap.mmap(-1, max(need, pages(CHUNK))), np.uint8)
        own[: data.size] = data
        own[data.size : need] = 0
        return own[:need]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        yield file
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(file)


def _block(file: int, path: Path) -> Block:
    block = read_block(os.pread(file, PAGE, 0), str(path))
    size = os.fstat(file).st_size
    if size != block.file_bytes:
        what = "truncated" if size < block.file_bytes else "damaged"
        raise StateError(f"{path} is {what}: it has {size} bytes and should have {block.file_bytes}")
    return block


def _header(file: int, block: Block, path: Path) -> tuple[dict[str, Any], list[Section]]:
    nbytes = pages(block.header_bytes)
    if block.header_at + nbytes != block.file_bytes:
        raise StateError(f"{path} is damaged: its header lies where none can")
    text = os.pread(file, nbytes, block.header_at)
    if zlib.crc32(text) != block.header_crc:
        raise StateError(f"{path} is damaged: the checksum of its header is wrong")
    return read_header(text[: block.header_bytes], block, str(path))


def _placed(chunks: tuple[Chunk, ...]) -> Iterator[tuple[Chunk, int]]:
    start = 0
    for chunk in chunks:
        yield chunk, start
        start += chunk.nbytes


def _read_chunk(file: int, path: Path, section: Section, chunk: Chunk, into: NDArray[np.uint8]) -> None:
    plain = section.packing == "none"
    data = into.data if plain else memoryview(bytearray(chunk.stored))
    padding = memoryview(bytearray(pages(chunk.stored) - chunk.stored))
    whole = _fill(file, data, chunk.at) and _fill(file, padding, chunk.at + chunk.stored)
    if not whole or zlib.crc32(padding, zlib.crc32(data)) != chunk.crc:
        raise StateError(f"{path} is damaged: the checksum of a part of {section.name!r} is wrong")
    if section.packing not in PACKINGS:
        raise UserError(f"{path} is packed by {section.packing!r}, which this Gyral does not know")
    if not plain:
        unpack(section.packing, data, into, section.width)


def _fill(file: int, data: memoryview, at: int) -> bool:
    """Read until `data` is full; whether the file had so much."""
    while data:
        got = os.preadv(file, [data], at)
        if got == 0:
            return False
        data, at = data[got:], at + got
    return True


def _refusal(error: OSError, path: Path, nbytes: int, disk: Disk) -> Exception:
    kept = f"; {path} still holds what was saved before" if path.exists() else ""
    if error.errno in (ENOSPC, EDQUOT):
        free = disk.free(path.parent)
        return DeviceError(
            f"no room to save {path}: it takes about {nbytes:,} bytes and {free:,} are free{kept}",
            DeviceErrorKind.RESOURCE,
        )
    if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)):
        return UserError(f"{path} cannot be written: {error.strerror}")
    return DeviceError(f"saving {path} failed: {error.strerror}{kept}")


def _version() -> str:
    try:
        return entry.load("importlib.metadata:version")("gyral")
    except ImportError:
        return "unknown"
