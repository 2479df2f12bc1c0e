"""THE table of intrinsics: name, signature, meaning in Python, spelling per language.

`math.call {fn = "exp"}` in the IR names a row. A meaning takes the dtype it works in and Python numbers, and
gives a Python number already rounded to that dtype: f32 results are the f64 result rounded once, f16 and bf16
results are the f32 result rounded again, as the language says. There are no domain errors: NaN and infinities
come out as in C (Annex F).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gyral.core.dtypes import DType, bool_, f32, f64, i32, index, round_float, u32, u64

Number: TypeAlias = bool | int | float
Over: TypeAlias = Literal["float", "integer", "number"]

INF, NAN = math.inf, math.nan


@dataclass(frozen=True, slots=True)
class Signature:
    """Operand and result types; "T" is the one type variable, taken from the set `over`.

    "float": f16 bf16 f32 f64. "integer": fixed-width integers, so not `index`. "number": both and `index`.
    """

    operands: tuple[str | DType, ...]
    result: str | DType = "T"
    over: Over = "float"

    def admits(self, t: DType) -> bool:
        """Whether T may be this type."""
        if self.over == "float":
            return t.is_float
        return t is not bool_ if self.over == "number" else t.is_integer and t is not index

    def resolve(self, types: Sequence[DType]) -> DType:
        """Result type for these operand types; ValueError with a sentence when they do not fit."""
        if len(types) != len(self.operands):
            raise ValueError(f"takes {len(self.operands)} operands, not {len(types)}")
        bound: DType | None = None
        for number, (wanted, given) in enumerate(zip(self.operands, types, strict=True), 1):
            if isinstance(wanted, DType):
                if wanted is not given:
                    raise ValueError(f"operand {number} is {given}, not {wanted}")
            elif bound is None:
                if not self.admits(given):
                    raise ValueError(f"operand {number} is {given}, which is no {self.over} type here")
                bound = given
            elif bound is not given:
                raise ValueError(f"operand {number} is {given}, not {bound}")
        return self.result if isinstance(self.result, DType) else bound or f32


@dataclass(frozen=True, slots=True)
class Native:
    """The device's own instruction or function of this name computes it."""

    name: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body from the stdlib, `<name>_<dtype>`, is inlined."""


@dataclass(frozen=True, slots=True)
class Expand:
    """`legalize` writes it as ordinary ops."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The language has no way to say it."""

    why: str


Spelling: TypeAlias = Native | Body | Expand | Unsupported


def body() -> Body:
    """Cell: the stdlib's body."""
    return Body()


def expand() -> Expand:
    """Cell: ordinary ops."""
    return Expand()


def unsupported(why: str) -> Unsupported:
    """Cell: refused, with the reason."""
    return Unsupported(why)


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """One row. `names` are the parameters as a user may spell them, `defaults` the last ones' values."""

    name: str
    signature: Signature
    meaning: Callable[..., Number]
    spell: dict[str, Spelling]
    names: tuple[str, ...] = ()
    defaults: tuple[Number, ...] = ()


def rounded(dtype: DType, value: float) -> float:
    """`value` rounded as an operation of `dtype` rounds: 16-bit types through f32."""
    if dtype is f64:
        return value
    if dtype is f32:
        return round_float(f32, value)
    return round_float(dtype, round_float(f32, value))


def _working(dtype: DType) -> DType:
    """The type an operation of `dtype` computes in: f32 for the 16-bit types."""
    return f32 if dtype.bits == 16 else dtype


def _float(fn: Callable[..., float], domain: float = NAN) -> Callable[..., float]:
    """Lift a function of `math` to every float type; `domain` is what a domain error gives."""

    def meaning(dtype: DType, *values: float) -> float:
        try:
            return rounded(dtype, fn(*values))
        except ValueError:
            return domain
        except OverflowError:
            return INF

    return meaning


def _log(fn: Callable[[float], float], pole: float) -> Callable[[float], float]:
    """A logarithm with its pole at `pole` giving -inf."""
    return lambda x: -INF if x == pole else fn(x)


def _exp10(x: float) -> float:
    return 10.0**x if x == x else x


def _sinh(x: float) -> float:
    return math.sinh(x) if abs(x) < 711.0 else math.copysign(INF, x) if x == x else x


def _atanh(x: float) -> float:
    return math.copysign(INF, x) if abs(x) == 1.0 else math.atanh(x)


def _rsqrt(x: float) -> float:
    if x == 0.0:
        return math.copysign(INF, x)
    return 1.0 / math.sqrt(x)


def _is_odd(y: float) -> bool:
    return y == y and abs(y) < 9007199254740992.0 and y == math.floor(y) and int(y) & 1 == 1


def _pow(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -INF if x < 0 and _is_odd(y) else INF
    except ValueError:
        if x == 0.0:
            return math.copysign(INF, x) if _is_odd(y) else INF
        return NAN


def _gamma(x: float) -> float:
    if abs(x) < 5e-309:  # 1 / x overflows, with the sign of x
        return math.copysign(INF, x)
    return math.gamma(x)


# Fixed-point numbers with 192 bits behind the point, for the one function of `math` that is not good enough.
_POINT = 192
_LN_2 = 0xB17217F7D1CF79ABC9E3B39803F2F6AF40F343267298B62E
_HALF_LN_2PI = 0xEB3F8E4325F5A53494BC900144192023CFB08F8D13458B4E
_STIRLING = (
    *((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400)),
    *((43867, 244188), (-174611, 125400), (77683, 5796), (-236364091, 1506960)),
)


def _fixed_ln(x: int) -> int:
    """Natural logarithm of a positive fixed-point number, by the series of the inverse hyperbolic tangent."""
    shift = x.bit_length() - 1 - _POINT
    mantissa = x >> shift if shift > 0 else x << -shift
    one = 1 << _POINT
    ratio = (mantissa - one << _POINT) // (mantissa + one)
    square, total, power, odd = ratio * ratio >> _POINT, 0, ratio, 1
    while power:
        total += power // odd
        power = power * square >> _POINT
        odd += 2
    return 2 * total + shift * _LN_2


def _lgamma(x: float) -> float:
    """log|gamma(x)|. `math.lgamma` loses thousands of ULP round its zeros: Stirling's series there."""
    if 0.0 < abs(x) < 2.0**-20:
        return -math.log(abs(x)) - x * (0.5772156649015329 - 0.8224670334241132 * x)
    if not 0.0 < abs(x) < 45.0 or x in (1.0, 2.0) or (x < 0.0 and x == math.floor(x)):
        return math.lgamma(x)
    numerator, denominator = x.as_integer_ratio()
    z = (numerator << _POINT) // denominator
    product = 1 << _POINT
    while z < 30 << _POINT:
        product = product * z >> _POINT
        z += 1 << _POINT
    total = ((z - (1 << _POINT - 1)) * _fixed_ln(z) >> _POINT) - z + _HALF_LN_2PI - _fixed_ln(abs(product))
    inverse = (1 << 2 * _POINT) // z
    square = inverse * inverse >> _POINT
    for up, down in _STIRLING:
        total += inverse * up // down
        inverse = inverse * square >> _POINT
    return total / (1 << _POINT)


def _integral(fn: Callable[[float], int]) -> Callable[[float], float]:
    """floor, ceil, trunc or round-half-even giving a float; keeps the sign of zero."""

    def to_float(x: float) -> float:
        return math.copysign(float(fn(x)), x) if abs(x) < 4503599627370496.0 else x

    return to_float


def _fma(dtype: DType, a: float, b: float, c: float) -> float:
    """a * b + c rounded once in `dtype` (once in f32 and again for 16-bit types)."""
    if math.isinf(c) and math.isfinite(a) and math.isfinite(b):
        return c  # whose product may be beyond f64, and is finite all the same
    product = a * b
    total = product + c
    if total - total != 0.0 and not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return total
    if dtype is not f64:  # the product of two f32 is exact in f64
        return rounded(dtype, _odd_sum(product, c, total))
    if a == 0.0 or b == 0.0:
        return total
    (an, ad), (bn, bd), (cn, cd) = a.as_integer_ratio(), b.as_integer_ratio(), c.as_integer_ratio()
    numerator = an * bn * cd + cn * ad * bd
    if numerator == 0:
        return total
    try:
        return numerator / (ad * bd * cd)
    except OverflowError:
        return INF if numerator > 0 else -INF


def _odd_sum(a: float, b: float, total: float) -> float:
    """a + b rounded to odd in f64, so that rounding again to a shorter type is right."""
    high = total - a
    error = (a - (total - high)) + (b - high)
    if error == 0.0:
        return total
    mantissa, _ = math.frexp(total)
    if int(mantissa * 9007199254740992.0) & 1:
        return total
    return math.nextafter(total, INF if error > 0 else -INF)


def _clamp(dtype: DType, x: Number, low: Number, high: Number) -> Number:
    return min(max(x, low), high)


def _lerp(dtype: DType, a: float, b: float, t: float) -> float:
    wide = _working(dtype)
    return rounded(dtype, a + rounded(wide, rounded(wide, b - a) * t))


def _saturate(dtype: DType, x: float) -> float:
    return min(max(0.0, x), 1.0)


def _sign(dtype: DType, x: Number) -> Number:
    if dtype.is_float:
        return 1.0 if x > 0 else -1.0 if x < 0 else 0.0 if x == 0 else x
    return 1 if x > 0 else -1 if x < 0 else 0


def _scaled(factor: float) -> Callable[..., float]:
    """x times a constant that was itself rounded to the type the product is computed in."""

    def meaning(dtype: DType, x: float) -> float:
        return rounded(dtype, x * rounded(_working(dtype), factor))

    return meaning


def _isclose(dtype: DType, a: float, b: float, rel_tol: float, abs_tol: float) -> bool:
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    wide = _working(dtype)
    apart = abs(rounded(wide, b - a))
    return (
        apart <= abs(rounded(wide, rel_tol * b))
        or apart <= abs(rounded(wide, rel_tol * a))
        or apart <= abs_tol
    )


def _ldexp(dtype: DType, x: float, exponent: int) -> float:
    try:
        return rounded(dtype, math.ldexp(x, exponent))
    except OverflowError:
        return math.copysign(INF, x)


_LAYOUT = {"f64": (52, 11), "f32": (23, 8), "f16": (10, 5), "bf16": (7, 8)}


def _spacing(dtype: DType, x: float) -> float:
    """Distance from |x| to the next larger value of the type."""
    stored, width = _LAYOUT[dtype.name]
    lowest = 2 - (1 << (width - 1))
    exponent = max(math.frexp(x)[1] - 1, lowest) if x else lowest
    return math.ldexp(1.0, exponent - stored)


def _nextafter(dtype: DType, x: float, toward: float) -> float:
    if x != x or toward != toward:
        return x + toward
    if x == toward:
        return toward
    if dtype is f64:
        return math.nextafter(x, toward)
    if math.isinf(x):
        stored, width = _LAYOUT[dtype.name]
        return math.copysign((2.0 - 2.0**-stored) * 2.0 ** ((1 << (width - 1)) - 1), x)
    up = toward > x
    step = _spacing(dtype, x)
    mantissa = math.frexp(x)[0]
    if abs(mantissa) == 0.5 and (x > 0) != up:  # below a power of two values stand twice as close
        step = max(step / 2, _spacing(dtype, 0.0))
    moved = round_float(dtype, x + step if up else x - step)
    return math.copysign(moved, x) if moved == 0.0 else moved


def _bits(value: int, dtype: DType) -> int:
    return value & ((1 << dtype.bits) - 1)


def _popcount(dtype: DType, x: int) -> int:
    return _bits(x, dtype).bit_count()


def _clz(dtype: DType, x: int) -> int:
    return dtype.bits - _bits(x, dtype).bit_length()


def _ctz(dtype: DType, x: int) -> int:
    x = _bits(x, dtype)
    return (x & -x).bit_length() - 1 if x else dtype.bits


def _rotl(dtype: DType, x: int, count: int) -> int:
    count &= dtype.bits - 1
    x = _bits(x, dtype)
    return dtype.wrap(x << count | x >> (dtype.bits - count))


def _rotr(dtype: DType, x: int, count: int) -> int:
    return _rotl(dtype, x, -count)


def _bitreverse(dtype: DType, x: int) -> int:
    return dtype.wrap(int(format(_bits(x, dtype), f"0{dtype.bits}b")[::-1], 2))


def philox(seed: int, counter: int) -> tuple[int, int, int, int]:
    """Philox4x32-10 of Salmon et al. (SC 2011): key is the seed, low word first; so the counter."""
    mask = 0xFFFFFFFF
    k0, k1 = seed & mask, seed >> 32 & mask
    c0, c1, c2, c3 = counter & mask, counter >> 32 & mask, 0, 0
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = second >> 32 ^ c1 ^ k0, second & mask, first >> 32 ^ c3 ^ k1, first & mask
        k0, k1 = k0 + 0x9E3779B9 & mask, k1 + 0xBB67AE85 & mask
    return c0, c1, c2, c3


def _random_u32(dtype: DType, seed: int, counter: int) -> int:
    return philox(seed, counter)[0]


def _random_uniform(dtype: DType, seed: int, counter: int) -> float:
    """24 bits, in [0, 1)."""
    return (philox(seed, counter)[0] >> 8) * 2.0**-24


def _random_normal(dtype: DType, seed: int, counter: int) -> float:
    """Box and Muller on words 0 and 1: the radius from (0, 1], the angle from [0, 1) turns."""
    first, second, _, _ = philox(seed, counter)
    radius = math.sqrt(-2.0 * math.log(((first >> 8) + 1) * 2.0**-24))
    return round_float(f32, radius * math.cos(2.0 * math.pi * ((second >> 8) * 2.0**-24)))


_T, _TT, _TTT = Signature(("T",)), Signature(("T", "T")), Signature(("T", "T", "T"))
_TEST = Signature(("T",), bool_)
_BIT, _BITS = Signature(("T",), over="integer"), Signature(("T", "T"), over="integer")
_DRAW = (u64, u64)


COLUMNS: tuple[str, ...] = ("llvm", "cuda", "opencl", "msl", "wgsl")
INTRINSICS: dict[str, Intrinsic] = {}


def _row(
    name: str,
    signature: Signature,
    meaning: Callable[..., Number],
    cells: Spelling | str,
    names: str = "x",
    defaults: tuple[Number, ...] = (),
) -> None:
    """Add a row: one cell for all languages, or the word of each; the C family's own begin with "gyral_"."""
    spelled = [Native(word) for word in cells.split()] if isinstance(cells, str) else [cells] * len(COLUMNS)
    spell = dict(zip(COLUMNS, spelled, strict=True))
    INTRINSICS[name] = Intrinsic(name, signature, meaning, spell, tuple(names.split()), defaults)


_row("exp", _T, _float(math.exp), body())
_row("exp2", _T, _float(math.exp2), body())
_row("exp10", _T, _float(_exp10), expand())
_row("expm1", _T, _float(math.expm1), body())
_row("log", _T, _float(_log(math.log, 0.0)), body())
_row("log2", _T, _float(_log(math.log2, 0.0)), body())
_row("log10", _T, _float(_log(math.log10, 0.0)), body())
_row("log1p", _T, _float(_log(math.log1p, -1.0)), body())
for name in ("sin", "cos", "tan", "asin", "acos", "atan"):
    _row(name, _T, _float(getattr(math, name)), body())
_row("atan2", _TT, _float(math.atan2), body(), "y x")
_row("sinh", _T, _float(_sinh), body())
for name in ("cosh", "tanh", "asinh", "acosh"):
    _row(name, _T, _float(getattr(math, name)), body())
_row("atanh", _T, _float(_atanh), body())
_row("sqrt", _T, _float(math.sqrt), "llvm.sqrt sqrt sqrt sqrt sqrt")
_row("rsqrt", _T, _float(_rsqrt), body())
_row("cbrt", _T, _float(math.cbrt), body())
_row("pow", _TT, _float(_pow), body(), "x y")
_row("hypot", _TT, _float(math.hypot), body(), "x y")
_row("erf", _T, _float(math.erf), body())
_row("erfc", _T, _float(math.erfc), body())
_row("gamma", _T, _float(_gamma), body())
_row("lgamma", _T, _float(_lgamma, domain=INF), body())
_row("fmod", _TT, _float(math.fmod), body(), "x y")
_row("remainder", _TT, _float(math.remainder), body(), "x y")
_row("floor", _T, _float(_integral(math.floor)), "llvm.floor floor floor floor floor")
_row("ceil", _T, _float(_integral(math.ceil)), "llvm.ceil ceil ceil ceil ceil")
_row("trunc", _T, _float(_integral(math.trunc)), "llvm.trunc trunc trunc trunc trunc")
_row("rint", _T, _float(_integral(round)), "llvm.rint rint rint rint round")
_row("fabs", _T, _float(math.fabs), "llvm.fabs fabs fabs fabs abs")
_row(
    "copysign",
    _TT,
    _float(math.copysign),
    "llvm.copysign copysign copysign copysign gyral_copysign",
    "x y",
)
_row("nextafter", _TT, _nextafter, expand(), "x y")
_row("ldexp", Signature(("T", i32)), _ldexp, expand(), "x i")
_row("degrees", _T, _scaled(180.0 / math.pi), expand())
_row("radians", _T, _scaled(math.pi / 180.0), expand())
_row("fma", _TTT, _fma, "llvm.fma fma fma fma gyral_fma", "x y z")
_row("clamp", Signature(("T", "T", "T"), over="number"), _clamp, expand(), "x low high")
_row("lerp", _TTT, _lerp, expand(), "a b t")
_row("saturate", _T, _saturate, expand())
_row("sign", Signature(("T",), over="number"), _sign, expand())
_row("isnan", _TEST, lambda dtype, x: x != x, expand())
_row("isinf", _TEST, lambda dtype, x: math.isinf(x), expand())
_row("isfinite", _TEST, lambda dtype, x: math.isfinite(x), expand())
_row("isclose", Signature(("T",) * 4, bool_), _isclose, expand(), "a b rel_tol abs_tol", (1e-9, 0.0))
_row("popcount", _BIT, _popcount, "llvm.ctpop popc popcount popcount countOneBits")
_row("clz", _BIT, _clz, "llvm.ctlz clz clz clz countLeadingZeros")
_row("ctz", _BIT, _ctz, "llvm.cttz ctz gyral_ctz ctz countTrailingZeros")
_row("rotl", _BITS, _rotl, "llvm.fshl gyral_rotl gyral_rotl gyral_rotl gyral_rotl", "x n")
_row("rotr", _BITS, _rotr, "llvm.fshr gyral_rotr gyral_rotr gyral_rotr gyral_rotr", "x n")
_row(
    "bitreverse",
    _BIT,
    _bitreverse,
    "llvm.bitreverse brev gyral_bitreverse reverse_bits reverseBits",
)
_row("random_u32", Signature(_DRAW, u32), _random_u32, body(), "seed counter")
_row("random_uniform", Signature(_DRAW, f32), _random_uniform, body(), "seed counter")
_row("random_normal", Signature(_DRAW, f32), _random_normal, body(), "seed counter")
