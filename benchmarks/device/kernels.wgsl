// The benchmark's kernels as they are written by hand in WGSL: the same algorithms, one element per invocation.
// Bindings are numbered in the order of the arguments; what is no array stands in one uniform block, the last.

struct Saxpy { a: f32, n: u32 }
@group(0) @binding(0) var<storage, read> saxpy_x: array<f32>;
@group(0) @binding(1) var<storage, read_write> saxpy_y: array<f32>;
@group(0) @binding(2) var<uniform> saxpy_p: Saxpy;

@compute @workgroup_size(256)
fn saxpy(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= saxpy_p.n) { return; }
  saxpy_y[i] = saxpy_p.a * saxpy_x[i] + saxpy_y[i];
}

struct Pricing { rate: f32, volatility: f32, n: u32 }
@group(0) @binding(0) var<storage, read> spot: array<f32>;
@group(0) @binding(1) var<storage, read> strike: array<f32>;
@group(0) @binding(2) var<storage, read> years: array<f32>;
@group(0) @binding(3) var<storage, read_write> call: array<f32>;
@group(0) @binding(4) var<storage, read_write> put: array<f32>;
@group(0) @binding(5) var<uniform> pricing: Pricing;

// Abramowitz and Stegun 26.2.17.
fn normal_cdf(x: f32) -> f32 {
  let size = abs(x);
  let k = 1.0 / (1.0 + 0.2316419 * size);
  let series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)));
  let upper = 1.0 - 0.39894228 * exp(-size * size * 0.5) * k * series;
  return select(upper, 1.0 - upper, x < 0.0);
}

@compute @workgroup_size(256)
fn black_scholes(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= pricing.n) { return; }
  let s = spot[i];
  let k = strike[i];
  let t = years[i];
  let root = pricing.volatility * sqrt(t);
  let d1 = (log(s / k) + (pricing.rate + 0.5 * pricing.volatility * pricing.volatility) * t) / root;
  let d2 = d1 - root;
  let discounted = k * exp(-pricing.rate * t);
  call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
  put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
}

struct Picture { most: i32, height: u32, width: u32 }
@group(0) @binding(0) var<storage, read_write> counts: array<i32>;
@group(0) @binding(1) var<uniform> picture: Picture;

@compute @workgroup_size(32, 8)
fn mandelbrot(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.y >= picture.height || id.x >= picture.width) { return; }
  let cx = -2.0 + f32(id.x) * (3.0 / f32(picture.width));
  let cy = -1.0 + f32(id.y) * (2.0 / f32(picture.height));
  var zx = cx;
  var zy = cy;
  var count = 0;
  while (count < picture.most && zx * zx + zy * zy <= 4.0) {
    let next = cx + zx * zx - zy * zy;
    zy = cy + 2.0 * zx * zy;
    zx = next;
    count++;
  }
  counts[id.y * picture.width + id.x] = count;
}

struct Bodies { softening: f32, step: f32, n: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> vx: array<f32>;
@group(0) @binding(4) var<storage, read> vy: array<f32>;
@group(0) @binding(5) var<storage, read> vz: array<f32>;
@group(0) @binding(6) var<storage, read> mass: array<f32>;
@group(0) @binding(7) var<storage, read_write> ax: array<f32>;
@group(0) @binding(8) var<storage, read_write> ay: array<f32>;
@group(0) @binding(9) var<storage, read_write> az: array<f32>;
@group(0) @binding(10) var<storage, read_write> px: array<f32>;
@group(0) @binding(11) var<storage, read_write> py: array<f32>;
@group(0) @binding(12) var<storage, read_write> pz: array<f32>;
@group(0) @binding(13) var<uniform> bodies: Bodies;

@compute @workgroup_size(64)
fn nbody(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= bodies.n) { return; }
  let here = vec3(x[i], y[i], z[i]);
  var sum = vec3(0.0);
  for (var j = 0u; j < bodies.n; j++) {
    let away = vec3(x[j], y[j], z[j]) - here;
    let inverse = inverseSqrt(dot(away, away) + bodies.softening);
    sum += away * (mass[j] * inverse * inverse * inverse);
  }
  ax[i] = sum.x;
  ay[i] = sum.y;
  az[i] = sum.z;
  px[i] = here.x + (vx[i] + sum.x * bodies.step) * bodies.step;
  py[i] = here.y + (vy[i] + sum.y * bodies.step) * bodies.step;
  pz[i] = here.z + (vz[i] + sum.z * bodies.step) * bodies.step;
}

struct Plane { height: u32, width: u32 }
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> goal: array<f32>;
@group(0) @binding(2) var<uniform> plane: Plane;

@compute @workgroup_size(32, 8)
fn stencil(@builtin(global_invocation_id) id: vec3<u32>) {
  let j = id.x + 1;
  let i = id.y + 1;
  if (i >= plane.height - 1 || j >= plane.width - 1) { return; }
  let at = i * plane.width + j;
  let around = source[at - plane.width] + source[at + plane.width] + source[at - 1] + source[at + 1];
  goal[at] = 0.5 * source[at] + 0.125 * around;
}

struct Length { n: u32 }
@group(0) @binding(0) var<storage, read> terms: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> length_of: Length;
var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(256)
fn total(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) item: u32,
         @builtin(num_workgroups) groups: vec3<u32>) {
  var sum = 0.0;
  for (var k = id.x; k < length_of.n; k += groups.x * 256) { sum += terms[k]; }
  partial[item] = sum;
  workgroupBarrier();
  for (var half_way = 128u; half_way > 0; half_way /= 2) {
    if (item < half_way) { partial[item] += partial[item + half_way]; }
    workgroupBarrier();
  }
  if (item == 0) {
    // WGSL has no atomics on floats: the sum is exchanged by its bits.
    var seen = atomicLoad(&result[0]);
    loop {
      let tried = atomicCompareExchangeWeak(&result[0], seen, bitcast<u32>(bitcast<f32>(seen) + partial[0]));
      if (tried.exchanged) { break; }
      seen = tried.old_value;
    }
  }
}

struct Side { n: u32 }
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;
@group(0) @binding(3) var<uniform> side: Side;

@compute @workgroup_size(32, 8)
fn matmul(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.y >= side.n || id.x >= side.n) { return; }
  var sum = 0.0;
  for (var k = 0u; k < side.n; k++) { sum += left[id.y * side.n + k] * right[k * side.n + id.x]; }
  product[id.y * side.n + id.x] = sum;
}
