"""Compiling before anything runs: artifacts in a folder that serves as some program's cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gyral.jit import codec
from gyral.jit.cache import DiskCache
from gyral.jit.kernel import Kernel

_ROOM = 1 << 40


def build(kernel: Kernel, types: Sequence[Any], device: str, folder: Path | str) -> list[Path]:
    """Compile a kernel for argument types (its annotations' when there are none) into a folder.

    The folder then serves programs started with GYRAL_CACHE_DIR naming it, on machines like this one. Built
    are the two specialisations that most launches need: arrays apart, and arrays that overlap.
    """
    store = DiskCache(str(folder), _ROOM)
    spec = kernel.declared(types, device)
    built: list[Path] = []
    for noalias in (True, False) if len(spec.options.unit_stride) > 1 else (True,):
        chosen = replace(spec, options=replace(spec.options, noalias=noalias))
        key, artifact = kernel.artifact(chosen)
        if not store.write(key, codec.encode(artifact)):
            raise OSError(f"{folder} cannot be written")
        built.append(Path(store.path(key)))
    return built
