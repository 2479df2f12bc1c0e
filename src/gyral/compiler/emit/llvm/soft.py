"""What old processors lack, spelled out: LLVM would call library functions for it, and kernels have none.

x86-64 before 2013 has neither a fused multiply-add nor conversions of f16. Both are exact here.
"""

from __future__ import annotations

from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import Form
from gyral.core.dtypes import f64

# x * y + z with one rounding, by integers: the product and z are aligned in 128 bits, with what falls off
# kept as a sticky bit, added, and rounded to even. Zero factors and what is not finite need no care.
_FMA = """
define internal double @gyral.fma(double %x, double %y, double %z) noinline nounwind {
entry:
  %xf = fmul double %x, 0.0
  %yf = fmul double %y, 0.0
  %zf = fmul double %z, 0.0
  %factors = fcmp ord double %xf, %yf
  br i1 %factors, label %term, label %plain
term:
  %finite = fcmp ord double %zf, 0.0
  br i1 %finite, label %nonzero, label %alone
alone:
  %twice = fadd double %z, %z
  ret double %twice
nonzero:
  %x.some = fcmp one double %x, 0.0
  %y.some = fcmp one double %y, 0.0
  %some = and i1 %x.some, %y.some
  br i1 %some, label %exact.sum, label %plain
plain:
  %xy = fmul double %x, %y
  %xyz = fadd double %xy, %z
  ret double %xyz
exact.sum:
  %xb = bitcast double %x to i64
  %yb = bitcast double %y to i64
  %zb = bitcast double %z to i64
  %xm = call i64 @gyral.mantissa(i64 %xb)
  %ym = call i64 @gyral.mantissa(i64 %yb)
  %zm = call i64 @gyral.mantissa(i64 %zb)
  %xe = call i64 @gyral.exponent(i64 %xb)
  %ye = call i64 @gyral.exponent(i64 %yb)
  %ze = call i64 @gyral.exponent(i64 %zb)
  %xw = zext i64 %xm to i128
  %yw = zext i64 %ym to i128
  %zw = zext i64 %zm to i128
  %pw = mul i128 %xw, %yw
  %pe = add i64 %xe, %ye
  %pz = call i128 @llvm.ctlz.i128(i128 %pw, i1 false)
  %ps = sub i128 %pz, 3
  %p = shl i128 %pw, %ps
  %ps64 = trunc i128 %ps to i64
  %pn = sub i64 %pe, %ps64
  %zz = call i128 @llvm.ctlz.i128(i128 %zw, i1 false)
  %zs = sub i128 %zz, 3
  %none = icmp eq i64 %zm, 0
  %zs.safe = select i1 %none, i128 0, i128 %zs
  %c = shl i128 %zw, %zs.safe
  %zs64 = trunc i128 %zs.safe to i64
  %zn = sub i64 %ze, %zs64
  %cn = select i1 %none, i64 -9000, i64 %zn
  %sign.p = xor i64 %xb, %yb
  %first = icmp sge i64 %pn, %cn
  %big = select i1 %first, i128 %p, i128 %c
  %small = select i1 %first, i128 %c, i128 %p
  %en = select i1 %first, i64 %pn, i64 %cn
  %low = select i1 %first, i64 %cn, i64 %pn
  %sign = select i1 %first, i64 %sign.p, i64 %zb
  %apart = sub i64 %en, %low
  %moved = call i128 @gyral.sticky(i128 %small, i64 %apart)
  %mixed = xor i64 %sign.p, %zb
  %minus = icmp slt i64 %mixed, 0
  %sum = add i128 %big, %moved
  %gap = sub i128 %big, %moved
  %total = select i1 %minus, i128 %gap, i128 %sum
  %below = icmp slt i128 %total, 0
  %negated = sub i128 0, %total
  %size = select i1 %below, i128 %negated, i128 %total
  %turned = xor i64 %sign, -1
  %sign.t = select i1 %below, i64 %turned, i64 %sign
  %zero = icmp eq i128 %size, 0
  br i1 %zero, label %cancelled, label %round
cancelled:
  ret double 0.0
round:
  %lead = call i128 @llvm.ctlz.i128(i128 %size, i1 true)
  %lead64 = trunc i128 %lead to i64
  %top = sub i64 127, %lead64
  %e = add i64 %en, %top
  %fine = sub i64 %e, 52
  %q = call i64 @llvm.smax.i64(i64 %fine, i64 -1074)
  %drop = sub i64 %q, %en
  %drops = icmp sgt i64 %drop, 0
  %left = sub i64 0, %drop
  %left.safe = select i1 %drops, i64 0, i64 %left
  %left128 = zext i64 %left.safe to i128
  %exact = shl i128 %size, %left128
  %drop.up = call i64 @llvm.smax.i64(i64 %drop, i64 1)
  %drop.safe = call i64 @llvm.smin.i64(i64 %drop.up, i64 127)
  %drop128 = zext i64 %drop.safe to i128
  %kept = lshr i128 %size, %drop128
  %back = shl i128 %kept, %drop128
  %rest = sub i128 %size, %back
  %less = sub i128 %drop128, 1
  %half = shl i128 1, %less
  %over = icmp ugt i128 %rest, %half
  %tie = icmp eq i128 %rest, %half
  %odd = trunc i128 %kept to i1
  %even = and i1 %tie, %odd
  %up = or i1 %over, %even
  %one = zext i1 %up to i128
  %near = add i128 %kept, %one
  %m128 = select i1 %drops, i128 %near, i128 %exact
  %m = trunc i128 %m128 to i64
  %field = add i64 %q, 1074
  %high = shl i64 %field, 52
  %bits = add i64 %high, %m
  %held = call i64 @llvm.umin.i64(i64 %bits, i64 9218868437227405312)
  %signed = and i64 %sign.t, -9223372036854775808
  %all = or i64 %held, %signed
  %found = bitcast i64 %all to double
  ret double %found
}
define internal i64 @gyral.mantissa(i64 %b) alwaysinline nounwind {
  %f = and i64 %b, 4503599627370495
  %e = and i64 %b, 9218868437227405312
  %tiny = icmp eq i64 %e, 0
  %one = select i1 %tiny, i64 0, i64 4503599627370496
  %m = or i64 %f, %one
  ret i64 %m
}
define internal i64 @gyral.exponent(i64 %b) alwaysinline nounwind {
  %e = lshr i64 %b, 52
  %f = and i64 %e, 2047
  %g = call i64 @llvm.umax.i64(i64 %f, i64 1)
  %x = sub i64 %g, 1075
  ret i64 %x
}
define internal i128 @gyral.sticky(i128 %v, i64 %n) alwaysinline nounwind {
  %m = call i64 @llvm.umin.i64(i64 %n, i64 127)
  %w = zext i64 %m to i128
  %s = lshr i128 %v, %w
  %b = shl i128 %s, %w
  %lost = icmp ne i128 %b, %v
  %l = zext i1 %lost to i128
  %r = or i128 %s, %l
  ret i128 %r
}
"""
_WORDS = {
    "llvm.ctlz.i128": "declare i128 @llvm.ctlz.i128(i128, i1)",
    "llvm.smax.i64": "declare i64 @llvm.smax.i64(i64, i64)",
    "llvm.smin.i64": "declare i64 @llvm.smin.i64(i64, i64)",
    "llvm.umax.i64": "declare i64 @llvm.umax.i64(i64, i64)",
    "llvm.umin.i64": "declare i64 @llvm.umin.i64(i64, i64)",
}


def fused(ctx: Context, form: Form, a: str, b: str, c: str) -> str:
    """a * b + c with one rounding, on a processor without the instruction."""
    return _by_doubles(ctx, form, a, b, c) if form.dtype is not f64 else _by_lanes(ctx, form, a, b, c)


def _by_doubles(ctx: Context, form: Form, a: str, b: str, c: str) -> str:
    """Of f32: the product is exact in f64; the sum is rounded to odd there, so that f32 rounds it rightly."""
    text, t, word = ctx.text, form.vector_of("double"), form.vector_of("i64")
    kind = form.vector_of("i1")
    x, y, z = (text.let(f"fpext {form.llvm} {name} to {t}") for name in (a, b, c))
    p = text.let(f"fmul {t} {x}, {y}")
    s = text.let(f"fadd {t} {p}, {z}")
    other = text.let(f"fsub {t} {s}, {p}")
    rest = text.let(f"fsub {t} {p}, {text.let(f'fsub {t} {s}, {other}')}")
    error = text.let(f"fadd {t} {rest}, {text.let(f'fsub {t} {z}, {other}')}")
    inexact = text.let(f"fcmp one {t} {error}, {form.spread('double', '0.0')}")
    bits = text.let(f"bitcast {t} {s} to {word}")
    odd = text.let(f"trunc {word} {bits} to {kind}")
    move = text.let(f"select {kind} {odd}, {kind} {form.spread('i1', 'false')}, {kind} {inexact}")
    apart = text.let(f"xor {word} {bits}, {text.let(f'bitcast {t} {error} to {word}')}")
    toward = text.let(f"ashr {word} {apart}, {form.spread('i64', '63')}")
    step = text.let(f"or {word} {toward}, {form.spread('i64', '1')}")
    step = text.let(f"select {kind} {move}, {word} {step}, {word} {form.spread('i64', '0')}")
    rounded = text.let(f"bitcast {word} {text.let(f'add {word} {bits}, {step}')} to {t}")
    return text.let(f"fptrunc {t} {rounded} to {form.llvm}")


def _by_lanes(ctx: Context, form: Form, a: str, b: str, c: str) -> str:
    """Of f64: a call for each lane."""
    text = ctx.text
    ctx.plan.functions["gyral.fma"] = _FMA
    for name, declaration in _WORDS.items():
        text.declarations.setdefault(name, declaration)
    if not form.lanes:
        return text.let(f"call double @gyral.fma(double {a}, double {b}, double {c})")
    found = "poison"
    for lane in range(form.lanes):
        parts = [text.let(f"extractelement {form.llvm} {name}, i32 {lane}") for name in (a, b, c)]
        one = text.let("call double @gyral.fma(" + ", ".join(f"double {part}" for part in parts) + ")")
        found = text.let(f"insertelement {form.llvm} {found}, double {one}, i32 {lane}")
    return found


def half_to_single(ctx: Context, source: Form, value: str) -> str:
    """f16 bits to f32: the exponent is moved by a product, which normalises what f16 holds denormal."""
    text, word, single = ctx.text, source.vector_of("i32"), source.vector_of("float")
    kind = source.vector_of("i1")
    bits = text.let(f"zext {source.llvm} {value} to {word}")
    size = text.let(f"and {word} {bits}, {source.spread('i32', '32767')}")
    moved = text.let(f"shl {word} {size}, {source.spread('i32', '13')}")
    scale = source.spread("float", "0x46F0000000000000")
    scaled = text.let(f"fmul {single} {text.let(f'bitcast {word} {moved} to {single}')}, {scale}")
    endless = text.let(f"icmp uge {word} {size}, {source.spread('i32', '31744')}")
    nan = text.let(f"icmp ugt {word} {size}, {source.spread('i32', '31744')}")
    exponent, payload = source.spread("i32", str(0x7F800000)), source.spread("i32", str(0x7FC00000))
    quiet = text.let(f"select {kind} {nan}, {word} {payload}, {word} {exponent}")
    special = text.let(f"or {word} {moved}, {quiet}")
    finite = text.let(f"bitcast {single} {scaled} to {word}")
    chosen = text.let(f"select {kind} {endless}, {word} {special}, {word} {finite}")
    sign = text.let(f"shl {word} {text.let(f'xor {word} {bits}, {size}')}, {source.spread('i32', '16')}")
    return text.let(f"bitcast {word} {text.let(f'or {word} {chosen}, {sign}')} to {single}")


def single_to_half(ctx: Context, source: Form, target: Form, value: str) -> str:
    """f32 to f16 bits, to nearest even."""
    text, word, single = ctx.text, source.vector_of("i32"), source.llvm
    kind = source.vector_of("i1")

    def number(n: int) -> str:
        return source.spread("i32", str(n))

    bits = text.let(f"bitcast {single} {value} to {word}")
    size = text.let(f"and {word} {bits}, {number(0x7FFFFFFF)}")
    odd = text.let(f"and {word} {text.let(f'lshr {word} {size}, {number(13)}')}, {number(1)}")
    biased = text.let(f"add {word} {text.let(f'add {word} {size}, {odd}')}, {number(0xFFF - (112 << 23))}")
    normal = text.let(f"lshr {word} {biased}, {number(13)}")
    # Beside one half, f32 has the places of a denormal f16: the sum rounds to them.
    half = source.spread("float", "0.5")
    magic = text.let(f"fadd {single} {text.let(f'bitcast {word} {size} to {single}')}, {half}")
    tiny = text.let(f"sub {word} {text.let(f'bitcast {single} {magic} to {word}')}, {number(0x3F000000)}")
    small = text.let(f"icmp ult {word} {size}, {number(0x38800000)}")
    found = text.let(f"select {kind} {small}, {word} {tiny}, {word} {normal}")
    large = text.let(f"icmp uge {word} {size}, {number(0x47800000)}")
    nan = text.let(f"icmp ugt {word} {size}, {number(0x7F800000)}")
    special = text.let(f"select {kind} {nan}, {word} {number(0x7E00)}, {word} {number(0x7C00)}")
    found = text.let(f"select {kind} {large}, {word} {special}, {word} {found}")
    sign = text.let(f"lshr {word} {text.let(f'xor {word} {bits}, {size}')}, {number(16)}")
    return text.let(f"trunc {word} {text.let(f'or {word} {found}, {sign}')} to {target.llvm}")
