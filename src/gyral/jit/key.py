"""The first-level key: everything a specialisation's code depends on, without asking the compiler.

A kernel is its source text and bytecode, those of every function it reaches, and every value it captures.
Attributes of Gyral and of `math` count by their names, because the toolchain's version covers them.
"""

from __future__ import annotations

import dis
import hashlib
import linecache
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from gyral.core.dtypes import Array, ArrayType, DType, GenericInput, In, Static, StaticType, StructType, Vec
from gyral.core.span import Span
from gyral.jit.chain import functions_of

_SCHEME = "2"
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_TYPES = (DType, Vec, ArrayType, GenericInput, StaticType)
_NAMED_ONLY = {"gyral", "math", "builtins", "numpy"}
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a kernel is: `text` covers the source of its functions, `functions` has each by name and digest of
    its code, `captures` the values they read from outside.

    `places` tells where the functions stand, which matters to code that reports it: `prints` says that
    some function may print.
    """

    text: str
    functions: tuple[tuple[str, str], ...]
    captures: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    prints: bool

    def changed(self, since: Fingerprint) -> list[tuple[str, str, str]]:
        """What differs from an earlier fingerprint of the same kernel: name, value then, value now.

        The text is left out: the compiler knows better whether it still is that of the code.
        """
        before = dict(since.captures)
        found = [(name, before[name], now) for name, now in self.captures if before.get(name, now) != now]
        pairs = zip(since.functions, self.functions, strict=False)
        return found + [(now[0], "is one function", "is another") for then, now in pairs if then != now]


def fingerprint(function: Callable[..., Any]) -> Fingerprint:
    """The fingerprint of a kernel as it stands now."""
    walk = _Walk()
    for each in functions_of(function):
        walk.function(each)
    _feed(walk.text, getattr(function, "spelling", ""))
    captures = tuple(sorted(walk.captures.items()))
    return Fingerprint(
        walk.text.hexdigest(), tuple(walk.functions), captures, tuple(walk.places), walk.prints
    )


def use_of(function: Callable[..., Any], name: str) -> tuple[Span, str]:
    """Where a function first reads a name from outside, and that line; its own place if it never does."""
    for each in functions_of(function):
        for step in dis.get_instructions(each):
            at, code = step.positions, each.__code__
            if step.opname.startswith("LOAD_") and step.argval == name and at is not None and at.lineno:
                ends = at.end_lineno or 0, at.end_col_offset or 0
                span = Span(code.co_filename, at.lineno, at.col_offset or 0, *ends)
                return span, linecache.getline(code.co_filename, at.lineno).rstrip()
    code = functions_of(function)[0].__code__
    return Span(code.co_filename, code.co_firstlineno, 0, code.co_firstlineno, 0), ""


def key_of(kernel: Fingerprint, *parts: str, reports: bool = False) -> str:
    """The key of one specialisation: 64 hexadecimal digits over a fingerprint and what else matters.

    `reports` says that the code carries file and line numbers, so that moving the kernel makes another.
    """
    digest = hashlib.sha256()
    places = kernel.places if reports or kernel.prints else ()
    kernel_parts = kernel.text, repr(kernel.functions), repr(kernel.captures), repr(places)
    for part in (_SCHEME, toolchain(), *kernel_parts, *parts):
        _feed(digest, part)
    return digest.hexdigest()


@cache
def toolchain() -> str:
    """A digest of what makes the code: Gyral's compiler and CPU driver, and llvmlite, none of it imported.

    File sizes and times stand for contents, so that an edited checkout never meets code of another day.
    """
    digest = hashlib.sha256()
    root = os.path.dirname(os.path.dirname(__file__))
    for folder in ("compiler", "drivers", "core"):
        for path, size, changed in sorted(_files(os.path.join(root, folder))):
            _feed(digest, f"{path} {size} {changed}")
    llvmlite = find_spec("llvmlite")
    if llvmlite is not None and llvmlite.origin:
        for path, size, changed in sorted(_files(os.path.dirname(llvmlite.origin), deep=False)):
            _feed(digest, f"{path} {size} {changed}")
    return digest.hexdigest()


def _files(folder: str, *, deep: bool = True) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if deep and entry.name != "__pycache__":
                    yield from _files(entry.path)
            elif entry.name.endswith((".py", ".gyir")):
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns


def _feed(digest: Any, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    digest.update(len(data).to_bytes(8, "little"))
    digest.update(data)


class _Walk:
    """One pass over a kernel and what it reaches; each function once, in the order met."""

    def __init__(self) -> None:
        self.text = hashlib.sha256()
        self.functions: list[tuple[str, str]] = []
        self.captures: dict[str, str] = {}
        self.places: list[str] = []
        self.prints = False
        self._seen: set[int] = set()

    def function(self, function: Any) -> None:
        """Take in a function: text, bytecode, defaults, annotations and captures."""
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        order = len(self._seen)
        code: CodeType = function.__code__
        first, last = _lines(code)
        for line in linecache.getlines(code.co_filename)[first - 1 : last]:
            _feed(self.text, line)
        digest = hashlib.sha256()
        _feed_code(digest, code)
        _feed(digest, repr((function.__defaults__, function.__kwdefaults__)))
        number = len(self.functions)
        self.functions.append((function.__qualname__, ""))
        self.places.append(f"{code.co_filename}:{code.co_firstlineno}")
        self.prints = self.prints or "print" in code.co_names
        for name, value in sorted(_annotations(function).items()):
            _feed(digest, f"{name}: {self._describe(value, _names(code), 0)}")
        self.functions[number] = function.__qualname__, digest.hexdigest()
        for name, value in _captured(function, code):
            place = f"{function.__qualname__}.{name}" + (f" (function {order})" if order > 1 else "")
            self.captures[place] = self._describe(value, _names(code), 0)

    def _describe(self, value: Any, names: frozenset[str], depth: int) -> str:
        """A captured value in words that are equal exactly when code compiled from it is."""
        inner = getattr(value, "__gyral_func__", None) or getattr(value, "__gyral_kernel__", None)
        if isinstance(inner, FunctionType):
            self.function(inner)
            return f"function {inner.__module__}.{inner.__qualname__}"
        if type(value) is int:
            return f"int {value:x}"  # Python refuses to write out long integers in decimal
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, StructType):
            fields = ((n, self._describe(t, names, depth + 1)) for n, t in value.fields)
            return f"struct {value.name} {list(fields)}"
        if isinstance(value, _TYPES):
            return f"{type(value).__name__} {self._parts(value, names, depth)}"
        if value in (Array, In, Static) if isinstance(value, type) else False:
            return f"word {value.__name__}"
        if isinstance(value, tuple | list | frozenset | set) and depth < _DEPTH:
            inside = [self._describe(v, names, depth + 1) for v in value]
            ordered = inside if isinstance(value, tuple | list) else sorted(inside)
            return f"{type(value).__name__} ({', '.join(ordered)})"
        if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in _NAMED_ONLY:
            return f"module {value.__name__}"
        if isinstance(value, BuiltinFunctionType | type):
            return f"name {value.__module__}.{value.__qualname__}" + self._attributes(value, names, depth)
        if type(value).__module__.partition(".")[0] == "gyral":
            return f"{type(value).__qualname__} {getattr(value, 'name', repr(value))}"
        return f"{type(value).__module__}.{type(value).__qualname__}{self._attributes(value, names, depth)}"

    def _parts(self, value: Any, names: frozenset[str], depth: int) -> str:
        fields = (getattr(value, field) for field in value.__dataclass_fields__)
        return ", ".join(self._describe(field, names, depth + 1) for field in fields)

    def _attributes(self, value: Any, names: frozenset[str], depth: int) -> str:
        """The attributes a function may read of something it captured: those it names."""
        if depth >= _DEPTH:
            return ""
        held = getattr(value, "__dict__", {})
        slots = (s for s in getattr(type(value), "__slots__", ()) if isinstance(s, str) and hasattr(value, s))
        found = sorted((set(held) | set(slots) | set(getattr(type(value), "__dict__", {}))) & names)
        read = ((n, getattr(value, n, None)) for n in found)
        numeric = repr(value) if hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0 else ""
        return f"{numeric}{{{', '.join(f'{n}: {self._describe(v, names, depth + 1)}' for n, v in read)}}}"


def _feed_code(digest: Any, code: CodeType) -> None:
    _feed(digest, repr((code.co_name, code.co_varnames, code.co_names, code.co_freevars)))
    _feed(digest, f"{code.co_argcount} {code.co_kwonlyargcount} {code.co_flags} {code.co_code.hex()}")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed_code(digest, constant)
        else:
            shown = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            _feed(digest, f"{type(constant).__name__} {shown!r}")


def _annotations(function: Any) -> dict[str, Any]:
    try:
        return dict(function.__annotations__)
    except NameError:
        return {}


def _lines(code: CodeType) -> tuple[int, int]:
    """First and last source line of a function, decorators and nested functions included."""
    ends = [end for _, end, _, _ in code.co_positions() if end is not None]
    inner = [_lines(c)[1] for c in code.co_consts if isinstance(c, CodeType)]
    return code.co_firstlineno, max([code.co_firstlineno, *ends, *inner])


def _names(code: CodeType) -> frozenset[str]:
    inner = (_names(c) for c in code.co_consts if isinstance(c, CodeType))
    return frozenset(code.co_names).union(*inner)


def _captured(function: Any, code: CodeType) -> Iterator[tuple[str, Any]]:
    """What a function reads from outside: its closure, then the globals it names."""
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            yield name, None
    for name in sorted(_names(code)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
