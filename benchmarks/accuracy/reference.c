/* Reference values and error measurement for the maths library.
 *
 * f32 results are compared with the double-precision libm of the system, f64 results with libquadmath.
 * An error is |got - true| in units of the last place of the true value (subnormals included). A wrong
 * infinity, NaN or sign of zero counts as an infinite error. A difference of no more than `absolute` counts as none.
 *
 * Build: gcc -O3 -march=native -ffp-contract=off -fopenmp -shared -fPIC reference.c -o reference.so -lquadmath -lm
 */
#include <math.h>
#include <quadmath.h>
#include <stdint.h>
#include <string.h>

typedef double (*unary64)(double);
typedef double (*binary64)(double, double);
typedef __float128 (*unary128)(__float128);
typedef __float128 (*binary128)(__float128, __float128);

static double rsqrt64(double x) { return 1.0 / sqrt(x); }
static double gamma64(double x) { return x == 0.0 ? 1.0 / x : isinf(x) && x < 0 ? NAN : tgamma(x); }
static __float128 rsqrt128(__float128 x) { return 1.0Q / sqrtq(x); }
static __float128 exp2_128(__float128 x) { return exp2q(x); }
static __float128 radians128(__float128 x) { return x * (M_PIq / 180.0Q); }
static __float128 degrees128(__float128 x) { return x * (180.0Q / M_PIq); }
static double radians64(double x) { return (double)radians128(x); }
static double degrees64(double x) { return (double)degrees128(x); }

/* libquadmath's lgamma loses everything beside the zeros on the negative axis; the reflection does not. */
static __float128 lgamma128(__float128 x)
{
    if (!(x < 0) || isinfq(x)) return lgammaq(x);
    __float128 near = rintq(x);
    if (near == x) return HUGE_VALQ;
    return logq(M_PIq / fabsq(sinq(M_PIq * (x - near)) * x)) - lgammaq(-x);
}

static __float128 gamma128(__float128 x)
{
    if (x == 0) return 1.0Q / x;
    if (isinfq(x) && x < 0) return nanq("");
    return tgammaq(x);
}

/* libquadmath's erfc underflows to a coarse result far out; its own range is wide enough for doubles. */
#define UNARY(X)                                                                                              \
    X(exp, exp, expq) X(exp2, exp2, exp2_128) X(expm1, expm1, expm1q) X(log, log, logq)                       \
    X(log2, log2, log2q) X(log10, log10, log10q) X(log1p, log1p, log1pq) X(sin, sin, sinq)                    \
    X(cos, cos, cosq) X(tan, tan, tanq) X(asin, asin, asinq) X(acos, acos, acosq) X(atan, atan, atanq)        \
    X(sinh, sinh, sinhq) X(cosh, cosh, coshq) X(tanh, tanh, tanhq) X(asinh, asinh, asinhq)                    \
    X(acosh, acosh, acoshq) X(atanh, atanh, atanhq) X(cbrt, cbrt, cbrtq) X(erf, erf, erfq)                    \
    X(erfc, erfc, erfcq) X(rsqrt, rsqrt64, rsqrt128) X(sqrt, sqrt, sqrtq) X(gamma, gamma64, gamma128)         \
    X(lgamma, lgamma, lgamma128) X(radians, radians64, radians128) X(degrees, degrees64, degrees128)
#define BINARY(X)                                                                                             \
    X(pow, pow, powq) X(atan2, atan2, atan2q) X(hypot, hypot, hypotq) X(fmod, fmod, fmodq)                    \
    X(remainder, remainder, remainderq)

#define ROW(name, f64, f128) {#name, f64, f128},
static const struct { const char *name; unary64 f64; unary128 f128; } unary[] = {UNARY(ROW)};
static const struct { const char *name; binary64 f64; binary128 f128; } binary[] = {BINARY(ROW)};

static int find_unary(const char *name)
{
    for (unsigned i = 0; i < sizeof unary / sizeof *unary; i++)
        if (!strcmp(unary[i].name, name)) return (int)i;
    return -1;
}

static int find_binary(const char *name)
{
    for (unsigned i = 0; i < sizeof binary / sizeof *binary; i++)
        if (!strcmp(binary[i].name, name)) return (int)i;
    return -1;
}

static double error32(float got, double want, double absolute)
{
    if (isnan(want)) return isnan(got) ? 0.0 : INFINITY;
    if (isnan(got)) return INFINITY;
    float rounded = (float)want;
    if (got == rounded) {
        if (got == 0.0f && want == 0.0) return !signbit(got) == !signbit(want) ? 0.0 : INFINITY;
        if (isinf(got)) return 0.0;
    } else if (isinf(want)) {
        return INFINITY;
    }
    int e = want == 0.0 ? -126 : ilogb(want);
    if (e < -126) e = -126;
    double value = isinf(got) ? copysign(0x1p128, got) : (double)got;
    double error = fabs(value - want);
    return error <= absolute ? 0.0 : error * ldexp(1.0, 23 - e);
}

static double error64(double got, __float128 want, double absolute)
{
    if (isnanq(want)) return isnan(got) ? 0.0 : INFINITY;
    if (isnan(got)) return INFINITY;
    double rounded = (double)want;
    if (got == rounded) {
        if (got == 0.0 && want == 0) return !signbit(got) == !signbitq(want) ? 0.0 : INFINITY;
        if (isinf(got)) return 0.0;
    } else if (isinfq(want)) {
        return INFINITY;
    }
    int e = want == 0 ? -1022 : ilogbq(want);
    if (e < -1022) e = -1022;
    __float128 value = isinf(got) ? copysignq(0x1p1024Q, got) : (__float128)got;
    __float128 error = fabsq(value - want);
    return error <= absolute ? 0.0 : (double)ldexpq(error, 52 - e);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Errors of got[k] = name(float with bits start + k * stride); 0 on success, -1 for an unknown name. */
int sweep(const char *name, uint32_t start, uint32_t stride, int64_t count, const float *got,
          double absolute, double *max_ulp, uint32_t *worst_bits)
{
    int f = find_unary(name);
    if (f < 0) return -1;
    double max = -1.0;
    uint32_t worst = start;
#pragma omp parallel
    {
        double my_max = -1.0;
        uint32_t my_worst = start;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < count; k++) {
            uint32_t bits = start + (uint32_t)k * stride;
            double e = error32(got[k], unary[f].f64(float_of(bits)), absolute);
            if (e > my_max) { my_max = e; my_worst = bits; }
        }
#pragma omp critical
        if (my_max > max) { max = my_max; worst = my_worst; }
    }
    *max_ulp = max;
    *worst_bits = worst;
    return 0;
}

#define COMPARE(FUNC, T, FIND, CALL, ERROR)                                                                   \
    int FUNC(const char *name, const T *x, const T *y, int64_t count, const T *got, double absolute,         \
             double *max_ulp, int64_t *worst)                                                                                  \
    {                                                                                                         \
        (void)y;                                                                                              \
        int f = FIND(name);                                                                                   \
        if (f < 0) return -1;                                                                                 \
        *max_ulp = -1.0;                                                                                      \
        _Pragma("omp parallel")                                                                               \
        {                                                                                                     \
            double my_max = -1.0;                                                                             \
            int64_t my_worst = 0;                                                                             \
            _Pragma("omp for schedule(static)")                                                               \
            for (int64_t k = 0; k < count; k++) {                                                             \
                double e = ERROR(got[k], CALL, absolute);                                                                 \
                if (e > my_max) { my_max = e; my_worst = k; }                                                 \
            }                                                                                                 \
            _Pragma("omp critical")                                                                           \
            if (my_max > *max_ulp) { *max_ulp = my_max; *worst = my_worst; }                                  \
        }                                                                                                     \
        return 0;                                                                                             \
    }

/* Errors of got[k] = name(x[k]) or name(x[k], y[k]); y is ignored (may be NULL) for functions of one value. */
COMPARE(compare_f32, float, find_unary, unary[f].f64(x[k]), error32)
COMPARE(compare2_f32, float, find_binary, binary[f].f64(x[k], y[k]), error32)
COMPARE(compare_f64, double, find_unary, unary[f].f128(x[k]), error64)
COMPARE(compare2_f64, double, find_binary, binary[f].f128(x[k], y[k]), error64)
