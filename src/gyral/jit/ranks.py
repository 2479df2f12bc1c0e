"""Launches of a kernel whose rank is not known yet, which is so until it is first compiled or found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gyral.core.artifact import CompileOptions
from gyral.jit.arguments import Given, Kind
from gyral.jit.key import fingerprint, key_of
from gyral.jit.launch import check_shape
from gyral.jit.programs import disk
from gyral.jit.request import Request
from gyral.jit.specialise import spell
from gyral.jit.targets import implied_rank


class Ranked(Protocol):
    """What `Unranked` needs of a kernel."""

    name: str
    rank: int
    __gyral_kernel__: Callable[..., Any]

    def __getitem__(self, key: Any) -> Any: ...
    def take(self, args: Any, kwargs: Any) -> list[Given]: ...
    def _miss(self, shape: tuple[int, ...], block: Any, args: Any, kwargs: Any) -> None: ...


class Unranked:
    """`kernel[key]` before the kernel's rank is known. Calling it finds the rank out and launches.

    Every key but a pair of ints says how many axes it means.
    """

    def __init__(self, kernel: Ranked, key: Any) -> None:
        self.kernel, self._key = kernel, key
        self._shape, self._block = key, None
        self._ambiguous = False
        if isinstance(key, tuple) and len(key) == 2:
            if isinstance(key[0], tuple):
                self._shape, self._block = key
            elif isinstance(key[1], tuple):
                self._shape, self._block = key[0], key[1]
            else:
                self._ambiguous = True
        self._shape = check_shape(kernel.name, self._shape)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Launch the kernel."""
        if self._ambiguous and not self.kernel.rank:
            kinds = tuple(given.kind for given in self.kernel.take(args, kwargs))
            self.kernel.rank = rank_of(self.kernel.__gyral_kernel__, kinds)
        if self.kernel.rank:
            self.kernel[self._key](*args, **kwargs)
        else:
            self.kernel._miss(self._shape, self._block, args, kwargs)


def rank_of(function: Callable[..., Any], kinds: tuple[Kind, ...]) -> int:
    """The launch rank that a kernel's words imply, remembered on disk beside its code."""
    key = key_of(fingerprint(function), "rank", *map(spell, kinds))
    known = disk().read(key)
    if known in (b"1", b"2", b"3"):
        return int(known)
    request = Request(function, kinds, CompileOptions())
    found = implied_rank(request)
    disk().write(key, str(found).encode())
    return found
