"""Read the text form of `printer` back. Text may come from anywhere: a fault is a UserError with its line."""

from __future__ import annotations

import json
import re
import struct
from typing import Any, NoReturn

from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops import (
    arith,
    atomic,
    cast,
    control,
    grid,
    math,
    memory,
    message,
    subgroup,
)
from gyral.compiler.ir.types import MemType, Type
from gyral.compiler.ir.verify import OpCheck, check
from gyral.core.dtypes import BY_NAME, ArrayType, ElementType, StructType, Vec
from gyral.core.errors import UserError

DECLARING = (arith, atomic, cast, control, grid, math, memory, message, subgroup)  # all ops text may name
MAX_DEPTH = 100  # regions, types and tuples inside one another

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:#![^\n]*\n[ \t\r\n]*)*(?:"
    r"(?P<value>%[A-Za-z0-9_.]+(?:\#[0-9]+)?)"
    r"|(?P<float>-?0x[01](?:\.[0-9a-f]+)?p[+-][0-9]{1,5}|-?inf\b|nan(?:<0x[0-9a-f]{1,16}>)?(?![A-Za-z0-9_]))"
    r"|(?P<int>-?(?:[0-9]{1,40})(?![0-9A-Za-z_.]))"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|[0-9]{1,10}(?:x[0-9]{1,10})+)"
    r'|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<mark>[{}()<>,:=])"
    r"|(?P<end>\Z))"
)


def parse_module(text: str, extra: OpCheck | None = None) -> Module:
    """A checked module of all functions in `text`; `extra` as in `verify.verify`."""
    parser = _Parser(text)
    module = Module()
    while parser.kind != "end":
        function = parser.op({}, 0)
        if function.name != "control.func" or not isinstance(function.attributes.get("symbol"), str):
            parser.fail("a module holds functions alone")
        if function.attributes["symbol"] in module.functions:
            parser.fail(f"function {function.attributes['symbol']!r} stands here twice")
        module.add(function)
    try:
        check(module, extra)
    except ValueError as fault:
        raise UserError(f"IR text: {fault}. Correct the text.") from fault
    return module


def parse_function(text: str) -> Op:
    """The one function in `text`, unchecked: for text that a build checked, such as the stdlib's."""
    return _Parser(text).op({}, 0)


class _Parser:
    """A token of look-ahead over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.start = 0
        self.kind = ""
        self.token = ""
        self.advance()

    def fail(self, what: str) -> NoReturn:
        line = self.text.count("\n", 0, self.start) + 1
        raise UserError(f"IR text, line {line}: {what}. Correct the text.")

    def advance(self) -> str:
        """Take the current token and look at the next."""
        taken = self.token
        found = _TOKEN.match(self.text, self.at)
        if found is None or found.lastgroup is None:
            self.start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
            self.fail(f"{self.text[self.start : self.start + 12]!r} is no token")
        self.kind = found.lastgroup
        self.token = found.group(self.kind)
        self.start, self.at = found.start(self.kind), found.end()
        return taken

    def here(self) -> str:
        return f"where {self.token[:40]!r} is" if self.kind != "end" else "where the text ends"

    def expect(self, token: str) -> None:
        if self.token != token or self.kind == "string":
            self.fail(f"{token!r} should stand {self.here()}")
        self.advance()

    def accept(self, token: str) -> bool:
        if self.token == token and self.kind != "string":
            self.advance()
            return True
        return False

    def take(self, kind: str, what: str) -> str:
        if self.kind != kind:
            self.fail(f"{what} should stand {self.here()}")
        return self.advance()

    def op(self, scope: dict[str, Value], depth: int) -> Op:
        first = self.start
        names: list[str] = []
        if self.kind == "value":
            names.append(self.advance())
            while self.accept(","):
                names.append(self.take("value", "a value"))
            self.expect("=")
        start = self.start
        kind = Operation.registry.get(self.take("word", "an op's name"))
        if kind is None:
            self.start = start
            self.fail("no op has this name")
        operands: list[Value] = []
        if self.kind == "value" and "\n" not in self.text[start : self.start]:  # else the next op's result
            operands.append(self.use(scope))
            while self.accept(","):
                operands.append(self.use(scope))
        attributes = self.attributes() if self.token == "{" and self.attributes_follow() else {}
        types = self.types(len(names)) if names else []
        regions: list[Block] = []
        while self.region_follows():
            regions.append(self.block(dict(scope), depth + 1))
        op = kind(operands, types, attributes, regions)
        for name, value in zip(names, op.results, strict=True):
            self.define(scope, name, value, first)
        return op

    def region_follows(self) -> bool:
        return self.kind == "mark" and self.token in "({"

    def attributes_follow(self) -> bool:
        """Tell `{key = ...}` from a region: after a word stands `=`; no op's name is followed by it."""
        return _ATTRIBUTE_HEAD.match(self.text, self.start) is not None

    def use(self, scope: dict[str, Value]) -> Value:
        start, name = self.start, self.take("value", "a value")
        if name not in scope:
            self.start = start
            self.fail(f"{name} is not defined here")
        return scope[name]

    def define(self, scope: dict[str, Value], name: str, value: Value, at: int) -> None:
        if name in scope:
            self.start = at
            self.fail(f"{name} is defined twice")
        scope[name] = value
        bare = name[1:].partition("#")[0]
        value.hint = "" if bare.isdigit() else bare

    def types(self, count: int) -> list[Type]:
        start = self.start
        self.expect(":")
        found = [self.type(0)]
        while self.accept(","):
            found.append(self.type(0))
        if len(found) != count:
            self.start = start
            self.fail(f"{count} results have {len(found)} types")
        return found

    def block(self, scope: dict[str, Value], depth: int) -> Block:
        if depth > MAX_DEPTH:
            self.fail(f"regions are nested deeper than {MAX_DEPTH}")
        block = Block()
        if self.accept("("):
            while not self.accept(")"):
                if block.args:
                    self.expect(",")
                start, name = self.start, self.take("value", "an argument")
                self.expect(":")
                self.define(scope, name, block.add_arg(self.type(0)), start)
        self.expect("{")
        while not self.accept("}"):
            block.append(self.op(scope, depth))
        return block

    def attributes(self) -> dict[str, Any]:
        self.expect("{")
        found: dict[str, Any] = {}
        while True:
            key = self.take("word", "an attribute's name")
            if key in found:
                self.fail(f"attribute {key!r} stands here twice")
            self.expect("=")
            found[key] = self.attribute(0)
            if self.accept("}"):
                return found
            self.expect(",")

    def attribute(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self.fail(f"tuples are nested deeper than {MAX_DEPTH}")
        match self.kind:
            case "int":
                return int(self.advance())
            case "float":
                return self.float()
            case "string":
                return self.string()
            case "word" if self.token in ("true", "false"):
                return self.advance() == "true"
            case "mark" if self.token == "(":
                self.advance()
                found: list[Any] = []
                while not self.accept(")"):
                    if found:
                        self.expect(",")
                    found.append(self.attribute(depth + 1))
                return tuple(found)
        return self.type(0)

    def float(self) -> float:
        text = self.advance()
        if text.startswith("nan<"):
            return struct.unpack("<d", int(text[4:-1], 16).to_bytes(8, "little"))[0]
        try:
            return float.fromhex(text)
        except OverflowError:
            self.fail(f"{text} is no f64")

    def string(self) -> str:
        text = self.take("string", "a string")
        try:
            return json.loads(text)
        except ValueError:
            self.fail(f"{text[:20]} is no JSON string")

    def type(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self.fail(f"types are nested deeper than {MAX_DEPTH}")
        start, word = self.start, self.take("word", "a type")
        plain = _PLAIN_TYPES.get(word)
        if plain is not None:
            return plain
        match word:
            case "array":
                return self.array(depth)
            case "shared" | "local":
                return self.memory(word, depth)
            case "struct":
                return self.struct(depth)
        self.start = start
        self.fail(f"{word!r} is no type")

    def element(self, depth: int) -> ElementType:
        t = self.type(depth + 1)
        if isinstance(t, (ArrayType, MemType)):
            self.fail("memory cannot hold memory")
        return t

    def array(self, depth: int) -> ArrayType:
        self.expect("<")
        elem = self.element(depth)
        self.expect(",")
        rank = int(self.take("int", "a rank"))
        if not 1 <= rank <= 4:
            self.fail("an array has rank 1 to 4")
        readonly = self.accept(",")
        if readonly:
            self.expect("readonly")
        self.expect(">")
        return ArrayType(elem, rank, readonly)

    def memory(self, space: Any, depth: int) -> MemType:
        self.expect("<")
        elem = self.element(depth)
        self.expect(",")
        if self.kind not in ("int", "word"):
            self.fail("a shape such as 16x16 should stand here")
        word = self.advance()
        try:
            shape = () if word == "scalar" else tuple(map(int, word.split("x")))
        except ValueError:
            self.fail(f"{word!r} is no shape")
        self.expect(">")
        return MemType(elem, shape, space)

    def struct(self, depth: int) -> StructType:
        self.expect("<")
        name = self.string()
        fields: list[tuple[str, ElementType]] = []
        while self.accept(","):
            key = self.string()
            self.expect(":")
            fields.append((key, self.element(depth)))
        self.expect(">")
        if not fields or len({key for key, _ in fields}) != len(fields):
            self.fail(f"struct {name!r} needs fields with names of their own")
        return StructType(name, tuple(fields))


_ATTRIBUTE_HEAD = re.compile(r"\{\s*[A-Za-z_]\w*\s*=(?!=)")
_PLAIN_TYPES: dict[str, Any] = {
    **BY_NAME,
    **{f"{name}x{n}": Vec(t, n) for name, t in BY_NAME.items() for n in (2, 3, 4)},
}
