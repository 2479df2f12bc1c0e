"""From a Python function to the syntax tree of the text it was compiled from."""

from __future__ import annotations
import __future__

import ast
import linecache
import re
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

from gyral.compiler.frontend import codes
from gyral.core.errors import CompileError, Diagnostic
from gyral.core.span import Span

FUTURE_FLAGS = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
DEFINITION = re.compile(r"\s*(async\s+def|def)\b")


class Source:
    """One function's text: its tree with true line numbers, and spans for diagnostics."""

    __slots__ = ("file", "lines", "name", "tree")

    def __init__(self, name: str, file: str, lines: list[str], tree: ast.FunctionDef) -> None:
        self.name = name
        self.file = file
        self.lines = lines
        self.tree = tree

    def span(self, node: ast.AST) -> Span:
        """Where a node stands, columns counted in characters."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        end_line, end_column = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", column)
        if not self.line(line).isascii():
            column = len(self.line(line).encode()[:column].decode(errors="ignore"))
        if not self.line(end_line).isascii():
            end_column = len(self.line(end_line).encode()[:end_column].decode(errors="ignore"))
        return Span(self.file, line, column, end_line, end_column)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        return self.lines[number - 1].rstrip("\n") if 0 < number <= len(self.lines) else ""

    def diagnostic(self, code: codes.Code, node: ast.AST, **fields: Any) -> Diagnostic:
        """A finding at a node."""
        span = self.span(node)
        return Diagnostic(
            code.code, code.message.format(**fields), code.advice.format(**fields), span, self.line(span.line)
        )


def source_of(fn: Callable[..., Any], methods: bool = False) -> Source:
    """The source of a plain function; CompileError where it cannot be had or is not what Python runs.

    `methods`: it may be a method of a class.
    """
    if not isinstance(fn, FunctionType):
        _refuse(fn, codes.NOT_A_FUNCTION, what=f"{type(fn).__name__} {getattr(fn, '__name__', fn)!r}")
    code = fn.__code__
    if code.co_name == "<lambda>":
        _refuse(fn, codes.NOT_A_FUNCTION, what="a lambda")
    owner, _, _ = fn.__qualname__.rpartition(".")
    if (
        not methods
        and owner
        and not owner.endswith("<locals>")
        and code.co_varnames[:1] in (("self",), ("cls",))
    ):
        _refuse(fn, codes.NOT_A_FUNCTION, what=f"the method {fn.__qualname__}")
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    if not lines:
        why, advice = _missing(code.co_filename)
        _refuse(fn, codes.NO_SOURCE, name=fn.__name__, why=why, advice=advice)
    tree = _matching(fn, lines)
    if tree is None:
        linecache.checkcache(code.co_filename)
        lines = linecache.getlines(code.co_filename, fn.__globals__)
        tree = _matching(fn, lines)
    if tree is None:
        _refuse(fn, codes.SOURCE_CHANGED, name=fn.__name__, file=code.co_filename)
    return Source(fn.__name__, code.co_filename, lines, tree)


def _missing(file: str) -> tuple[str, str]:
    if file == "<stdin>":
        return (
            "the interactive prompt of this Python keeps no text",
            "put the function into a file, or use IPython, a notebook or Python 3.13",
        )
    if file == "<string>" or file.startswith("<"):
        return (
            f"it was made by exec or eval from text that Python did not keep ({file})",
            "register the text with `linecache.cache[name] = (len(text), None, text.splitlines(True), name)` "
            "and compile it under that name",
        )
    return f"{file} cannot be read", "ship the .py file along with the program"


def _refuse(fn: Callable[..., Any], code: codes.Code, **fields: Any) -> NoReturn:
    made = getattr(fn, "__code__", None)
    file, line = (made.co_filename, made.co_firstlineno) if made is not None else ("<unknown>", 0)
    text = linecache.getline(file, line).rstrip("\n")
    start = len(text) - len(text.lstrip())
    span = Span(file, line, start, line, len(text))
    raise CompileError(
        Diagnostic(code.code, code.message.format(**fields), code.advice.format(**fields), span, text)
    )


def _matching(fn: FunctionType, lines: list[str]) -> ast.FunctionDef | None:
    """The definition that starts at the function's first line and compiles to its code, else None."""
    code = fn.__code__
    first = code.co_firstlineno
    for text in _candidates(lines, first):
        above = "\n" * (first - 2) + "if 1:\n" if text[:1] in " \t" else "\n" * (first - 1)
        try:
            module = ast.parse(above + text)
        except (SyntaxError, ValueError):
            continue
        body = module.body[0].body if isinstance(module.body[0], ast.If) else module.body  # the wrapper above
        found = body[0] if body else None
        if isinstance(found, ast.AsyncFunctionDef):
            _refuse(fn, codes.NOT_A_FUNCTION, what=f"the async function {fn.__name__}")
        if not isinstance(found, ast.FunctionDef) or found.name != code.co_name:
            return None
        if not _same(fn, found):
            return None
        return found
    return None


def _candidates(lines: list[str], first: int) -> Iterator[str]:
    """Texts that may be the whole definition, shortest first: it ends where the indentation comes back."""
    start = first - 1
    if start >= len(lines):
        return
    base = len(lines[start]) - len(lines[start].lstrip())
    inside = False
    for number in range(start, len(lines)):
        line = lines[number]
        bare = line.strip()
        outside = bare and not bare.startswith("#") and len(line) - len(line.lstrip()) <= base
        if inside and outside:
            yield "".join(lines[start:number])
        inside = inside or DEFINITION.match(line) is not None
    yield "".join(lines[start:])


def _same(fn: FunctionType, tree: ast.FunctionDef) -> bool:
    """Whether the text compiles to the code that Python runs."""
    code = fn.__code__
    if any(name.startswith("@") for name in code.co_varnames):
        return True  # rewritten on import, as pytest does with assert: its code cannot be compared
    plain = ast.FunctionDef(
        name=tree.name, args=tree.args, body=tree.body, decorator_list=[], returns=None, type_comment=None,
        lineno=1, col_offset=0, end_lineno=1, end_col_offset=0,
    )  # fmt: skip
    if "type_params" in ast.FunctionDef._fields:  # Python 3.12 and later
        setattr(plain, "type_params", [])  # noqa: B010
    modules = [n for n in code.co_names if isinstance(fn.__globals__.get(n), ModuleType)]
    return any(_compiles_to(plain, code, imported) for imported in ((modules, []) if modules else ([],)))


def _compiles_to(plain: ast.FunctionDef, code: CodeType, imported: list[str]) -> bool:
    """Whether a definition compiles to `code` where these names were imported by its module.

    CPython calls attributes of imported names in another way than methods of other names.
    """
    at: dict[str, Any] = {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
    cells: list[ast.expr] = [ast.Name(name, ast.Store(), **at) for name in code.co_freevars]
    binding: list[ast.stmt] = []
    if cells:
        binding.append(ast.Assign(cells, ast.Constant(None, **at), **at))
    if plain.name not in code.co_freevars:  # a name of its module, also where it calls itself
        binding.append(ast.Global([plain.name], **at))
    outer = ast.parse("def outer(): pass")
    setattr(outer.body[0], "body", [*binding, plain])  # noqa: B010
    if imported:
        outer.body.insert(0, ast.Import([ast.alias(name, **at) for name in imported], **at))
    try:
        made = compile(outer, "<compare>", "exec", code.co_flags & FUTURE_FLAGS, True)
    except (SyntaxError, ValueError):
        return False
    except RecursionError:  # too deep to compare; lowering refuses it
        return True
    wrapper = next(_nested(made))
    mine = next((c for c in _nested(wrapper) if c.co_name == code.co_name), None)
    return mine is not None and _equal(mine, code)


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _equal(mine: CodeType, theirs: CodeType) -> bool:
    return (
        mine.co_code == theirs.co_code
        and mine.co_names == theirs.co_names
        and mine.co_varnames == theirs.co_varnames
        and len(mine.co_consts) == len(theirs.co_consts)
        and all(map(_equal_constants, mine.co_consts, theirs.co_consts))
    )


def _equal_constants(mine: object, theirs: object) -> bool:
    if isinstance(mine, CodeType):
        return isinstance(theirs, CodeType) and _equal(mine, theirs)
    if isinstance(mine, str) and isinstance(theirs, str):
        return True if mine == theirs else "<locals>" in theirs or "\n" in theirs
    return type(mine) is type(theirs) and repr(mine) == repr(theirs)
