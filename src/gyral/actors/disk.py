"""What writing a file safely asks of the operating system; a stand-in for it can fail on purpose."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

DIRECT: Final = getattr(os, "O_DIRECT", 0)
FULL: Final = getattr(fcntl, "F_FULLFSYNC", None)
"""Where fsync leaves data in the drive's own memory, this does not."""
PREVIOUS: Final = ".previous"
WRITING: Final = ".writing"


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with an ending."""
    return path.with_name(path.name + ending)


class Disk:
    """Files of one file system. Every method raises OSError as the system calls do."""

    def create(self, path: Path, nbytes: int) -> tuple[int, bool]:
        """A new empty file with room for so many bytes (0: unknown), and whether writes bypass the cache.

        Such writes are of whole pages, at whole pages, from whole pages.
        """
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
        direct = DIRECT != 0
        try:
            file = os.open(path, flags | DIRECT, 0o666)
        except OSError:
            # Some file systems, those in memory among them, cannot go around their cache.
            file, direct = os.open(path, flags, 0o666), False
        try:
            self.reserve(file, nbytes)
        except BaseException:
            os.close(file)
            raise
        return file, direct

    def reserve(self, file: int, nbytes: int) -> None:
        """Take room on the disk beforehand, so that a full one is noticed now and blocks lie together."""
        if nbytes and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, nbytes)

    def write(self, file: int, data: memoryview, at: int) -> None:
        """Write all of `data` at a place."""
        while data:
            done = os.pwrite(file, data, at)
            data, at = data[done:], at + done

    def sync(self, file: int) -> None:
        """Return when what was written survives a loss of power."""
        if FULL is None:
            os.fsync(file)
        else:
            fcntl.fcntl(file, FULL)

    def publish(self, written: Path, path: Path) -> None:
        """Let a written file take the place of `path`, whose file is kept as the previous one.

        `path` names a whole file at all times, the old or the new one, where the system has hard links.
        """
        if path.exists():
            previous, link = beside(path, PREVIOUS), beside(path, ".linking")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(link)
            try:
                os.link(path, link)
            except OSError:
                os.replace(path, previous)
            else:
                os.replace(link, previous)
        os.replace(written, path)
        self.sync_folder(path.parent)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder survive a loss of power."""
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def free(self, folder: Path) -> int:
        """Bytes that may still be written."""
        return shutil.disk_usage(folder).free


DISK: Final = Disk()
