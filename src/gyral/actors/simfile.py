"""Checkpoints of simulations: one file of a header, arrays and a digest over both."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.core.errors import UserError

MAGIC = b"GYRALSIM"
VERSION = 1
_HEAD = struct.Struct("<8sII")
_DIGEST = 32


def write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], compress: bool) -> Path:
    """Write a file next to `path` and put it in its place once it is safe on disk; returns the path."""
    bodies, rows = [], []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        body = zlib.compress(data.tobytes(), 1) if compress else data.reshape(-1).view(np.uint8).data
        bodies.append(body)
        rows.append([name, data.dtype.str, list(np.shape(array)), len(body)])
    header = json.dumps({"about": dict(about), "arrays": rows, "compressed": compress}).encode()
    digest = hashlib.blake2b(digest_size=_DIGEST)
    number, partial = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with open(number, "wb") as file:
            for part in (_HEAD.pack(MAGIC, VERSION, len(header)), header, *bodies):
                digest.update(part)
                file.write(part)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
    _sync(path.parent)
    return path


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a file holds. UserError for one that is damaged, foreign or of a later version."""
    data = path.read_bytes()
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise UserError(f"{path} is no checkpoint of a simulation")
    _, version, length = _HEAD.unpack_from(data)
    if version != VERSION:
        raise UserError(f"{path} is a checkpoint of version {version}, and this is version {VERSION}")
    digest = hashlib.blake2b(memoryview(data)[:-_DIGEST], digest_size=_DIGEST).digest()
    if digest != data[-_DIGEST:]:
        raise UserError(f"{path} is damaged: its checksum does not fit; use an earlier checkpoint")
    header = json.loads(data[_HEAD.size : _HEAD.size + length])
    at = _HEAD.size + length
    arrays = {}
    for name, dtype, shape, size in header["arrays"]:
        body = memoryview(data)[at : at + size]
        at += size
        raw = zlib.decompress(body) if header["compressed"] else body
        arrays[name] = np.frombuffer(raw, np.dtype(dtype)).reshape(shape)
    return header["about"], arrays


def _sync(folder: Path) -> None:
    """Make a rename in a folder last, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
