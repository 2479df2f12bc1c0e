"""Letting others see the counters of a system: a socket in a folder of the user's, asked by `gyral top`.

What is answered is read from the control blocks as they stand: no lock is taken and no loop is paused.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gyral.actors.engine import Engine
from gyral.actors.lifecycle import NAMES
from gyral.core import wire
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, GyralError, UnsupportedError

SUFFIX = ".actors"
SLICE_SECONDS = 0.5
ANSWER_SECONDS = 2.0
ADVICE = "set GYRAL_RUNTIME_DIR to a folder of yours"
_numbers = itertools.count()

View = dict[str, Any]
"""What is told of one system; under "actors" a column for each counter, under "names" names by slot."""


def view_of(name: str, engine: Engine) -> View:
    """The counters of everybody in a system. Those of one actor may be a message apart from one another."""
    found: View = {
        "system": name,
        "pid": os.getpid(),
        "seconds": MONOTONIC(),
        "device": engine.device.name,
        "way": engine.host.way,
        "epochs": engine.epochs,
        "workers": [],
        "names": {},
        "actors": {},
    }
    if not engine.running:
        return found
    world, roster = engine.world, engine.roster
    with suppress(GyralError):  # closed meanwhile
        found["workers"] = [row["stage"] for row in engine.host.mail.workers()]
    controls = world.controls.copy()
    slots = np.flatnonzero(controls[:, wire.CT_STATE] != wire.FREE)
    here = controls[slots].astype(np.uint64)
    ended, sent = world.done.sum(0, dtype=np.uint32), world.sent.sum(0, dtype=np.uint32)
    queued = (sent - ended).view(np.int32)[slots].clip(0)
    kinds = [kind.name for kind in roster.kinds]
    columns = {
        "handled": here[:, wire.CT_HANDLED_LO] | here[:, wire.CT_HANDLED_HI] << np.uint64(32),
        "generation": here[:, wire.CT_GENERATION],
        "failed": here[:, wire.CT_FAILED],
        "restarts": here[:, wire.CT_RESTARTS],
        "queued": queued,
        "slot": slots,
    }
    found["actors"] = {title: column.tolist() for title, column in columns.items()}
    found["actors"]["class"] = [kinds[k] for k in here[:, wire.CT_CLASS].tolist()]
    found["actors"]["state"] = [NAMES.get(k, "?") for k in here[:, wire.CT_STATE].tolist()]
    found["names"] = {str(slot): called for called, slot in dict(roster.names).items()}
    return found


def folder(place: str) -> Path:
    """The folder of sockets, made if need be. DeviceError when it is another user's or open to others."""
    path = Path(place)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise DeviceError(
            f"{path} cannot be used ({error}); set GYRAL_RUNTIME_DIR to a folder of yours"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise DeviceError(f"{path} is not a folder that you alone may use: chmod 700 it, or {ADVICE}")
    return path


class Post:
    """Answers whoever asks with what `look` gives, until `end`, or until that is None."""

    def __init__(self, place: str, look: Callable[[], View | None]) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise UnsupportedError("publish= needs Unix sockets, which this system has not")
        self.path = folder(place) / f"{os.getpid()}-{next(_numbers)}{SUFFIX}"
        self._look, self._ending = look, False
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self.path.unlink(missing_ok=True)
            self._socket.bind(str(self.path))
            self._socket.listen(8)
        except OSError as error:
            self._socket.close()
            raise DeviceError(
                f"{self.path} cannot be listened on ({error}); set GYRAL_RUNTIME_DIR"
            ) from error
        self._socket.settimeout(SLICE_SECONDS)
        self._thread = threading.Thread(target=self._serve, name="gyral-actors-watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Answer nobody any more."""
        self._ending = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends the wait for somebody who asks
        if threading.current_thread() is not self._thread:
            self._thread.join(2 * SLICE_SECONDS)

    def _serve(self) -> None:
        owner = os.getpid()
        try:
            while not self._ending:
                try:
                    asker, _ = self._socket.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                with asker:
                    view = self._look()
                    if view is None:
                        return
                    asker.settimeout(ANSWER_SECONDS)
                    with suppress(OSError):  # whoever asked has gone
                        asker.sendall(json.dumps(view).encode())
        finally:
            self._socket.close()
            if os.getpid() == owner:
                self.path.unlink(missing_ok=True)


def watched(place: str) -> list[View]:
    """What all published systems of this user tell. Sockets that nobody serves are removed."""
    found = []
    if hasattr(socket, "AF_UNIX") and Path(place).is_dir():
        for path in sorted(folder(place).glob(f"*{SUFFIX}")):
            view = _asked(path)
            if view is not None:
                found.append(view)
    return found


def _asked(path: Path) -> View | None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(ANSWER_SECONDS)
        parts = []
        try:
            asker.connect(str(path))
            while part := asker.recv(1 << 16):
                parts.append(part)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return None
        except OSError:
            return None
    return json.loads(b"".join(parts)) if parts else None
