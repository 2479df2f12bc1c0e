"""Helper functions in WGSL. Keys as in `cfamily.prelude`, on i32 and u32; and besides:

constant_f32 (bits that WGSL refuses as a constant), own_T (a constant it must not compute with),
copysign_f32, fma_f32, held_f32 (a value that the driver's compiler must not see through).
"""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.emit.wgsl import fused
from gyral.compiler.emit.wgsl.scalars import kept_as, literal
from gyral.core.abi import ENTRY_WORDS, FAULT_ROOM, FAULTS, LOWEST, PRINT_ROOM, PRINTS, RECORD_HEADER
from gyral.core.dtypes import BY_NAME, f32
from gyral.core.errors import InternalError


def define(key: str) -> str:
    """The text of `gyral_<key>`."""
    word, *rest = key.split("_")
    if word == "fma":
        return fused.FMA
    if word not in _TEMPLATES:
        raise InternalError(f"no helper function in WGSL is called {key!r}")
    parameters, result, body = _TEMPLATES[word](*rest)
    lines = "\n".join(f"  {line}" for line in body.strip().splitlines())
    return f"fn gyral_{key}({parameters}) -> {result} {{\n{lines}\n}}\n"


Template = Callable[..., tuple[str, str, str]]


def _constant(name: str) -> tuple[str, str, str]:
    return "bits: u32", name, f"return bitcast<{name}>(bits);"


def _own(name: str) -> tuple[str, str, str]:
    return f"a: {name}", name, "return a;"


def _held(name: str) -> tuple[str, str, str]:
    return f"a: {name}, nought: u32", name, f"return bitcast<{name}>(bitcast<u32>(a) ^ nought);"


def _floordiv(name: str) -> tuple[str, str, str]:
    if name == "u32":
        return "a: u32, b: u32", "u32", "if (b == 0u) { return 0u; }\nreturn a / b;"
    return (
        "a: i32, b: i32",
        "i32",
        """
if (b == 0i) { return 0i; }
if (b == -1i) { return 0i - a; }
let q = a / b;
return q - select(0i, 1i, (a - q * b != 0i) && ((a < 0i) != (b < 0i)));""",
    )


def _mod(name: str) -> tuple[str, str, str]:
    if name == "u32":
        return "a: u32, b: u32", "u32", "if (b == 0u) { return a; }\nreturn a % b;"
    return (
        "a: i32, b: i32",
        "i32",
        """
if (b == 0i) { return a; }
if (b == -1i) { return 0i; }
let r = a - (a / b) * b;
return select(r, r + b, (r != 0i) && ((r < 0i) != (b < 0i)));""",
    )


def _trips(name: str) -> tuple[str, str, str]:
    """Turns of range(lower, upper, step), exact for every range of the type; 0 for step 0."""
    kind = kept_as(BY_NAME[name])
    low, high, by = (f"u32({word})" for word in ("lower", "upper", "step"))
    body = f"if ((step > {'0i' if kind == 'i32' else '0u'}) && (lower < upper)) "
    body += f"{{ return ({high} - {low} - 1u) / {by} + 1u; }}\n"
    if kind == "i32":
        body += "if ((step < 0i) && (lower > upper)) "
        body += f"{{ return ({low} - {high} - 1u) / (0u - {by}) + 1u; }}\n"
    return f"lower: {kind}, upper: {kind}, step: {kind}", "u32", f"{body}return 0u;"


def _rotate(there: str, back: str) -> Template:
    def template(name: str) -> tuple[str, str, str]:
        return (
            f"a: {name}, n: {name}",
            name,
            f"""
let x = u32(a);
let k = u32(n) & 31u;
return {name}((x {there} k) | (x {back} ((32u - k) & 31u)));""",
        )

    return template


def _truncate(source: str, name: str) -> tuple[str, str, str]:
    """Toward zero, saturating, NaN to 0, told by its bits: WGSL need not know it. The bounds are exact."""
    t = BY_NAME[name]
    low, high = t.bounds()
    return (
        "a: f32",
        kept_as(t),
        f"""
if ((bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u) {{ return {literal(t, 0)}; }}
if (a <= {literal(f32, float(low))}) {{ return {literal(t, low)}; }}
if (a >= {literal(f32, float(high + 1))}) {{ return {literal(t, high)}; }}
return {kept_as(t)}(a);""",
    )


def _narrow(name: str) -> tuple[str, str, str]:
    """f32 to the bits of a 16-bit float, to nearest even; a NaN stays one."""
    if name == "bf16":
        return (
            "a: f32",
            "u32",
            """
let b = bitcast<u32>(a);
if ((b & 0x7fffffffu) > 0x7f800000u) { return (b >> 16u) | 64u; }
return (b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u;""",
        )
    return (
        "a: f32",
        "u32",
        """
let b = bitcast<u32>(a);
let sign = (b >> 16u) & 0x8000u;
let m = b & 0x7fffffffu;
if (m > 0x7f800000u) { return sign | 0x7e00u | ((m >> 13u) & 0x3ffu); }
if (m >= 0x47800000u) { return sign | 0x7c00u; }
if (m >= 0x38800000u) { return sign | ((m + 0xfffu + ((m >> 13u) & 1u) - 0x38000000u) >> 13u); }
if (m < 0x33000000u) { return sign; }
let full = (m & 0x7fffffu) | 0x800000u;
let drop = 126u - (m >> 23u);
let kept = full >> drop;
let rest = full & ((1u << drop) - 1u);
let middle = 1u << (drop - 1u);
return sign | (kept + select(0u, 1u, (rest > middle) || ((rest == middle) && ((kept & 1u) != 0u))));""",
    )


def _widen(name: str) -> tuple[str, str, str]:
    """The bits of a 16-bit float to f32, exact."""
    if name == "bf16":
        return "a: u32", "f32", "return bitcast<f32>(a << 16u);"
    return (
        "a: u32",
        "f32",
        """
let sign = (a & 0x8000u) << 16u;
let m = a & 0x7fffu;
if (m >= 0x7c00u) { return bitcast<f32>(sign | 0x7f800000u | ((m & 0x3ffu) << 13u)); }
if (m >= 0x400u) { return bitcast<f32>(sign | ((m << 13u) + 0x38000000u)); }
return bitcast<f32>(sign | bitcast<u32>(f32(m) * 0x1p-24f));""",
    )


def _copysign(name: str) -> tuple[str, str, str]:
    bits = "(bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u)"
    return "x: f32, y: f32", "f32", f"return bitcast<f32>({bits});"


def _claim(kind: str) -> tuple[str, str, str]:
    """See `core.abi`: the lowest failing thread writes; prints go on until there is no room."""
    count, room, first = PRINTS, PRINT_ROOM, f"(atomicLoad(&record[{FAULT_ROOM}]) + k)"
    lines = []
    if kind == "fault":
        count, room, first = FAULTS, FAULT_ROOM, "k"
        lines.append(f"if (t >= atomicMin(&record[{LOWEST}], t)) {{ return 0u; }}")
    lines += [
        f"let k = atomicAdd(&record[{count}], 1u);",
        f"if (k >= atomicLoad(&record[{room}])) {{ return 0u; }}",
        f"return {RECORD_HEADER}u + {first} * atomicLoad(&record[{ENTRY_WORDS}]);",
    ]
    return "t: u32", "u32", "\n".join(lines)


_TEMPLATES: dict[str, Template] = {
    "constant": _constant,
    "own": _own,
    "held": _held,
    "floordiv": _floordiv,
    "mod": _mod,
    "trips": _trips,
    "rotl": _rotate("<<", ">>"),
    "rotr": _rotate(">>", "<<"),
    "truncate": _truncate,
    "narrow": _narrow,
    "widen": _widen,
    "copysign": _copysign,
    "claim": _claim,
}
