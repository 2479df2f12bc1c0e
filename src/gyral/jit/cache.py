"""Compiled kernels on disk: content-addressed, shared between processes, bounded, never trusted.

A file is written beside its place, flushed and renamed, so that a reader sees all of it or nothing. Each
carries its own key and a checksum; what does not match is removed and compiled again. A directory that
cannot be written costs one warning and no result.

A tally of the bytes written stands beside the files, so that a write need not count them all. It is a hint:
a writer adds to it before it writes, and when it is missing, damaged, long or above the limit, the files are
counted and the tally begins anew from what is there.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
import warnings

from gyral.core.events import CacheTrouble, emit

_MAGIC = b"gyral artifact 1\n"
_SUFFIX = ".gya"
_TALLY = "tally"
_WORD = 8  # bytes of one number in the tally
_MOST_WORDS = 4096
_FRESH = 3600.0  # a use is noted at most this often (seconds), so that a hit is one read


class DiskCache:
    """A directory of byte strings by key. `limit` bounds their sum in bytes; "" as `folder` keeps nothing."""

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._warned = False

    def read(self, key: str) -> bytes | None:
        """What was kept under a key, or None."""
        if not self.folder:
            return None
        path = self.path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            self._trouble(path, f"cannot be read: {error}")
            return None
        payload = _unwrap(key, data)
        if payload is None:
            self._discard(path)
            emit(CacheTrouble(path, "is damaged and was removed"))
            return None
        if age > _FRESH:
            self._note_use(path)
        return payload

    def write(self, key: str, payload: bytes) -> bool:
        """Keep bytes under a key; False, with one warning, where that fails."""
        if not self.folder or len(payload) > self.limit:
            return False
        path = self.path(key)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = _wrap(key, payload)
            counted = self._count(len(data))
            self._replace(path, data)
            if not counted:
                self._sweep()
        except OSError as error:
            self._trouble(self.folder, f"cannot be written: {error}")
            return False
        return True

    def drop(self, key: str) -> None:
        """Forget a key."""
        if self.folder:
            self._discard(self.path(key))

    def size(self) -> int:
        """Bytes kept now."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Forget everything."""
        for _, _, path in self._entries():
            self._discard(path)

    def path(self, key: str) -> str:
        """Where a key's file is, or would be."""
        return os.path.join(self.folder, key[:2], key[2:] + _SUFFIX)

    def _replace(self, path: str, data: bytes) -> None:
        temporary = os.path.join(os.path.dirname(path), f".new-{os.getpid()}-{os.urandom(6).hex()}")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            self._discard(temporary)
            raise

    def _entries(self) -> list[tuple[float, int, str]]:
        """Time of last use, size and path of every file, and of what a writer that died left behind."""
        found = []
        for folder, _, names in os.walk(self.folder) if self.folder else ():
            for name in names:
                if not name.endswith(_SUFFIX) and not name.startswith(".new-"):
                    continue
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:
                    continue  # another process removed it
                if name.endswith(_SUFFIX) or time.time() - status.st_mtime > _FRESH:
                    found.append((status.st_mtime, status.st_size, path))
        return found

    def _count(self, nbytes: int) -> bool:
        """Add to the tally; False when it does not vouch that all is within the limit."""
        path = os.path.join(self.folder, _TALLY)
        try:
            # No "a": a tally that is missing says nothing of what is there, and is made by a sweep.
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return False
        with open(descriptor, "r+b", buffering=0) as file:
            file.write(nbytes.to_bytes(_WORD, "little"))
            file.seek(0)
            data = file.read((_MOST_WORDS + 1) * _WORD)
        words, rest = divmod(len(data), _WORD)
        if rest or not 2 <= words <= _MOST_WORDS:  # the first was left by a sweep, the last is ours
            return False
        return sum(number for (number,) in struct.iter_unpack("<Q", data)) <= self.limit

    def _sweep(self) -> None:
        """Count everything; above the limit, remove what was not used for longest until a tenth is free."""
        entries = self._entries()
        total = sum(size for _, size, _ in entries)
        if total > self.limit:
            for _, size, path in sorted(entries):
                self._discard(path)
                total -= size
                if total <= self.limit - self.limit // 10:
                    break
        self._replace(os.path.join(self.folder, _TALLY), total.to_bytes(_WORD, "little"))

    def _note_use(self, path: str) -> None:
        try:
            os.utime(path)
        except OSError as error:
            emit(CacheTrouble(path, f"its use cannot be noted: {error}"))

    def _discard(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            emit(CacheTrouble(path, f"cannot be removed: {error}"))

    def _trouble(self, path: str, reason: str) -> None:
        emit(CacheTrouble(path, reason))
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{path} {reason}; kernels are compiled anew in each process "
                "(GYRAL_CACHE_DIR names another directory)",
                RuntimeWarning,
                stacklevel=2,
            )


def _wrap(key: str, payload: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(key.encode() + payload).digest() + payload


def _unwrap(key: str, data: bytes) -> bytes | None:
    start = len(_MAGIC) + 32
    payload, checksum = data[start:], hashlib.sha256(key.encode() + data[start:]).digest()
    return payload if data.startswith(_MAGIC) and data[len(_MAGIC) : start] == checksum else None
