"""Atomics in C as helper functions: the language's own where it has them, else loops of compare and exchange.

Keys: rmw_<kind>_<dtype>_<space>, with "_cell" at the end where a small value has a 32-bit word of its own.
"""

from __future__ import annotations

from typing import Protocol

from gyral.compiler.emit.cfamily.prelude import C
from gyral.core.dtypes import BY_NAME, DType, bool_, u8, u16, u32, u64


class Dialect(C, Protocol):
    """What the loops need of a dialect besides."""

    def helper(self, key: str) -> str:
        """The name of a helper function."""
        ...

    def wrapping(self, sign: str, t: DType, a: str, b: str) -> str:
        """Integer arithmetic."""
        ...

    def bits(self, source: DType, target: DType, a: str) -> str:
        """The same bits as another type."""
        ...

    def guess(self, t: DType, pointer: str, space: str) -> str:
        """What stands at a pointer, perhaps."""
        ...


def define(d: Dialect, key: str) -> str:
    """The text of `gyral_<key>`."""
    _, kind, name, space, *cell = key.split("_")
    t = BY_NAME[name]
    q = d.spaces[space]
    stored = "u32" if cell else "u8" if t is bool_ else name
    result = "void" if kind == "store" else name
    parameters = f"{q}{stored} *p" + ("" if kind == "load" else f", {name} v")
    if kind == "cas":
        parameters = f"{q}{stored} *p, {name} e, {name} v"
    lines = _native(d, kind, t, space) if t.bits >= 32 else []
    if not lines:
        lines = _word_loop(d, kind, t, space) if t.bits >= 32 else _small_loop(d, kind, t, space, bool(cell))
    body = "\n".join(f"  {line}" for line in lines)
    return f"{d.function}{result} gyral_{key}({parameters}) {{\n{body}\n}}\n"


def _native(d: Dialect, kind: str, t: DType, space: str) -> list[str]:
    if kind == "cas":
        if t not in (u32, u64):
            return []
        return [f"return {d.atomic_native(kind, t, space).format(p='p', e='e', v='v')};"]
    text = d.atomic_native(kind, t, space)
    if not text:
        return []
    return [f"{text.format(p='p', v='v')};" if kind == "store" else f"return {text.format(p='p', v='v')};"]


def _word_loop(d: Dialect, kind: str, t: DType, space: str) -> list[str]:
    """On 32- and 64-bit values, by the bits."""
    u = u64 if t.bits == 64 else u32
    q = d.spaces[space]
    compare = d.atomic_native("cas", u, space)
    to, was = (lambda a: d.bits(t, u, a)), d.bits(u, t, "old")
    head = f"{q}{u.name} *w = ({q}{u.name} *)p;"
    if kind == "load":
        zero = d.literal(u, 0)
        return [head, f"const {u.name} old = {compare.format(p='w', e=zero, v=zero)};", f"return {was};"]
    if kind == "cas":
        found = compare.format(p="w", e=to("e"), v=to("v"))
        return [head, f"const {u.name} old = {found};", f"return {was};"]
    return [
        head,
        f"{u.name} old = {d.guess(u, 'w', space)};",
        "for (;;) {",
        f"  const {t.name} was = {was};",
        f"  const {t.name} now = {combined(d, kind, t)};",
        f"  const {u.name} seen = {compare.format(p='w', e='old', v=to('now'))};",
        f"  if (seen == old) return{'' if kind == 'store' else ' was'};",
        "  old = seen;",
        "}",
    ]


def _small_loop(d: Dialect, kind: str, t: DType, space: str, cell: bool) -> list[str]:
    """On 8 and 16 bits, through the 32-bit word around them."""
    q = d.spaces[space]
    size = max(8, t.bits)
    u = u8 if size == 8 else u16
    mask = f"{(1 << size) - 1}u"
    compare = d.atomic_native("cas", u32, space)
    if cell:
        head = [f"{q}u32 *w = p;", "const u32 s = 0u;"]
    else:
        head = [
            f"{q}u32 *w = ({q}u32 *)((size_t)p & ~(size_t)3);",
            "const u32 s = ((u32)(size_t)p & 3u) * 8u;",
        ]
    small = f"({u.name})(old >> s)"
    was = f"{small} != 0" if t is bool_ else small if t.is_float else f"({t.name}){small}"
    now = {"load": "was", "cas": f"{_same(d, t)} ? v : was"}.get(kind) or combined(d, kind, t)
    return [
        *head,
        f"u32 old = {d.guess(u32, 'w', space)};",
        "for (;;) {",
        f"  const {t.name} was = {was};",
        f"  const {t.name} now = {now};",
        f"  const u32 next = (old & ~({mask} << s)) | (((u32)now & {mask}) << s);",
        f"  const u32 seen = {compare.format(p='w', e='old', v='next')};",
        f"  if (seen == old) return{'' if kind == 'store' else ' was'};",
        "  old = seen;",
        "}",
    ]


def _same(d: Dialect, t: DType) -> str:
    return "was == e"


def combined(d: Dialect, kind: str, t: DType) -> str:
    """What `kind` makes of `was` and `v`."""
    if kind in ("exchange", "store"):
        return "v"
    if t.bits == 16 and t.is_float:
        wide, back = d.helper(f"widen_{t.name}"), d.helper(f"narrow_{t.name}")
        if kind in ("add", "sub"):
            return f"{back}({wide}(was) {'+' if kind == 'add' else '-'} {wide}(v))"
        return f"{wide}(v) {'<' if kind == 'min' else '>'} {wide}(was) ? v : was"
    if kind in ("min", "max"):
        return f"v {'<' if kind == 'min' else '>'} was ? v : was"
    sign = {"add": "+", "sub": "-", "and": "&", "or": "|", "xor": "^"}[kind]
    if kind in ("add", "sub"):
        return f"was {sign} v" if t.is_float else d.wrapping(sign, t, "was", "v")
    return f"(was {sign} v) != 0" if t is bool_ else f"({t.name})(was {sign} v)"
