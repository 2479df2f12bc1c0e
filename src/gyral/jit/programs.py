"""A kernel's specialisations: found in memory, found on disk, or compiled, in that order."""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from gyral.core import settings
from gyral.core.artifact import ArrayParameter, Artifact, CompileOptions
from gyral.core.clock import MONOTONIC
from gyral.core.errors import (
    CompileError,
    Diagnostic,
    DowncastWarning,
    GyralError,
    InternalError,
    UnsupportedError,
    UserError,
)
from gyral.core.events import CacheTrouble, Compiled, emit
from gyral.jit import codec, targets
from gyral.jit.arguments import Kind
from gyral.jit.cache import DiskCache
from gyral.jit.key import Fingerprint, fingerprint, key_of, use_of
from gyral.jit.request import Request
from gyral.jit.specialise import Spec
from gyral.runtime.device import Device

TUNED = "tuned"
"""A file in the cache's folder that says that there are answers of the tuner among the entries."""


class _Turn:
    """The lock under which kernels are compiled; a forked child gets a fresh one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.RLock()


_turn = _Turn()


@cache
def disk() -> DiskCache:
    """The process's cache on disk."""
    chosen = settings.current()
    return DiskCache(chosen.cache_dir, chosen.cache_limit)


def has_answers() -> bool:
    """Whether the tuner ever kept an answer in this process's cache (`jit.tuned`)."""
    return os.path.exists(os.path.join(disk().folder, TUNED))


class Programs:
    """The specialisations of one kernel. Safe for use by many threads."""

    def __init__(self, name: str, function: Callable[..., Any], rank: int | None) -> None:
        self._name, self._function, self._rank = name, function, rank
        self._loaded: dict[tuple[Spec, Device], Any] = {}
        self._writes: dict[tuple[Kind, ...], tuple[bool, ...]] = {}
        self._failures: dict[str, Callable[[], UserError]] = {}
        self._first: Fingerprint | None = None
        self._frozen: dict[tuple[str, str], Any] = {}

    def writes(self, kinds: tuple[Kind, ...]) -> tuple[bool, ...] | None:
        """Which arrays the kernel writes when given these kinds, once that is known."""
        return self._writes.get(kinds)

    def get(self, spec: Spec, device: Device) -> Any:
        """The loaded program of a specialisation on a device; CompileError when it cannot be compiled."""
        found = self._loaded.get((spec, device))
        if found is not None:
            return found
        with _turn.lock:
            found = self._loaded.get((spec, device))
            if found is None:
                artifact = self.artifact(spec)
                found = self._loaded[spec, device] = device.driver.load(artifact)
                written = (p.writes for p in artifact.signature.parameters if isinstance(p, ArrayParameter))
                self._writes[spec.kinds] = tuple(written)
        return found

    def artifact(self, spec: Spec) -> Artifact:
        """The compiled code of a specialisation. What failed once fails again until the source changes."""
        if spec.options.check == "race":
            raise UnsupportedError(
                f'check="race" runs {self._name} on the interpreter and has no machine code; use check=True'
            )
        began = MONOTONIC()
        with _turn.lock:
            key = self.key(spec)
            if key in self._failures:
                raise self._failures[key]()
            artifact = self._from_disk(key)
            origin = "disk"
            if artifact is None:
                origin = "compiler"
                artifact = self._compile(spec, key)
        emit(Compiled(self._name, spec.device, origin, MONOTONIC() - began))
        for text, file, line in json.loads(artifact.extra.get("warnings", "[]")):
            warnings.warn_explicit(text, DowncastWarning, file, line)
        return artifact

    def key(self, spec: Spec) -> str:
        """The first-level key of a specialisation. CompileError when a captured value changed."""
        seen = self.fingerprint()
        reports = spec.options.check != "off"
        return key_of(
            seen, spec.spelling(), repr(self._rank), targets.identity_of(spec.device), reports=reports
        )

    def request(self, kinds: tuple[Kind, ...], options: CompileOptions) -> Request:
        """What a compiler is asked for a specialisation. CompileError when a captured value changed."""
        self.fingerprint()
        return Request(self._function, kinds, options, self._rank, self._frozen)

    def fingerprint(self) -> Fingerprint:
        """The kernel as it stands, which must be how it stood when it was first asked for.

        CompileError when a captured value changed.
        """
        # By fingerprint, not by what the compiler froze: a kernel served from disk met no compiler.
        seen = fingerprint(self._function)
        if self._first is None:
            self._first = seen
        else:
            self._require_unchanged(self._first, seen)
        return seen

    def _from_disk(self, key: str) -> Artifact | None:
        data = disk().read(key)
        if data is None:
            return None
        try:
            return codec.decode(data)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            emit(CacheTrouble(key, f"cannot be understood: {error}"))
            disk().drop(key)
            return None

    def _compile(self, spec: Spec, key: str) -> Artifact:
        request = Request(self._function, spec.kinds, spec.options, self._rank, self._frozen)
        try:
            artifact = targets.compile_for(spec.device, request)
        except UserError as error:
            self._failures[key] = _repeated(error)
            raise
        except (GyralError, OSError, MemoryError):
            raise
        except Exception as error:
            raise InternalError(
                f"compiling {self._name} failed inside Gyral ({type(error).__name__}: {error}); "
                "please report it with the kernel"
            ) from error
        disk().write(key, codec.encode(artifact))
        return artifact

    def _require_unchanged(self, first: Fingerprint, now: Fingerprint) -> None:
        changed = now.changed(first)
        if changed:
            name, old, new = changed[0]
            raise self._changed(name.rpartition(".")[2], old.partition(" ")[2], new.partition(" ")[2])

    def _changed(self, name: str, old: str, new: str) -> CompileError:
        code = targets.capture_changed()
        span, line = use_of(self._function, name)
        message = code.message.format(name=name, old=_Plain(old), new=_Plain(new))
        return CompileError(Diagnostic(code.code, message, code.advice, span, line))


def _repeated(error: UserError) -> Callable[[], UserError]:
    """The same error anew: raising one object twice would keep the first caller's frames alive."""
    if isinstance(error, CompileError):
        diagnostics = error.diagnostics
        return lambda: CompileError(*diagnostics)
    kind, args = type(error), error.args
    return lambda: kind(*args)


class _Plain(str):
    """A text that a format string shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
