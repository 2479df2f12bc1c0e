/* What the machine can do at most: memory traffic of three patterns, and multiply-adds in registers. */
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
typedef __m512 vector;
#define SET _mm512_set1_ps
#define LOAD _mm512_load_ps
#define ADD _mm512_add_ps
#define FMA _mm512_fmadd_ps
#define STREAM _mm512_stream_ps
#define FENCE _mm_sfence()
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LANES 8
typedef __m256 vector;
#define SET _mm256_set1_ps
#define LOAD _mm256_load_ps
#define ADD _mm256_add_ps
#define FMA _mm256_fmadd_ps
#define STREAM _mm256_stream_ps
#define FENCE _mm_sfence()
#else
#define LANES 4
typedef float vector __attribute__((vector_size(16)));
#define SET(value) ((vector){value, value, value, value})
#define LOAD(from) (*(const vector *)(from))
#define ADD(a, b) ((a) + (b))
#define FMA(a, b, c) ((a) * (b) + (c))
#define STREAM(to, value) (*(vector *)(to) = (value)) /* an ordinary store: no streaming one is known here */
#define FENCE ((void)0)
#endif
#define CHAINS 8

void triad(const float *restrict b, const float *restrict c, float *restrict a, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++)
    a[i] = b[i] + 3.0f * c[i];
}

/* Stores that do not first read the line they overwrite; arrays are 64-byte aligned, n a multiple of 16. */
void triad_streaming(const float *restrict b, const float *restrict c, float *restrict a, long n) {
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (long i = 0; i < n; i += LANES)
      STREAM(a + i, FMA(SET(3.0f), LOAD(c + i), LOAD(b + i)));
    FENCE;
  }
}

void update(const float *restrict x, float *restrict y, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++)
    y[i] = 3.0f * x[i] + y[i];
}

void copy(const float *restrict b, float *restrict a, long n) {
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < n; i++)
    a[i] = b[i];
}

void copy_streaming(const float *restrict b, float *restrict a, long n) {
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (long i = 0; i < n; i += LANES)
      STREAM(a + i, LOAD(b + i));
    FENCE;
  }
}

/* Adds up in eight chains, so that memory is the limit and not the latency of an addition. */
float read_all(const float *restrict x, long n) {
  float sum = 0;
#pragma omp parallel reduction(+ : sum)
  {
    float lanes[CHAINS * LANES] = {0};
    vector chain[CHAINS];
    for (int k = 0; k < CHAINS; k++)
      chain[k] = SET(0.0f);
#pragma omp for schedule(static)
    for (long i = 0; i < n; i += CHAINS * LANES) {
#pragma GCC unroll 8
      for (int k = 0; k < CHAINS; k++)
        chain[k] = ADD(chain[k], LOAD(x + i + k * LANES));
    }
    memcpy(lanes, chain, sizeof chain);
    for (int k = 0; k < CHAINS * LANES; k++)
      sum += lanes[k];
  }
  return sum;
}

/* `operations` multiplications and additions on each thread, in independent chains. */
void multiply_add(long operations, float *sink) {
  long rounds = operations / (2 * 16 * LANES);
#pragma omp parallel
  {
    vector sum[16], factor = SET(0.999f), term = SET(0.001f);
    for (int k = 0; k < 16; k++)
      sum[k] = SET((float)k);
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 16
      for (int k = 0; k < 16; k++)
        sum[k] = FMA(sum[k], factor, term);
    }
    vector all = sum[0];
    for (int k = 1; k < 16; k++)
      all = FMA(all, factor, sum[k]);
    float lane;
    memcpy(&lane, &all, sizeof lane);
#pragma omp critical
    *sink += lane;
  }
}
