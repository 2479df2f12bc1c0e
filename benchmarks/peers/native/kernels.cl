/* The benchmark kernels in OpenCL C, one work item per element. */

__kernel void saxpy(float a, __global const float *restrict x, __global float *restrict y) {
  int i = get_global_id(0);
  y[i] = a * x[i] + y[i];
}

float normal_cdf(float x) {
  float size = fabs(x), k = 1.f / (1.f + 0.2316419f * size);
  float series = 0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)));
  float upper = 1.f - 0.39894228f * exp(-size * size * 0.5f) * k * series;
  return x < 0 ? 1.f - upper : upper;
}

__kernel void black_scholes(__global const float *restrict spot, __global const float *restrict strike,
                            __global const float *restrict years, __global float *restrict call,
                            __global float *restrict put, float rate, float volatility) {
  int i = get_global_id(0);
  float root = volatility * sqrt(years[i]);
  float d1 = (log(spot[i] / strike[i]) + (rate + .5f * volatility * volatility) * years[i]) / root;
  float d2 = d1 - root, discounted = strike[i] * exp(-rate * years[i]);
  float s = spot[i];
  call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
  put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
}

__kernel void mandelbrot(__global int *counts, int max_iterations) {
  int column = get_global_id(0), row = get_global_id(1), width = get_global_size(0), height = get_global_size(1);
  float cx = -2.f + column * (3.f / width), cy = -1.f + row * (2.f / height), zx = cx, zy = cy;
  int count = 0;
  while (count < max_iterations && zx * zx + zy * zy <= 4.f) {
    float x = zx * zx - zy * zy, y = 2.f * zx * zy;
    zx = cx + x;
    zy = cy + y;
    count++;
  }
  counts[row * width + column] = count;
}

__kernel void nbody(__global const float *restrict x, __global const float *restrict y,
                    __global const float *restrict z, __global const float *restrict vx,
                    __global const float *restrict vy, __global const float *restrict vz,
                    __global const float *restrict mass, __global float *restrict ax, __global float *restrict ay,
                    __global float *restrict az, __global float *restrict px, __global float *restrict py,
                    __global float *restrict pz, float softening, float step) {
  int i = get_global_id(0), n = get_global_size(0);
  float sx = 0, sy = 0, sz = 0, xi = x[i], yi = y[i], zi = z[i];
  for (int j = 0; j < n; j++) {
    float dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
    float inverse = rsqrt(dx * dx + dy * dy + dz * dz + softening), weight = mass[j] * inverse * inverse * inverse;
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

__kernel void stencil(__global const float *restrict source, __global float *restrict target) {
  int j = get_global_id(0), i = get_global_id(1), n = get_global_size(0);
  if (i > 0 && j > 0 && i < n - 1 && j < n - 1)
    target[i * n + j] = 0.5f * source[i * n + j] + 0.125f * (source[(i - 1) * n + j] + source[(i + 1) * n + j] +
                                                             source[i * n + j - 1] + source[i * n + j + 1]);
}

__kernel void total(__global const float *restrict x, __global float *restrict partial, int per_item) {
  __local float sums[256];
  int item = get_local_id(0), group = get_group_id(0);
  float own = 0;
  for (int k = 0; k < per_item; k++)
    own += x[(group * per_item + k) * 256 + item];
  sums[item] = own;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_way = 128; half_way > 0; half_way /= 2) {
    if (item < half_way)
      sums[item] += sums[item + half_way];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0)
    partial[group] = sums[0];
}

__kernel void matmul(__global const float *restrict left, __global const float *restrict right,
                     __global float *restrict product) {
  int j = get_global_id(0), i = get_global_id(1), n = get_global_size(0);
  float dot = 0;
  for (int k = 0; k < n; k++)
    dot += left[i * n + k] * right[k * n + j];
  product[i * n + j] = dot;
}
