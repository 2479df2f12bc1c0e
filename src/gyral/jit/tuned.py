"""What the tuner found out, kept beside the compiled kernels: blocks and tiles by size of the launch.

One entry stands for a kernel's fingerprint, its argument kinds and options, one device and this version of
the compiler. It is JSON in the cache on disk, with its checksum; one that is damaged counts as none.
Results are kept for each candidate by itself, so that a new candidate is measured alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gyral.core.events import CacheTrouble, emit
from gyral.jit import targets
from gyral.jit.arguments import Kind
from gyral.jit.cache import DiskCache
from gyral.jit.key import Fingerprint, key_of
from gyral.jit.programs import TUNED, Programs, disk
from gyral.jit.specialise import spell
from gyral.runtime.device import Device

_SCHEME = "tuned 1"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to run a kernel; with neither block nor tile it is the compiler's own."""

    block: tuple[int, ...] = ()
    tile: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The choice in a word: "block=8x32", "tile=1x4", "default"."""
        parts = [f"{name}={'x'.join(map(str, of))}" for name, of in self._fields() if of]
        return " ".join(parts) or "default"

    def _fields(self) -> Iterable[tuple[str, tuple[int, ...]]]:
        return ("block", self.block), ("tile", self.tile)

    @classmethod
    def read(cls, label: str) -> Choice:
        """The choice of a label. ValueError for anything else."""
        if label == "default":
            return cls()
        parts = dict(part.split("=") for part in label.split(" "))
        if not parts or set(parts) - {"block", "tile"}:
            raise ValueError(f"{label!r} names no choice")
        found = {name: tuple(map(int, of.split("x"))) for name, of in parts.items()}
        if any(n < 1 for of in found.values() for n in of):
            raise ValueError(f"{label!r} names no choice")
        return cls(**found)


DEFAULT = Choice()


@dataclass(frozen=True, slots=True)
class Trial:
    """How one candidate did: the median of its samples in seconds, or why it is out of the question."""

    choice: Choice
    seconds: float = math.inf
    samples: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of launches of one size class: which choice to take, and what each candidate took."""

    chosen: Choice
    trials: Mapping[str, Trial] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a launch is to use, () for the compiler's own; `counts`: for launches of how many threads."""

    block: tuple[int, ...]
    tile: tuple[int, ...]
    counts: tuple[int, int]


def size_class(shape: Sequence[int]) -> int:
    """Launches of one class have thread counts within a factor of two: 2^(c-1) to below 2^c."""
    return math.prod(shape).bit_length()


def advise(answers: Mapping[int, Answer], shape: Sequence[int]) -> Advice | None:
    """What is known for a launch; None where the default is best for all sizes.

    Without an answer for its size a launch gets the default, but only for its size.
    """
    if not any(answer.chosen != DEFAULT for answer in answers.values()):
        return None
    size = size_class(shape)
    chosen = answers[size].chosen if size in answers else DEFAULT
    return Advice(chosen.block, chosen.tile, (1 << size >> 1, (1 << size) - 1))


def machine(device: Device) -> str:
    """What tells apart the devices that one kernel would be tuned for separately."""
    caps = device.capabilities
    size = (caps.units, caps.max_block, caps.shared_bytes, caps.memory_bytes, caps.features)
    return f"{device.kind} {targets.identity_of(device.kind)} {size}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about, besides the kernel: launches with these arguments and options on a device."""

    kinds: tuple[Kind, ...]
    rank: int
    fastmath: bool
    downcast: bool
    device: Device

    def key(self, kernel: Fingerprint) -> str:
        """The key of the entry; it changes with the kernel and with the compiler's version."""
        terms = f"{[spell(kind) for kind in self.kinds]} {self.rank} {self.fastmath} {self.downcast}"
        return key_of(kernel, _SCHEME, terms, machine(self.device))


class Tuned:
    """The entries of one kernel, each read from disk once per process."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._entries: dict[Subject, dict[int, Answer]] = {}

    def advise(self, subject: Subject, shape: Sequence[int]) -> Advice | None:
        """What is known for a launch."""
        return advise(self.answers(subject), shape)

    def answers(self, subject: Subject) -> dict[int, Answer]:
        """All that is known of a subject, by size class."""
        found = self._entries.get(subject)
        if found is None:
            found = self._entries[subject] = load(disk(), self.key(subject))
        return found

    def keep(self, subject: Subject, size: int, answer: Answer) -> bool:
        """Add an answer, beside what other processes added; False where it cannot be written to disk."""
        key = self.key(subject)
        self._entries[subject] = load(disk(), key) | {size: answer}
        return save(disk(), key, self._entries[subject])

    def key(self, subject: Subject) -> str:
        """Where a subject's entry is kept."""
        return subject.key(self._programs.fingerprint())


def load(store: DiskCache, key: str) -> dict[int, Answer]:
    """The answers under a key by size class; none where there is no entry or one that makes no sense."""
    data = store.read(key)
    if data is None:
        return {}
    try:
        return {int(size): _answer(found) for size, found in json.loads(data).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        emit(CacheTrouble(store.path(key), f"cannot be understood: {error}"))
        store.drop(key)
        return {}


def save(store: DiskCache, key: str, answers: Mapping[int, Answer]) -> bool:
    """Keep answers under a key; False where the store cannot be written."""
    plain = {str(size): _plain(answer) for size, answer in sorted(answers.items())}
    if not store.write(key, json.dumps(plain, indent=1).encode()):
        return False
    try:
        Path(store.folder, TUNED).touch()
    except OSError as error:
        emit(CacheTrouble(store.folder, f"cannot be written: {error}"))
        return False
    return True


def _plain(answer: Answer) -> dict[str, Any]:
    trials = {
        label: {"fault": t.fault} if t.fault else {"seconds": t.seconds, "samples": t.samples}
        for label, t in answer.trials.items()
    }
    return {"chosen": answer.chosen.label, "trials": trials}


def _answer(plain: Any) -> Answer:
    trials = {
        label: Trial(
            Choice.read(label),
            float(t.get("seconds", math.inf)),
            int(t.get("samples", 0)),
            t.get("fault", ""),
        )
        for label, t in plain["trials"].items()
    }
    return Answer(Choice.read(plain["chosen"]), trials)
