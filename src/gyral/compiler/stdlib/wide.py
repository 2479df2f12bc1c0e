"""64-bit integers as two words, low and high, for devices without them. `_s` is signed, `_u` unsigned.

As everywhere: x // 0 is 0, x % 0 is x, the lowest integer // -1 wraps, counts of shifts are masked.
"""

from gyral.compiler.words import bitcast, clz
from gyral.core.dtypes import bool_, f32, f64, i32, u32

MAX = 0xFFFFFFFF
TOP = 0x80000000
UNIT = 4294967296.0  # 2**32


def wide_add(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a + b."""
    low = al + bl
    return low, ah + bh + u32(low < al)


def wide_sub(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a - b."""
    return al - bl, ah - bh - u32(al < bl)


def wide_product(a: u32, b: u32) -> tuple[u32, u32]:
    """All 64 bits of the product of two words."""
    a0, a1, b0, b1 = a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16
    second, third = a0 * b1, a1 * b0
    middle = (a0 * b0 >> 16) + (second & 0xFFFF) + (third & 0xFFFF)
    return a * b, a1 * b1 + (second >> 16) + (third >> 16) + (middle >> 16)


def wide_mul(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a * b."""
    low, high = wide_product(al, bl)
    return low, high + al * bh + ah * bl


def wide_shl(al: u32, ah: u32, count: u32) -> tuple[u32, u32]:
    """a << count."""
    low = al << count
    high = ah << count | al >> 1 >> (~count & 31)
    far = count & 32 != 0
    return u32(0) if far else low, low if far else high


def wide_shr_u(al: u32, ah: u32, count: u32) -> tuple[u32, u32]:
    """a >> count, zeros from above."""
    high = ah >> count
    low = al >> count | ah << 1 << (~count & 31)
    far = count & 32 != 0
    return high if far else low, u32(0) if far else high


def wide_shr_s(al: u32, ah: u32, count: u32) -> tuple[u32, u32]:
    """a >> count, signs from above."""
    high = u32(i32(ah) >> i32(count))
    low = al >> count | ah << 1 << (~count & 31)
    far = count & 32 != 0
    return high if far else low, u32(i32(ah) >> 31) if far else high


def wide_rotl(al: u32, ah: u32, count: u32) -> tuple[u32, u32]:
    """a turned left."""
    far = count & 32 != 0
    low, high = (ah, al) if far else (al, ah)
    return low << count | high >> 1 >> (~count & 31), high << count | low >> 1 >> (~count & 31)


def wide_lt_u(al: u32, ah: u32, bl: u32, bh: u32) -> bool_:
    """a < b."""
    return ah < bh or (ah == bh and al < bl)


def wide_lt_s(al: u32, ah: u32, bl: u32, bh: u32) -> bool_:
    """a < b."""
    return i32(ah) < i32(bh) or (ah == bh and al < bl)


def wide_abs(al: u32, ah: u32) -> tuple[u32, u32]:
    """|a| of a signed number; the lowest stays."""
    sign = u32(i32(ah) >> 31)
    return wide_sub(al ^ sign, ah ^ sign, sign, sign)


def wide_clz(al: u32, ah: u32) -> u32:
    """Zeros before the highest bit."""
    return clz(ah) if ah != 0 else 32 + clz(al)


def wide_divide(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32, u32, u32]:
    """Quotient and remainder of unsigned numbers: by shifts where 32 bits do not hold both."""
    ql, qh, rl, rh = u32(0), u32(0), al, ah
    if ah | bh == 0:
        ql = al // bl
        rl = al % bl
    elif bl | bh != 0:
        turns = i32(wide_clz(bl, bh)) - i32(wide_clz(al, ah)) + 1
        dl, dh = wide_shl(bl, bh, u32(max(turns - 1, 0)))
        for _ in range(turns):
            ql, qh = wide_add(ql, qh, ql, qh)
            if not wide_lt_u(rl, rh, dl, dh):
                rl, rh = wide_sub(rl, rh, dl, dh)
                ql |= 1
            dl, dh = dl >> 1 | dh << 31, dh >> 1
    return ql, qh, rl, rh


def wide_floordiv_u(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a // b."""
    ql, qh, _rl, _rh = wide_divide(al, ah, bl, bh)
    return ql, qh


def wide_mod_u(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a % b."""
    _ql, _qh, rl, rh = wide_divide(al, ah, bl, bh)
    return rl, rh


def wide_floordiv_s(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a // b, rounded down."""
    al_, ah_ = wide_abs(al, ah)
    bl_, bh_ = wide_abs(bl, bh)
    ql, qh, rl, rh = wide_divide(al_, ah_, bl_, bh_)
    differ = (ah ^ bh) & TOP != 0 and bl | bh != 0
    # -q - 1 is ~q.
    up = u32(rl | rh != 0)
    nl, nh = wide_sub(u32(0), u32(0), ql, qh)
    nl, nh = wide_sub(nl, nh, up, u32(0))
    return nl if differ else ql, nh if differ else qh


def wide_mod_s(al: u32, ah: u32, bl: u32, bh: u32) -> tuple[u32, u32]:
    """a % b, with the sign of b."""
    al_, ah_ = wide_abs(al, ah)
    bl_, bh_ = wide_abs(bl, bh)
    _ql, _qh, rl, rh = wide_divide(al_, ah_, bl_, bh_)
    sign = u32(i32(ah) >> 31)
    rl, rh = wide_sub(rl ^ sign, rh ^ sign, sign, sign)
    other = rl | rh != 0 and (rh ^ bh) & TOP != 0
    return wide_add(rl, rh, bl if other else u32(0), bh if other else u32(0))


def wide_f32_u(al: u32, ah: u32) -> f32:
    """The nearest f32, ties to even: 24 bits from the highest on, rounded by those below."""
    zeros = wide_clz(al, ah)
    low, high = wide_shl(al, ah, zeros)
    kept, rest = high >> 8, high & 0xFF
    up = rest > 0x80 or (rest == 0x80 and (low != 0 or kept & 1 != 0))
    bits = (189 - zeros << 23) + kept + u32(up)
    return bitcast(bits, f32) if al | ah != 0 else f32(0.0)


def wide_f32_s(al: u32, ah: u32) -> f32:
    """The nearest f32, ties to even."""
    low, high = wide_abs(al, ah)
    return bitcast(bitcast(wide_f32_u(low, high), u32) | ah & TOP, f32)


def wide_f64_u(al: u32, ah: u32) -> f64:
    """The nearest f64, ties to even."""
    return f64(ah) * UNIT + f64(al)


def wide_f64_s(al: u32, ah: u32) -> f64:
    """The nearest f64, ties to even."""
    return f64(i32(ah)) * UNIT + f64(al)


def wide_signed(low: u32, high: u32, negative: bool_) -> tuple[u32, u32]:
    """A magnitude with its sign, saturating."""
    over = high >= TOP
    low, high = u32(MAX) if over else low, u32(TOP - 1) if over else high
    nl, nh = wide_sub(u32(0), u32(0), low, high)
    # What is over below is the lowest integer itself.
    nl, nh = u32(0) if over else nl, u32(TOP) if over else nh
    return nl if negative else low, nh if negative else high


def wide_of_f32_u(x: f32) -> tuple[u32, u32]:
    """Toward zero, saturating, NaN to 0."""
    high = u32(x * f32(1.0 / UNIT))
    low = u32(x - f32(high) * f32(UNIT))
    over = x >= f32(UNIT * UNIT)
    return u32(MAX) if over else low, u32(MAX) if over else high


def wide_of_f32_s(x: f32) -> tuple[u32, u32]:
    """Toward zero, saturating, NaN to 0."""
    low, high = wide_of_f32_u(abs(x))
    return wide_signed(low, high, x < 0.0)


def wide_of_f64_u(x: f64) -> tuple[u32, u32]:
    """Toward zero, saturating, NaN to 0."""
    high = u32(x * f64(1.0 / UNIT))
    low = u32(x - f64(high) * f64(UNIT))
    over = x >= f64(UNIT * UNIT)
    return u32(MAX) if over else low, u32(MAX) if over else high


def wide_of_f64_s(x: f64) -> tuple[u32, u32]:
    """Toward zero, saturating, NaN to 0."""
    low, high = wide_of_f64_u(abs(x))
    return wide_signed(low, high, x < 0.0)


def wide_trips_u(ll: u32, lh: u32, ul: u32, uh: u32, sl: u32, sh: u32) -> tuple[u32, u32]:
    """Turns of range(lower, upper, step) on unsigned numbers; none at a step of 0."""
    dl, dh = wide_sub(ul, uh, ll, lh)
    tl, th = dl, dh
    if sh != 0 or sl != 1:
        dl, dh = wide_sub(dl, dh, u32(1), u32(0))
        ql, qh, _rl, _rh = wide_divide(dl, dh, sl, sh)
        tl, th = wide_add(ql, qh, u32(1), u32(0))
    some = wide_lt_u(ll, lh, ul, uh) and sl | sh != 0
    return tl if some else u32(0), th if some else u32(0)


def wide_trips_s(ll: u32, lh: u32, ul: u32, uh: u32, sl: u32, sh: u32) -> tuple[u32, u32]:
    """Turns of range(lower, upper, step) on signed numbers; none at a step of 0."""
    down = i32(sh) < 0
    fl, fh = ul if down else ll, uh if down else lh
    tl, th = ll if down else ul, lh if down else uh
    some = wide_lt_s(fl, fh, tl, th)
    kl, kh = wide_abs(sl, sh)
    # The distance fits an unsigned number, whichever the signs.
    cl, ch = wide_trips_u(u32(0), u32(0), *wide_sub(tl, th, fl, fh), kl, kh)
    return cl if some else u32(0), ch if some else u32(0)
