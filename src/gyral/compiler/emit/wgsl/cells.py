"""Memory in WGSL: arrays of words, read and written by helper functions where a value is no word.

A helper names its memory, as WGSL passes no pointers into buffers. Keys: load8_M, load16_M, load64_M,
store8_M, store16_M, store64_M; rmw_<kind>_<dtype>_M with `kind` one of `atomic.rmw`, "cas", "load", "store".
"""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.emit.wgsl.scalars import converted, fitted, kept_as
from gyral.core.dtypes import BY_NAME, DType, bool_
from gyral.core.errors import InternalError

_NATIVE = {"add": "atomicAdd", "sub": "atomicSub", "min": "atomicMin", "max": "atomicMax"}
_NATIVE |= {"and": "atomicAnd", "or": "atomicOr", "xor": "atomicXor", "exchange": "atomicExchange"}


@dataclass(frozen=True, slots=True)
class Store:
    """Named memory. `word`: type of its elements, u32 for buffers. `bytes`: small values share words.

    `fours`: it is declared as vectors of four words.
    """

    name: str
    word: str
    atomic: bool
    bytes: bool
    fours: bool = False

    @property
    def type(self) -> str:
        """The type of an element as it is declared."""
        if self.fours:
            return f"vec4<{self.word}>"
        return f"atomic<{self.word}>" if self.atomic else self.word

    def four(self, at: str) -> str:
        """The vector that begins with an element."""
        return f"{self.name}[u32({at}) >> 2u]"

    def _plain(self, at: str) -> str:
        return f"{self.four(at)}[u32({at}) & 3u]" if self.fours else f"{self.name}[{at}]"

    def read(self, at: str) -> str:
        """An element."""
        return f"atomicLoad(&{self.name}[{at}])" if self.atomic else self._plain(at)

    def write(self, at: str, value: str) -> str:
        """Assign an element, as a statement."""
        if self.atomic:
            return f"atomicStore(&{self.name}[{at}], {value});"
        return f"{self._plain(at)} = {value};"


def from_word(t: DType, word: str, a: str) -> str:
    """A value from its bits in the low end of a word, whose other bits do not matter."""
    if t is bool_:
        return f"(({a} & 0xff{'i' if word == 'i32' else 'u'}) != 0{'i' if word == 'i32' else 'u'})"
    if t.bits == 16 and t.is_float:
        return f"({a} & 0xffffu)"
    kept = kept_as(t)
    return fitted(t, converted(word, kept, a))


def to_word(t: DType, word: str, a: str) -> str:
    """A value's bits as a word; those of small ones may go beyond their width."""
    if t is bool_:
        one, zero = ("1i", "0i") if word == "i32" else ("1u", "0u")
        return f"select({zero}, {one}, {a})"
    return converted(kept_as(t), word, a)


def define(store: Store, key: str) -> str:
    """The text of `gyral_<key>`."""
    word, *rest = key.split("_")
    if word == "rmw":
        kind, name = rest[0], rest[1]
        head, body = _rmw(store, kind, BY_NAME[name])
    elif word.startswith("load"):
        head, body = _load(store, int(word.removeprefix("load")))
    elif word.startswith("store"):
        head, body = _store(store, int(word.removeprefix("store")))
    else:
        raise InternalError(f"memory in WGSL has no helper function {key!r}")
    lines = "\n".join(f"  {line}" for line in body)
    return f"fn gyral_{key}{head} {{\n{lines}\n}}\n"


def _load(store: Store, bits: int) -> tuple[str, list[str]]:
    if bits == 64:
        return "(at: i32) -> vec2<u32>", [f"return vec2<u32>({store.read('at')}, {store.read('at + 1i')});"]
    return "(at: u32) -> u32", [f"return {store.read('at >> 2u')} >> ((at & 3u) * 8u);"]


def _store(store: Store, bits: int) -> tuple[str, list[str]]:
    """Small values by two atomic steps: others' bytes in the word stay right at each moment."""
    if bits == 64:
        return "(at: i32, value: vec2<u32>)", [
            store.write("at", "value.x"),
            store.write("at + 1i", "value.y"),
        ]
    return "(at: u32, value: u32)", [
        "let up = (at & 3u) * 8u;",
        f"atomicAnd(&{store.name}[at >> 2u], ~({(1 << bits) - 1}u << up));",
        f"atomicOr(&{store.name}[at >> 2u], (value & {(1 << bits) - 1}u) << up);",
    ]


def _rmw(store: Store, kind: str, t: DType) -> tuple[str, list[str]]:
    """Atomics by the language's own where it has them, else by loops of compare and exchange."""
    kept = kept_as(t)
    at = "at: u32" if store.bytes and t.bits < 32 else "at: i32"
    expected = f", e: {kept}" if kind == "cas" else ""
    value = "" if kind == "load" else f", v: {kept}"
    result = "" if kind == "store" else f" -> {kept}"
    head = f"({at}{expected}{value}){result}"
    if t.bits == 64:
        return head, _wide(store, kind)
    if store.bytes and t.bits < 32:
        return head, _loop(store, kind, t, "at >> 2u", "((at & 3u) * 8u)")
    given = to_word(t, store.word, "v")
    if kind == "load":
        return head, [f"return {from_word(t, store.word, store.read('at'))};"]
    if kind == "store":
        return head, [store.write("at", given)]
    if _has_native(store, kind, t):
        return head, [f"return {from_word(t, store.word, f'{_NATIVE[kind]}(&{store.name}[at], {given})')};"]
    return head, _loop(store, kind, t, "at", "")


def _has_native(store: Store, kind: str, t: DType) -> bool:
    """Whether the language's own atomic does it on the word as it is declared."""
    if kind == "cas" or t.bits != 32:
        return False
    if kind == "exchange" or kept_as(t) == store.word:
        return True
    return t.is_integer and kind not in ("min", "max")


def _wide(store: Store, kind: str) -> list[str]:
    """64 bits, low word first: sums whose old value nobody asks for, the carry added behind."""
    if kind == "add":
        return [
            f"let low = atomicAdd(&{store.name}[at], v.x);",
            f"atomicAdd(&{store.name}[at + 1i], v.y + select(0u, 1u, low + v.x < low));",
            "return v;",
        ]
    if kind == "sub":
        return [
            f"let low = atomicSub(&{store.name}[at], v.x);",
            f"atomicSub(&{store.name}[at + 1i], v.y + select(0u, 1u, low < v.x));",
            "return v;",
        ]
    raise InternalError(f"an atomic {kind} on 64 bits should have been refused for WGSL")


def _loop(store: Store, kind: str, t: DType, at: str, up: str) -> list[str]:
    """Compare and exchange until nobody came between; `up`: where a value begins in its word."""
    place = f"&{store.name}[{at}]"
    was = from_word(t, store.word, f"(old >> {up})" if up else "old")
    bits = to_word(t, store.word, "now")
    if t.bits < 32 and up:
        mask = f"({(1 << max(8, t.bits)) - 1}u << {up})"
        bits = f"(old & ~{mask}) | (({bits} << {up}) & {mask})"
    lines = [f"var was: {kept_as(t)};", f"var old = atomicLoad({place});", "loop {"]
    lines += [f"  was = {was};"]
    if kind == "cas":
        same = "(bitcast<u32>(was) != bitcast<u32>(e))" if kept_as(t) == "f32" else "(was != e)"
        lines += [f"  if {same} {{ break; }}", "  let now = v;"]
    else:
        lines += [f"  let now = {_combined(kind, t)};"]
    lines += [
        f"  let seen = atomicCompareExchangeWeak({place}, old, {bits});",
        "  if (seen.exchanged) { break; }",
        "  old = seen.old_value;",
        "}",
    ]
    return lines if kind == "store" else [*lines, "return was;"]


def _combined(kind: str, t: DType) -> str:
    """What `kind` makes of `was` and `v`."""
    if kind in ("exchange", "store"):
        return "v"
    if kind == "load":
        return "was"
    short = t.bits == 16 and t.is_float
    a, b = (f"gyral_widen_{t.name}({x})" if short else x for x in ("was", "v"))
    if kind in ("min", "max"):
        return f"select(was, v, {b} {'<' if kind == 'min' else '>'} {a})"
    sign = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}[kind]
    if t is bool_:
        return {"&": "was && v", "|": "was || v", "^": "was != v"}[sign]
    if short:
        return f"gyral_narrow_{t.name}({a} {sign} {b})"
    return fitted(t, f"({a} {sign} {b})")
