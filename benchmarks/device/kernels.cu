// The benchmark's kernels as they are written by hand in CUDA C++: the same algorithms, one element per thread.
// Header-free, so that NVRTC compiles them as nvcc does.

#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

KERNEL(256) saxpy(float a, const float* __restrict__ x, float* __restrict__ y, int n) {
  int i = blockIdx.x * 256 + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

// Abramowitz and Stegun 26.2.17.
__device__ __forceinline__ float normal_cdf(float x) {
  float size = fabsf(x);
  float k = 1.0f / (1.0f + 0.2316419f * size);
  float series =
      0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)));
  float upper = 1.0f - 0.39894228f * expf(-size * size * 0.5f) * k * series;
  return x < 0.0f ? 1.0f - upper : upper;
}

KERNEL(256)
black_scholes(const float* __restrict__ spot, const float* __restrict__ strike, const float* __restrict__ years,
              float* __restrict__ call, float* __restrict__ put, float rate, float volatility, int n) {
  int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= n) return;
  float s = spot[i], k = strike[i], t = years[i];
  float root = volatility * sqrtf(t);
  float d1 = (logf(s / k) + (rate + 0.5f * volatility * volatility) * t) / root;
  float d2 = d1 - root;
  float discounted = k * expf(-rate * t);
  call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
  put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
}

KERNEL(256) mandelbrot(int* __restrict__ counts, int most, int height, int width) {
  int column = blockIdx.x * 32 + threadIdx.x, row = blockIdx.y * 8 + threadIdx.y;
  if (row >= height || column >= width) return;
  float cx = -2.0f + column * (3.0f / width), cy = -1.0f + row * (2.0f / height);
  float zx = cx, zy = cy;
  int count = 0;
  while (count < most && zx * zx + zy * zy <= 4.0f) {
    float next = cx + zx * zx - zy * zy;
    zy = cy + 2.0f * zx * zy;
    zx = next;
    ++count;
  }
  counts[row * width + column] = count;
}

KERNEL(256)
nbody(const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ z,
      const float* __restrict__ vx, const float* __restrict__ vy, const float* __restrict__ vz,
      const float* __restrict__ mass, float* __restrict__ ax, float* __restrict__ ay, float* __restrict__ az,
      float* __restrict__ px, float* __restrict__ py, float* __restrict__ pz, float softening, float step, int n) {
  int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= n) return;
  float xi = x[i], yi = y[i], zi = z[i], sx = 0.0f, sy = 0.0f, sz = 0.0f;
#pragma unroll 4
  for (int j = 0; j < n; ++j) {
    float dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
    float inverse = rsqrtf(dx * dx + dy * dy + dz * dz + softening);
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

KERNEL(256) stencil(const float* __restrict__ source, float* __restrict__ target, int height, int width) {
  int j = blockIdx.x * 32 + threadIdx.x + 1, i = blockIdx.y * 8 + threadIdx.y + 1;
  if (i >= height - 1 || j >= width - 1) return;
  const float* here = source + i * width + j;
  float around = here[-width] + here[width] + here[-1] + here[1];
  target[i * width + j] = 0.5f * here[0] + 0.125f * around;
}

KERNEL(256) total(const float* __restrict__ x, float* __restrict__ result, int n) {
  __shared__ float partial[8];
  float sum = 0.0f;
  for (int k = blockIdx.x * 256 + threadIdx.x; k < n; k += gridDim.x * 256) sum += x[k];
  for (int half_way = 16; half_way > 0; half_way /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half_way);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 8) {
    sum = partial[threadIdx.x];
    for (int half_way = 4; half_way > 0; half_way /= 2) sum += __shfl_down_sync(0xffu, sum, half_way);
    if (threadIdx.x == 0) atomicAdd(result, sum);
  }
}

KERNEL(256)
matmul(const float* __restrict__ left, const float* __restrict__ right, float* __restrict__ product, int n) {
  int j = blockIdx.x * 32 + threadIdx.x, i = blockIdx.y * 8 + threadIdx.y;
  if (i >= n || j >= n) return;
  float dot = 0.0f;
#pragma unroll 4
  for (int k = 0; k < n; ++k) dot += left[i * n + k] * right[k * n + j];
  product[i * n + j] = dot;
}
