/* The benchmark's kernels as they are written by hand in OpenCL C 1.2: the same algorithms, one element per item. */

__kernel void saxpy(float a, __global const float *restrict x, __global float *restrict y, int n) {
  int i = get_global_id(0);
  if (i < n)
    y[i] = a * x[i] + y[i];
}

/* Abramowitz and Stegun 26.2.17. */
float normal_cdf(float x) {
  float size = fabs(x), k = 1.0f / (1.0f + 0.2316419f * size);
  float series =
      0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)));
  float upper = 1.0f - 0.39894228f * exp(-size * size * 0.5f) * k * series;
  return x < 0.0f ? 1.0f - upper : upper;
}

__kernel void black_scholes(__global const float *restrict spot, __global const float *restrict strike,
                            __global const float *restrict years, __global float *restrict call,
                            __global float *restrict put, float rate, float volatility, int n) {
  int i = get_global_id(0);
  if (i >= n)
    return;
  float s = spot[i], k = strike[i], t = years[i];
  float root = volatility * sqrt(t);
  float d1 = (log(s / k) + (rate + 0.5f * volatility * volatility) * t) / root;
  float d2 = d1 - root, discounted = k * exp(-rate * t);
  call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
  put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
}

__kernel void mandelbrot(__global int *restrict counts, int most, int height, int width) {
  int column = get_global_id(0), row = get_global_id(1);
  if (row >= height || column >= width)
    return;
  float cx = -2.0f + column * (3.0f / width), cy = -1.0f + row * (2.0f / height);
  float zx = cx, zy = cy;
  int count = 0;
  while (count < most && zx * zx + zy * zy <= 4.0f) {
    float next = cx + zx * zx - zy * zy;
    zy = cy + 2.0f * zx * zy;
    zx = next;
    count++;
  }
  counts[row * width + column] = count;
}

__kernel void nbody(__global const float *restrict x, __global const float *restrict y,
                    __global const float *restrict z, __global const float *restrict vx,
                    __global const float *restrict vy, __global const float *restrict vz,
                    __global const float *restrict mass, __global float *restrict ax, __global float *restrict ay,
                    __global float *restrict az, __global float *restrict px, __global float *restrict py,
                    __global float *restrict pz, float softening, float step, int n) {
  int i = get_global_id(0);
  if (i >= n)
    return;
  float xi = x[i], yi = y[i], zi = z[i], sx = 0.0f, sy = 0.0f, sz = 0.0f;
  for (int j = 0; j < n; j++) {
    float dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
    float inverse = rsqrt(dx * dx + dy * dy + dz * dz + softening);
    float weight = mass[j] * inverse * inverse * inverse;
    sx += dx * weight;
    sy += dy * weight;
    sz += dz * weight;
  }
  ax[i] = sx;
  ay[i] = sy;
  az[i] = sz;
  px[i] = xi + (vx[i] + sx * step) * step;
  py[i] = yi + (vy[i] + sy * step) * step;
  pz[i] = zi + (vz[i] + sz * step) * step;
}

__kernel void stencil(__global const float *restrict source, __global float *restrict target, int height,
                      int width) {
  int j = get_global_id(0) + 1, i = get_global_id(1) + 1;
  if (i >= height - 1 || j >= width - 1)
    return;
  __global const float *here = source + i * width + j;
  target[i * width + j] = 0.5f * here[0] + 0.125f * (here[-width] + here[width] + here[-1] + here[1]);
}

/* OpenCL C 1.2 has no atomics on floats: the sum is exchanged by its bits. */
void add_to(volatile __global uint *place, float value) {
  uint seen = *place, expected;
  do {
    expected = seen;
    seen = atomic_cmpxchg(place, expected, as_uint(as_float(expected) + value));
  } while (seen != expected);
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void total(__global const float *restrict x,
                                                                     __global uint *restrict result, int n) {
  __local float partial[256];
  int item = get_local_id(0);
  float sum = 0.0f;
  for (int k = get_global_id(0); k < n; k += get_global_size(0))
    sum += x[k];
  partial[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_way = 128; half_way > 0; half_way /= 2) {
    if (item < half_way)
      partial[item] += partial[item + half_way];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0)
    add_to(result, partial[0]);
}

__kernel void matmul(__global const float *restrict left, __global const float *restrict right,
                     __global float *restrict product, int n) {
  int j = get_global_id(0), i = get_global_id(1);
  if (i >= n || j >= n)
    return;
  float dot = 0.0f;
  for (int k = 0; k < n; k++)
    dot += left[i * n + k] * right[k * n + j];
  product[i * n + j] = dot;
}
