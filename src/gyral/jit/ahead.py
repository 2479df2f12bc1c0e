"""Compiling before anything runs: artifacts in a folder that serves as some program's cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gyral.jit import codec
from gyral.jit.cache import DiskCache
from gyral.jit.kernel import Kernel
from gyral.jit.specialise import Spec
from gyral.jit.tuned import DEFAULT, Choice, save
from gyral.runtime.device import device as device_named

_ROOM = 1 << 40


def build(
    kernel: Kernel, types: Sequence[Any], device: str, folder: Path | str, *, tuned: bool = False
) -> list[Path]:
    """Compile a kernel for argument types (its annotations' when there are none) into a folder.

    The folder then serves programs started with GYRAL_CACHE_DIR naming it, on machines like this one. Built
    are the two specialisations that most launches need: arrays apart, and arrays that overlap. With `tuned`
    the same is built for every choice that the tuner made for these types on this device, which must be
    here, and its answers come along.
    """
    store = DiskCache(str(folder), _ROOM)
    spec = kernel.declared(types, device.partition(":")[0])
    choices, answers = [DEFAULT], []
    if tuned:
        subject = kernel.subject(device_named(device), spec.kinds, spec.rank)
        known = kernel.tuned.answers(subject)
        choices += dict.fromkeys(a.chosen for a in known.values() if a.chosen != DEFAULT)
        answers = [kernel.tuned.key(subject)] if known else []
        if known and not save(store, answers[0], known):
            raise OSError(f"{folder} cannot be written")
    built = [Path(store.path(key)) for key in answers]
    for choice in choices:
        for noalias in (True, False) if len(spec.options.unit_stride) > 1 else (True,):
            key, artifact = kernel.artifact(_varied(spec, choice, noalias))
            if not store.write(key, codec.encode(artifact)):
                raise OSError(f"{folder} cannot be written")
            built.append(Path(store.path(key)))
    return built


def _varied(spec: Spec, choice: Choice, noalias: bool) -> Spec:
    options = replace(
        spec.options,
        noalias=noalias,
        block=choice.block or spec.options.block,
        tile=choice.tile or spec.options.tile,
    )
    return replace(spec, options=options)
