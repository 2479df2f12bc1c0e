// Shares the ISPC kernels' ranges out over OpenMP threads, under the names and signatures of kernels.cpp.
#include <omp.h>

extern "C" {
void ispc_saxpy(float, const float *, float *, int, int);
void ispc_black_scholes(const float *, const float *, const float *, float *, float *, float, float, int, int);
void ispc_mandelbrot(int *, int, int, int, int, int);
void ispc_nbody(const float *, const float *, const float *, const float *, const float *, const float *,
                const float *, float *, float *, float *, float *, float *, float *, float, float, int, int, int);
void ispc_stencil(const float *, float *, int, int, int);
float ispc_total(const float *, int, int);
void ispc_matmul(const float *, const float *, float *, int, int, int);
}

// Runs body(begin, end) once per thread over [first, last), cut at multiples of `grain` from `first`.
template <class Body> static void share(long first, long last, long grain, Body body) {
  int threads = omp_get_max_threads();
  long grains = (last - first + grain - 1) / grain;
#pragma omp parallel for schedule(static)
  for (int t = 0; t < threads; t++) {
    long begin = first + grains * t / threads * grain, end = first + grains * (t + 1) / threads * grain;
    if (end > last)
      end = last;
    if (begin < end)
      body((int)begin, (int)end);
  }
}

extern "C" {
void saxpy(float a, const float *x, float *y, long n) {
  share(0, n, 1024, [=](int begin, int end) { ispc_saxpy(a, x, y, begin, end); });
}

void saxpy_serial(float a, const float *x, float *y, long n) { ispc_saxpy(a, x, y, 0, (int)n); }

void black_scholes(const float *spot, const float *strike, const float *years, float *call, float *put, float rate,
                   float volatility, long n) {
  share(0, n, 1024, [=](int begin, int end) {
    ispc_black_scholes(spot, strike, years, call, put, rate, volatility, begin, end);
  });
}

void mandelbrot(int *counts, int width, int height, int max_iterations) {
  int bands = (height + 3) / 4;
#pragma omp parallel for schedule(dynamic)
  for (int band = 0; band < bands; band++) {
    int begin = band * 4, end = begin + 4 < height ? begin + 4 : height;
    ispc_mandelbrot(counts, width, height, max_iterations, begin, end);
  }
}

void nbody(const float *x, const float *y, const float *z, const float *vx, const float *vy, const float *vz,
           const float *mass, float *ax, float *ay, float *az, float *px, float *py, float *pz, float softening,
           float step, int n) {
  share(0, n, 256, [=](int begin, int end) {
    ispc_nbody(x, y, z, vx, vy, vz, mass, ax, ay, az, px, py, pz, softening, step, n, begin, end);
  });
}

void stencil(const float *source, float *target, int n) {
  share(1, n - 1, 1, [=](int begin, int end) { ispc_stencil(source, target, n, begin, end); });
}

float total(const float *x, long n) {
  int threads = omp_get_max_threads();
  float result = 0;
#pragma omp parallel for schedule(static) reduction(+ : result)
  for (int t = 0; t < threads; t++)
    result += ispc_total(x, (int)(n / 1024 * t / threads * 1024), (int)(n / 1024 * (t + 1) / threads * 1024));
  return result;
}

void matmul(const float *left, const float *right, float *product, int n) {
  share(0, n, 1, [=](int begin, int end) { ispc_matmul(left, right, product, n, begin, end); });
}
}
