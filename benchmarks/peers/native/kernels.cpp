// The benchmark kernels as plain C++ loops under OpenMP.
#include <cmath>

extern "C" {

void saxpy(float a, const float *__restrict x, float *__restrict y, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++)
    y[i] = a * x[i] + y[i];
}

void saxpy_serial(float a, const float *__restrict x, float *__restrict y, long n) {
  for (long i = 0; i < n; i++)
    y[i] = a * x[i] + y[i];
}

static inline float normal_cdf(float x) {
  float size = fabsf(x), k = 1.f / (1.f + 0.2316419f * size);
  float series = 0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)));
  float upper = 1.f - 0.39894228f * expf(-size * size * 0.5f) * k * series;
  return x < 0 ? 1.f - upper : upper;
}

void black_scholes(const float *__restrict spot, const float *__restrict strike, const float *__restrict years,
                   float *__restrict call, float *__restrict put, float rate, float volatility, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++) {
    float s = spot[i], root = volatility * sqrtf(years[i]);
    float d1 = (logf(s / strike[i]) + (rate + .5f * volatility * volatility) * years[i]) / root;
    float d2 = d1 - root, discounted = strike[i] * expf(-rate * years[i]);
    call[i] = s * normal_cdf(d1) - discounted * normal_cdf(d2);
    put[i] = discounted * normal_cdf(-d2) - s * normal_cdf(-d1);
  }
}

void mandelbrot(int *__restrict counts, int width, int height, int max_iterations) {
#pragma omp parallel for schedule(dynamic, 4)
  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++) {
      float cx = -2.f + column * (3.f / width), cy = -1.f + row * (2.f / height), zx = cx, zy = cy;
      int count = 0;
      for (; count < max_iterations && zx * zx + zy * zy <= 4.f; count++) {
        float x = zx * zx - zy * zy, y = 2.f * zx * zy;
        zx = cx + x;
        zy = cy + y;
      }
      counts[row * width + column] = count;
    }
}

#define NBODY(NAME, PRAGMA)                                                                                       \
  void NAME(const float *__restrict x, const float *__restrict y, const float *__restrict z,                      \
            const float *__restrict vx, const float *__restrict vy, const float *__restrict vz,                   \
            const float *__restrict mass, float *__restrict ax, float *__restrict ay, float *__restrict az,       \
            float *__restrict px, float *__restrict py, float *__restrict pz, float softening, float step,        \
            int n) {                                                                                              \
    PRAGMA                                                                                                        \
    for (int i = 0; i < n; i++) {                                                                                 \
      float sx = 0, sy = 0, sz = 0, xi = x[i], yi = y[i], zi = z[i];                                              \
      for (int j = 0; j < n; j++) {                                                                               \
        float dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;                                                     \
        float inverse = 1.f / sqrtf(dx * dx + dy * dy + dz * dz + softening);                                     \
        float weight = mass[j] * inverse * inverse * inverse;                                                     \
        sx += dx * weight;                                                                                        \
        sy += dy * weight;                                                                                        \
        sz += dz * weight;                                                                                        \
      }                                                                                                           \
      ax[i] = sx;                                                                                                 \
      ay[i] = sy;                                                                                                 \
      az[i] = sz;                                                                                                 \
      px[i] = xi + (vx[i] + sx * step) * step;                                                                    \
      py[i] = yi + (vy[i] + sy * step) * step;                                                                    \
      pz[i] = zi + (vz[i] + sz * step) * step;                                                                    \
    }                                                                                                             \
  }

NBODY(nbody_inner, _Pragma("omp parallel for schedule(static)"))       // lanes over the other bodies
NBODY(nbody_outer, _Pragma("omp parallel for simd schedule(static)"))  // lanes over the bodies

void stencil(const float *__restrict source, float *__restrict target, int n) {
#pragma omp parallel for schedule(static)
  for (int i = 1; i < n - 1; i++)
    for (int j = 1; j < n - 1; j++)
      target[i * n + j] = 0.5f * source[i * n + j] + 0.125f * (source[(i - 1) * n + j] + source[(i + 1) * n + j] +
                                                               source[i * n + j - 1] + source[i * n + j + 1]);
}

float total(const float *__restrict x, long n) {
  float result = 0;
#pragma omp parallel for simd reduction(+ : result) schedule(static)
  for (long i = 0; i < n; i++)
    result += x[i];
  return result;
}

void matmul(const float *__restrict left, const float *__restrict right, float *__restrict product, int n) {
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) {
#pragma omp simd
    for (int j = 0; j < n; j++) {
      float dot = 0;
      for (int k = 0; k < n; k++)
        dot += left[i * n + k] * right[k * n + j];
      product[i * n + j] = dot;
    }
  }
}
}
