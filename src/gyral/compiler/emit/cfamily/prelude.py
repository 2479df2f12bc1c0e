"""Helper functions in C, one template per key; our own names for types make them read alike in every C.

Keys: floordiv_T mod_T trips_T rotl_T rotr_T bitreverse_T ctz_T, truncate_F_T (float to integer),
narrow_H and widen_H (f32 to f16 or bf16 and back), claim_fault and claim_print.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from gyral.core.abi import ENTRY_WORDS, FAULT_ROOM, FAULTS, LOWEST, PRINT_ROOM, PRINTS, RECORD_HEADER
from gyral.core.dtypes import BY_NAME, DType, f32, u32
from gyral.core.errors import InternalError


class C(Protocol):
    """What the templates need of a dialect."""

    function: ClassVar[str]
    spaces: ClassVar[dict[str, str]]

    def literal(self, t: DType, value: bool | int | float) -> str:
        """A constant."""
        ...

    def as_bits(self, t: DType, a: str) -> str:
        """Bits of a float."""
        ...

    def from_bits(self, t: DType, a: str) -> str:
        """A float of bits."""
        ...

    def atomic_native(self, kind: str, t: DType, space: str) -> str:
        """An atomic's template."""
        ...


def define(d: C, key: str) -> str:
    """The text of the helper `gyral_<key>`."""
    word, *rest = key.split("_")
    if word not in _TEMPLATES:
        raise InternalError(f"no helper function is called {key!r}")
    result, parameters, body = _TEMPLATES[word](d, *rest)
    lines = "\n".join(f"  {line}" for line in body.strip().splitlines())
    return f"{d.function}{result} gyral_{key}({parameters}) {{\n{lines}\n}}\n"


def _wide(t: DType) -> str:
    return "u64" if t.bits == 64 else "u32"


def _floordiv(d: C, name: str) -> tuple[str, str, str]:
    t = BY_NAME[name]
    head = (name, f"{name} a, {name} b")
    if not t.is_signed:
        return *head, f"return b == 0 ? ({name})0 : ({name})(a / b);"
    return (
        *head,
        f"""
if (b == 0) return ({name})0;
if (b == -1) return ({name})(({_wide(t)})0 - ({_wide(t)})a);
const {name} q = ({name})(a / b);
return ({name})(q - (({name})(a - q * b) != 0 && ((a < 0) != (b < 0)) ? 1 : 0));""",
    )


def _mod(d: C, name: str) -> tuple[str, str, str]:
    t = BY_NAME[name]
    head = (name, f"{name} a, {name} b")
    if not t.is_signed:
        return *head, f"return b == 0 ? a : ({name})(a % b);"
    return (
        *head,
        f"""
if (b == 0) return a;
if (b == -1) return ({name})0;
const {name} r = ({name})(a % b);
return r != 0 && ((r < 0) != (b < 0)) ? ({name})(r + b) : r;""",
    )


def _trips(d: C, name: str) -> tuple[str, str, str]:
    """Turns of range(lower, upper, step), exact for every range of the type; 0 for step 0."""
    t = BY_NAME[name]
    wide = _wide(t)
    rising = f"return ({wide})(({wide})upper - ({wide})lower - 1u) / ({wide})step + 1u;"
    falling = f"return ({wide})(({wide})lower - ({wide})upper - 1u) / ({wide})(0u - ({wide})step) + 1u;"
    body = f"if (step > 0 && lower < upper) {rising}\n"
    if t.is_signed:
        body += f"if (step < 0 && lower > upper) {falling}\n"
    return wide, f"{name} lower, {name} upper, {name} step", f"{body}return 0u;"


def _rotate(left: bool) -> Callable[[C, str], tuple[str, str, str]]:
    def template(d: C, name: str) -> tuple[str, str, str]:
        t = BY_NAME[name]
        word = f"u{t.bits}"
        there, back = ("<<", ">>") if left else (">>", "<<")
        return (
            name,
            f"{name} a, {name} n",
            f"""
const {word} x = ({word})a;
const u32 k = (u32)n & {t.bits - 1}u;
return ({name})({word})((x {there} k) | (x {back} (({t.bits}u - k) & {t.bits - 1}u)));""",
        )

    return template


def _bitreverse(d: C, name: str) -> tuple[str, str, str]:
    t = BY_NAME[name]
    word = _wide(t)
    lines = [f"{word} x = ({word})(u{t.bits})a;"]
    step = t.bits // 2
    while step:
        mask = sum(((1 << step) - 1) << at for at in range(0, t.bits, 2 * step))
        m = d.literal(BY_NAME[word], mask)
        lines.append(f"x = ((x >> {step}) & {m}) | ((x & {m}) << {step});")
        step //= 2
    return name, f"{name} a", "\n".join([*lines, f"return ({name})(u{t.bits})x;"])


def _truncate(d: C, source: str, name: str) -> tuple[str, str, str]:
    """Toward zero, saturating, NaN to 0. The bounds are exact powers of two, or lie inside them."""
    s, t = BY_NAME[source], BY_NAME[name]
    low, high = t.bounds()
    least = d.literal(s, float(low))
    beyond = d.literal(s, float(high + 1))
    return (
        name,
        f"{source} a",
        f"""
if (!(a > {least})) return a != a ? ({name})0 : {d.literal(t, low)};
return a >= {beyond} ? {d.literal(t, high)} : ({name})a;""",
    )


def _narrow(d: C, name: str) -> tuple[str, str, str]:
    """f32 to the bits of a 16-bit float, to nearest even; a NaN stays one."""
    bits = d.as_bits(f32, "a")
    if name == "bf16":
        return (
            "u16",
            "f32 a",
            f"""
const u32 b = {bits};
if ((b & 0x7fffffffu) > 0x7f800000u) return (u16)((b >> 16) | 64u);
return (u16)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);""",
        )
    return (
        "u16",
        "f32 a",
        f"""
const u32 b = {bits};
const u32 sign = (b >> 16) & 0x8000u;
const u32 m = b & 0x7fffffffu;
if (m > 0x7f800000u) return (u16)(sign | 0x7e00u | ((m >> 13) & 0x3ffu));
if (m >= 0x47800000u) return (u16)(sign | 0x7c00u);
if (m >= 0x38800000u) return (u16)(sign | ((m + 0xfffu + ((m >> 13) & 1u) - 0x38000000u) >> 13));
if (m < 0x33000000u) return (u16)sign;
const u32 full = (m & 0x7fffffu) | 0x800000u;
const u32 drop = 126u - (m >> 23);
const u32 kept = full >> drop;
const u32 rest = full & ((1u << drop) - 1u);
const u32 half_way = 1u << (drop - 1u);
return (u16)(sign | (kept + (rest > half_way || (rest == half_way && (kept & 1u) != 0u) ? 1u : 0u)));""",
    )


def _widen(d: C, name: str) -> tuple[str, str, str]:
    """The bits of a 16-bit float to f32, exact."""
    if name == "bf16":
        return "f32", "u16 a", f"return {d.from_bits(f32, '((u32)a << 16)')};"
    shifted = d.from_bits(f32, "(sign | (m << 13))")
    special = d.from_bits(f32, "(sign | 0x7f800000u | ((m & 0x3ffu) << 13))")
    normal = d.from_bits(f32, "(sign | ((m << 13) + 0x38000000u))")
    least = d.literal(f32, 2.0**-24)
    return (
        "f32",
        "u16 a",
        f"""
const u32 sign = ((u32)a & 0x8000u) << 16;
const u32 m = (u32)a & 0x7fffu;
if (m >= 0x7c00u) return {special};
if (m >= 0x400u) return {normal};
if (m == 0u) return {shifted};
const f32 tiny = (f32)m * {least};
return sign != 0u ? -tiny : tiny;""",
    )


def _ctz(d: C, name: str) -> tuple[str, str, str]:
    """By the position of the lowest bit in a de Bruijn-free way: halves, from wide to narrow."""
    t = BY_NAME[name]
    word = _wide(t)
    lines = [f"{word} x = ({word})(u{t.bits})a;", f"if (x == 0u) return ({name}){t.bits};", "u32 n = 0u;"]
    step = t.bits // 2
    while step:
        m = d.literal(BY_NAME[word], (1 << step) - 1)
        lines.append(f"if ((x & {m}) == 0u) {{ n += {step}u; x >>= {step}; }}")
        step //= 2
    return name, f"{name} a", "\n".join([*lines, f"return ({name})n;"])


def _claim(d: C, kind: str) -> tuple[str, str, str]:
    """See `core.abi`: the lowest failing thread writes; prints go on until there is no room."""
    q = d.spaces["global"]

    def call(op: str, at: int, value: str) -> str:
        return d.atomic_native(op, u32, "global").format(p=f"&r[{at}]", v=value)

    if kind == "fault":
        body = f"""
const u32 lowest = {call("min", LOWEST, "t")};
if (t >= lowest) return 0u;
const u32 k = {call("add", FAULTS, "1u")};
return k < r[{FAULT_ROOM}] ? {RECORD_HEADER}u + k * r[{ENTRY_WORDS}] : 0u;"""
    else:
        body = f"""
const u32 k = {call("add", PRINTS, "1u")};
return k < r[{PRINT_ROOM}] ? {RECORD_HEADER}u + (r[{FAULT_ROOM}] + k) * r[{ENTRY_WORDS}] : 0u;"""
    return "u32", f"{q}u32 *r, u32 t", body


_TEMPLATES: dict[str, Callable[..., tuple[str, str, str]]] = {
    "floordiv": _floordiv,
    "mod": _mod,
    "trips": _trips,
    "rotl": _rotate(True),
    "rotr": _rotate(False),
    "bitreverse": _bitreverse,
    "ctz": _ctz,
    "truncate": _truncate,
    "narrow": _narrow,
    "widen": _widen,
    "claim": _claim,
}
