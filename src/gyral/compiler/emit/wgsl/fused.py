"""a * b + c rounded once, on the integers: WGSL's own `fma` may round twice.

The product's 48 bits and the addend's 24 are put at the top of 64-bit numbers, brought to one exponent with
what falls off kept as a last bit, added, and rounded to nearest even, subnormal results included.
"""

FMA = """struct GyralPart {
  mantissa: u32,
  exponent: i32,
}
fn gyral_fma_part(x: u32) -> GyralPart {
  let stored = i32((x >> 23u) & 0xffu);
  if (stored != 0i) { return GyralPart((x & 0x7fffffu) | 0x800000u, stored - 150i); }
  let up = countLeadingZeros(x & 0x7fffffu) - 8u;
  return GyralPart((x & 0x7fffffu) << up, -149i - i32(up));
}
fn gyral_fma_left(a: vec2<u32>, n: u32) -> vec2<u32> {
  if (n >= 32u) { return vec2<u32>(0u, a.x << (n - 32u)); }
  if (n == 0u) { return a; }
  return vec2<u32>(a.x << n, (a.y << n) | (a.x >> (32u - n)));
}
fn gyral_fma_right(a: vec2<u32>, n: u32) -> vec2<u32> {
  if (n >= 64u) { return vec2<u32>(0u, 0u); }
  if (n >= 32u) { return vec2<u32>(a.y >> (n - 32u), 0u); }
  if (n == 0u) { return a; }
  return vec2<u32>((a.x >> n) | (a.y << (32u - n)), a.y >> n);
}
fn gyral_fma_jam(a: vec2<u32>, n: u32) -> vec2<u32> {
  let kept = gyral_fma_right(a, n);
  let back = gyral_fma_left(kept, min(n, 63u));
  let lost = (n >= 64u) || any(back != a);
  return vec2<u32>(kept.x | select(0u, 1u, lost), kept.y);
}
fn gyral_fma_f32(x: f32, y: f32, z: f32) -> f32 {
  let xb = bitcast<u32>(x);
  let yb = bitcast<u32>(y);
  let zb = bitcast<u32>(z);
  let xm = xb & 0x7fffffffu;
  let ym = yb & 0x7fffffffu;
  let zm = zb & 0x7fffffffu;
  if ((xm >= 0x7f800000u) || (ym >= 0x7f800000u) || (xm == 0u) || (ym == 0u)) {
    // Drivers' compilers take a constant zero's product for zero: see `rounding`.
    let held = vec3<u32>(xb, yb, zb) ^ vec3<u32>(p.folded.y);
    return bitcast<f32>(held.x) * bitcast<f32>(held.y) + bitcast<f32>(held.z);
  }
  if (zm >= 0x7f800000u) { return z; }
  let xp = gyral_fma_part(xb);
  let yp = gyral_fma_part(yb);
  let xl = xp.mantissa & 0xfffu;
  let xh = xp.mantissa >> 12u;
  let yl = yp.mantissa & 0xfffu;
  let yh = yp.mantissa >> 12u;
  let middle = xl * yh + xh * yl;
  let low = xl * yl + (middle << 12u) + ((xh * yh) << 24u);
  let high = xh * yh + ((middle + ((xl * yl) >> 12u)) >> 12u);
  var product = vec2<u32>(low, high >> 8u);
  let ups = countLeadingZeros(product.y) - 2u;
  product = gyral_fma_left(product, ups);
  var top = xp.exponent + yp.exponent + 61i - i32(ups);
  let minus = ((xb ^ yb) >> 31u) != 0u;
  var negative = minus;
  var sum = product;
  if (zm != 0u) {
    let zp = gyral_fma_part(zb);
    var addend = gyral_fma_left(vec2<u32>(zp.mantissa, 0u), 38u);
    let apart = top - (zp.exponent + 23i);
    if (apart > 0i) { addend = gyral_fma_jam(addend, u32(apart)); }
    if (apart < 0i) {
      product = gyral_fma_jam(product, u32(0i - apart));
      top = zp.exponent + 23i;
    }
    if (minus == ((zb >> 31u) != 0u)) {
      let x0 = product.x + addend.x;
      sum = vec2<u32>(x0, product.y + addend.y + select(0u, 1u, x0 < addend.x));
    } else {
      let swap = (addend.y > product.y) || ((addend.y == product.y) && (addend.x > product.x));
      let large = select(product, addend, swap);
      let small = select(addend, product, swap);
      negative = minus != swap;
      sum = vec2<u32>(large.x - small.x, large.y - small.y - select(0u, 1u, large.x < small.x));
      if ((sum.x | sum.y) == 0u) { return 0.0f; }
    }
  }
  let lead = select(31u - countLeadingZeros(sum.x), 63u - countLeadingZeros(sum.y), sum.y != 0u);
  let drop = max(i32(lead) - 23i, -88i - top);
  var kept: u32;
  if (drop <= 0i) {
    kept = gyral_fma_left(sum, u32(0i - drop)).x;
  } else {
    let n = u32(drop);
    kept = gyral_fma_right(sum, n).x;
    if (n < 64u) {
      let rest = gyral_fma_left(sum, 64u - n);
      let above = (rest.y > 0x80000000u) || ((rest.y == 0x80000000u) && (rest.x != 0u));
      let tie = (rest.y == 0x80000000u) && (rest.x == 0u);
      if (above || (tie && ((kept & 1u) != 0u))) { kept += 1u; }
    }
  }
  let scale = top + drop + 88i;
  var bits = 0x7f800000u;
  if (scale < 254i) { bits = min((u32(scale) << 23u) + kept, 0x7f800000u); }
  return bitcast<f32>(bits | select(0u, 0x80000000u, negative));
}
"""
