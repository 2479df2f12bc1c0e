"""The process's settings, read once: the only place that reads the environment.

GYRAL_DEVICE        where launches go that have only NumPy arrays ("cpu")
GYRAL_CHECK         1: compile bounds checks, division checks and asserts in; "race": look for races too
GYRAL_THREADS       most threads of one CPU launch; as many as the process may use otherwise
GYRAL_CACHE_DIR     where compiled kernels are kept; "" for nowhere
GYRAL_CACHE_LIMIT   most bytes they may take there, such as 256M (1G)
GYRAL_POOL_LIMIT    most bytes of freed device memory kept for reuse (1G)
GYRAL_PUBLISH       1: `gyral top` may see the systems of actors of this process
GYRAL_RUNTIME_DIR   where it finds them; a folder that the user alone may use
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from gyral.core.artifact import Check
from gyral.core.errors import UserError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_CHECKS: dict[str, Check] = {"": "off", "0": "off", "off": "off", "1": "on", "on": "on", "race": "race"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for. `threads` 0 means all; `cache_dir` "" means no cache on disk."""

    device: str = "cpu"
    check: Check = "off"
    threads: int = 0
    cache_dir: str = ""
    cache_limit: int = 1 << 30
    pool_limit: int = 1 << 30
    publish: bool = False
    runtime_dir: str = ""


def read(environ: Mapping[str, str], platform: str = sys.platform) -> Settings:
    """Settings from an environment. Raises UserError naming a variable that makes no sense."""
    check = environ.get("GYRAL_CHECK", "").lower()
    if check not in _CHECKS:
        raise UserError(f'GYRAL_CHECK is 0, 1 or "race", not {check!r}')
    threads = environ.get("GYRAL_THREADS", "") or "0"
    if not threads.isdecimal():
        raise UserError(f"GYRAL_THREADS is a number of threads, not {threads!r}")
    return Settings(
        device=environ.get("GYRAL_DEVICE", "") or "cpu",
        check=_CHECKS[check],
        threads=int(threads),
        cache_dir=environ.get("GYRAL_CACHE_DIR", _default_cache(environ, platform)),
        cache_limit=_bytes("GYRAL_CACHE_LIMIT", environ.get("GYRAL_CACHE_LIMIT", "1G")),
        pool_limit=_bytes("GYRAL_POOL_LIMIT", environ.get("GYRAL_POOL_LIMIT", "1G")),
        publish=_yes("GYRAL_PUBLISH", environ.get("GYRAL_PUBLISH", "")),
        runtime_dir=environ.get("GYRAL_RUNTIME_DIR", "") or _default_runtime(environ),
    )


@cache
def current() -> Settings:
    """The settings of this process, as the environment stood when they were first needed."""
    return read(os.environ)


def _bytes(variable: str, text: str) -> int:
    number, unit = text.strip().upper().removesuffix("B").removesuffix("I"), ""
    if number and number[-1] in _UNITS:
        number, unit = number[:-1], number[-1]
    if not number.isdecimal():
        raise UserError(f"{variable} is a number of bytes such as 256M, not {text!r}")
    return int(number) * _UNITS[unit]


def _yes(variable: str, text: str) -> bool:
    if text not in ("", "0", "1"):
        raise UserError(f"{variable} is 0 or 1, not {text!r}")
    return text == "1"


def _default_runtime(environ: Mapping[str, str]) -> str:
    own = environ.get("XDG_RUNTIME_DIR", "")
    if own:
        return os.path.join(own, "gyral")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return os.path.join(environ.get("TMPDIR", "") or "/tmp", f"gyral-{user}")


def _default_cache(environ: Mapping[str, str], platform: str) -> str:
    home = environ.get("HOME", "")
    if platform == "win32":
        base = environ.get("LOCALAPPDATA", "")
    elif platform == "darwin":
        base = home and os.path.join(home, "Library", "Caches")
    else:
        base = environ.get("XDG_CACHE_HOME", "") or (home and os.path.join(home, ".cache"))
    return os.path.join(base, "gyral") if base else ""


@contextmanager
def supplied(name: str, value: str) -> Iterator[None]:
    """An environment variable with a value for a while, unless it has one: for libraries that want it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
