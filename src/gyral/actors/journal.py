"""A journal of what the host sent: appended behind each send, so that a restore can send it again.

The journal of a path lies in segments, `<path>.<number>`; each checkpoint begins one. A record that was not
written whole, because the process or the machine ended, ends its segment.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gyral.actors.disk import DISK, Disk, beside
from gyral.actors.manifest import place_of
from gyral.core import wire
from gyral.core.errors import DeviceError, StateError

FORMAT: Final = 1
MOST_PENDING: Final = 64 << 20
"""Bytes that wait to be written; who sends more waits too."""
_RECORD: Final = struct.Struct("<IIIIHHQQ")
"""Bytes that follow, checksum of all behind it, slot, generation, type, priority, key, deadline (0: none)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted. `place`: of its class. `deadline`: milliseconds since the epoch, or 0."""

    slot: int
    generation: int
    place: str
    priority: int
    key: int
    deadline: int
    payload: bytes
    route: int


class Journal:
    """Appends records to the newest segment, written by a thread of its own, in batches.

    Whoever sends holds `lock`, that of the system, from before the send until its record is appended, and
    whoever takes a checkpoint holds it too: a record is in a segment exactly if the send was after the
    checkpoint that began it. `first`: the number of the first segment of this journal; those before it are of
    other processes.
    """

    def __init__(self, path: Path, route: int, lock: AbstractContextManager[Any], disk: Disk = DISK) -> None:
        self.path = path
        self.lock = lock
        self._route, self._disk = route, disk
        self.first = self.segment = max(segments(path), default=0) + 1
        self._types: dict[Any, int] = {}
        self._pending: list[tuple[int, bytearray]] = []
        self._bytes = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._writing = self._ending = False
        self._thread = threading.Thread(target=self._run, name="gyral-actors-journal", daemon=True)
        self._thread.start()

    def append(self, slot: int, generation: int, kind: Any, payload: bytes, options: dict[str, Any]) -> None:
        """Add a message that was accepted. Under the lock. DeviceError when the journal cannot be written."""
        number = self._types.get(kind)
        if number is None:
            if not self._types:
                self._add(wire.NONE, 0, 0, 0, 0, 0, json.dumps([FORMAT, self._route]).encode())
            number = self._types[kind] = len(self._types) + 1
            self._add(wire.NONE, 0, number, 0, 0, 0, place_of(kind).encode())
        after = options.get("deadline")
        deadline = 0 if after is None else int((time.time() + after) * 1000)
        self._add(
            slot, generation, number, options.get("priority", 0), options.get("key", 0), deadline, payload
        )

    def turn(self) -> int:
        """Begin a segment; its number."""
        self.segment += 1
        self._types = {}
        return self.segment

    def sync(self) -> None:
        """Return when all that was appended is safe on disk. DeviceError when it cannot be."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not (self._pending or self._writing))
            self._check()

    def drop(self, before: int) -> None:
        """Remove the segments before one."""
        for number in segments(self.path):
            if number < before:
                self._disk.remove(_segment(self.path, number))

    def close(self) -> None:
        """Write what is left, and end. DeviceError when it cannot be written."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join()
        self._check()

    def _add(
        self, slot: int, generation: int, kind: int, priority: int, key: int, deadline: int, payload: bytes
    ) -> None:
        body = _RECORD.pack(len(payload), 0, slot, generation, kind, priority, key, deadline)[8:] + payload
        with self._changed:
            while self._bytes > MOST_PENDING and self._failure is None:
                self._changed.wait(0.2)
            self._check()
            if not self._pending or self._pending[-1][0] != self.segment:
                self._pending.append((self.segment, bytearray()))
            self._pending[-1][1].extend(struct.pack("<II", len(payload), zlib.crc32(body)) + body)
            self._bytes += 8 + len(body)
            self._changed.notify_all()

    def _check(self) -> None:
        if self._failure is not None:
            raise DeviceError(
                f"the journal {self.path} cannot be written: {self._failure}"
            ) from self._failure

    def _run(self) -> None:
        file, segment, at = -1, 0, 0
        try:
            while True:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._pending or self._ending)
                    if not self._pending:
                        return
                    batches, self._pending, self._bytes, self._writing = self._pending, [], 0, True
                for number, data in batches:
                    if number != segment:
                        if file >= 0:
                            os.close(file)
                        file = -1
                        file, segment, at = self._open(number), number, 0
                    self._disk.write(file, memoryview(data), at)
                    at += len(data)
                    self._disk.sync(file)
        except BaseException as error:  # noqa: BLE001  whoever sends next is told
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            if file >= 0:
                os.close(file)

    def _open(self, number: int) -> int:
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
        file = os.open(_segment(self.path, number), flags, 0o666)
        self._disk.sync_folder(self.path.parent)
        return file


def segments(path: Path) -> list[int]:
    """The numbers of the segments there are, in order."""
    endings = (file.name.removeprefix(f"{path.name}.") for file in path.parent.glob(f"{path.name}.*"))
    return sorted(int(ending) for ending in endings if ending.isdecimal())


def sent_since(path: Path, first: int, before: int) -> Iterator[Sent]:
    """What was sent in the segments from one up to another, in order. StateError for another format."""
    for number in segments(path):
        if first <= number < before:
            yield from _sent_in(_segment(path, number))


def _segment(path: Path, number: int) -> Path:
    return beside(path, f".{number}")


def _sent_in(file: Path) -> Iterator[Sent]:
    data, at, route = file.read_bytes(), 0, 0
    places: dict[int, str] = {}
    while at + _RECORD.size <= len(data):
        length, crc, slot, generation, kind, priority, key, deadline = _RECORD.unpack_from(data, at)
        end = at + _RECORD.size + length
        if end > len(data) or zlib.crc32(data[at + 8 : end]) != crc:
            return
        payload, at = data[at + _RECORD.size : end], end
        if slot != wire.NONE:
            yield Sent(slot, generation, places[kind], priority, key, deadline, payload, route)
        elif kind:
            places[kind] = payload.decode()
        else:
            form, route = json.loads(payload)
            if form != FORMAT:
                raise StateError(
                    f"{file} has format {form} of journals, and this Gyral reads format {FORMAT}"
                )
