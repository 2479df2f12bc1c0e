// Just enough of CUDA C++ for generated kernels to be compiled as C++ and run on fibres (../msl/fibres.cpp).
// Warp functions insist that the mask names the lanes that exist, no more and no fewer.
#pragma once
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "shim.hpp"

typedef unsigned long long shim_word;

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(N)
#define __shared__ alignas(16) static __attribute__((section(SHIM_SECTION)))
#define __align__(N)
#define __syncthreads() shim_meet(1, __LINE__)

struct shim_dim {
    unsigned x, y, z;
};
inline shim_dim shim_of(const unsigned *at) { return {at[0], at[1], at[2]}; }
#define threadIdx (shim_of(shim_here.at))
#define blockIdx (shim_of(shim_here.group))
#define gridDim (shim_of(shim_here.groups))

#define SHIM_VECTOR(T, N)                                                                                      \
    struct alignas(sizeof(T) * 2) N##2 {                                                                       \
        T x, y;                                                                                                \
    };                                                                                                         \
    struct alignas(16) N##4 {                                                                                  \
        T x, y, z, w;                                                                                          \
    };                                                                                                         \
    inline N##2 make_##N##2(T x, T y) { return {x, y}; }                                                       \
    inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SHIM_VECTOR(float, float)
SHIM_VECTOR(int, int)
SHIM_VECTOR(unsigned, uint)
SHIM_VECTOR(double, double)
SHIM_VECTOR(long long, longlong)
SHIM_VECTOR(shim_word, ulonglong)
template <class T> inline T __ldg(const T *at) { return *at; }

template <class To, class From> inline To shim_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "bits of one width");
    To found;
    memcpy(&found, &value, sizeof found);
    return found;
}
inline unsigned __float_as_uint(float a) { return shim_bits<unsigned>(a); }
inline float __uint_as_float(unsigned a) { return shim_bits<float>(a); }
inline long long __double_as_longlong(double a) { return shim_bits<long long>(a); }
inline double __longlong_as_double(long long a) { return shim_bits<double>(a); }

// What cvt.rzi gives, NaN included.
template <class To, class From> inline To shim_truncated(From a, To nan) {
    const int bits = 8 * sizeof(To);
    const bool is_signed = To(-1) < To(0);
    if (a != a) return nan;
    const From limit = std::ldexp(From(1), bits - is_signed);
    if (a >= limit) return is_signed ? To((shim_word(1) << (bits - 1)) - 1) : To(-1);
    if (a <= (is_signed ? -limit : From(0))) return is_signed ? To(shim_word(1) << (bits - 1)) : To(0);
    return To(a);
}
const long long shim_high = (long long)(1ull << 63);
inline int __float2int_rz(float a) { return shim_truncated<int>(a, 0); }
inline unsigned __float2uint_rz(float a) { return shim_truncated<unsigned>(a, 0u); }
inline long long __float2ll_rz(float a) { return shim_truncated<long long>(a, shim_high); }
inline shim_word __float2ull_rz(float a) { return shim_truncated<shim_word>(a, (shim_word)shim_high); }
inline int __double2int_rz(double a) { return shim_truncated<int>(a, (int)0x80000000); }
inline unsigned __double2uint_rz(double a) { return shim_truncated<unsigned>(a, 0x80000000u); }
inline long long __double2ll_rz(double a) { return shim_truncated<long long>(a, shim_high); }
inline shim_word __double2ull_rz(double a) { return shim_truncated<shim_word>(a, (shim_word)shim_high); }

#define SHIM_ROUNDED(NAME, SIGN)                                                                               \
    inline float __f##NAME##_rn(float a, float b) { return a SIGN b; }                                         \
    inline double __d##NAME##_rn(double a, double b) { return a SIGN b; }
SHIM_ROUNDED(add, +)
SHIM_ROUNDED(sub, -)
SHIM_ROUNDED(mul, *)
SHIM_ROUNDED(div, /)
// By the name of the PTX instruction, dots as underscores.
inline unsigned short shim_cvt_rn_f16_f32(float a) { return shim_bits<unsigned short>((_Float16)a); }
inline float shim_cvt_f32_f16(unsigned short a) { return (float)shim_bits<_Float16>(a); }
inline unsigned short shim_cvt_rn_bf16_f32(float a) {
    const unsigned b = __float_as_uint(a);
    return a != a ? 0x7fff : (unsigned short)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}
inline float shim_sqrt_approx_f32(float a) { return sqrtf(a); }

inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(shim_word a) { return __builtin_popcountll(a); }
inline int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
inline int __clzll(long long a) { return a ? __builtin_clzll((shim_word)a) : 64; }
inline shim_word __brevll(shim_word a) {
    shim_word found = 0;
    for (int k = 0; k < 64; k++) found |= (a >> k & 1) << (63 - k);
    return found;
}
inline unsigned __brev(unsigned a) { return (unsigned)(__brevll(a) >> 32); }

#define SHIM_ATOMIC(NAME, T, RESULT)                                                                           \
    inline T atomic##NAME(T *at, T v) {                                                                        \
        const T old = *at;                                                                                     \
        *at = RESULT;                                                                                          \
        return old;                                                                                            \
    }
#define SHIM_ATOMICS(T)                                                                                        \
    SHIM_ATOMIC(Min, T, v < old ? v : old)                                                                     \
    SHIM_ATOMIC(Max, T, v > old ? v : old)
#define SHIM_WORD_ATOMICS(T)                                                                                   \
    SHIM_ATOMIC(Add, T, old + v)                                                                               \
    SHIM_ATOMIC(And, T, old &v)                                                                                \
    SHIM_ATOMIC(Or, T, old | v)                                                                                \
    SHIM_ATOMIC(Xor, T, old ^ v)                                                                               \
    SHIM_ATOMIC(Exch, T, v)                                                                                    \
    SHIM_ATOMICS(T)                                                                                            \
    inline T atomicCAS(T *at, T expected, T v) {                                                               \
        const T old = *at;                                                                                     \
        if (old == expected) *at = v;                                                                          \
        return old;                                                                                            \
    }
SHIM_WORD_ATOMICS(unsigned)
SHIM_WORD_ATOMICS(shim_word)
SHIM_ATOMICS(int)
SHIM_ATOMICS(long long)
SHIM_ATOMIC(Add, float, old + v)
SHIM_ATOMIC(Add, double, old + v)
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline long long clock64() {
    static long long now = 0;
    return ++now;
}

inline unsigned shim_first() { return shim_linear() & ~31u; }
inline unsigned shim_lanes() {
    const unsigned left = shim_threads() - shim_first();
    return left < 32 ? left : 32;
}
inline void shim_insist(unsigned mask) {
    if (mask != (unsigned)((1ull << shim_lanes()) - 1)) abort();
}
// Every lane's value, in shim_words from the warp's first thread on.
template <class T> inline const shim_word *shim_share(unsigned mask, T value, unsigned line) {
    shim_insist(mask);
    shim_meet(0, 2 * line);
    shim_words[shim_linear()] = 0;
    memcpy(&shim_words[shim_linear()], &value, sizeof value);
    shim_meet(0, 2 * line + 1);
    return shim_words + shim_first();
}
template <class T> inline T shim_from(const shim_word *words, unsigned lane) {
    T found;
    memcpy(&found, words + lane, sizeof found);
    return found;
}
// A lane that does not exist gives what is of no account; one outside of the warp gives the caller's own.
template <class T> inline T shim_lane(unsigned mask, T value, long lane, unsigned line) {
    const shim_word *words = shim_share(mask, value, line);
    return lane < 0 || lane > 31 ? value : lane >= shim_lanes() ? T(77) : shim_from<T>(words, lane);
}
template <class T> inline T __shfl_sync(unsigned m, T v, int lane, unsigned line = __builtin_LINE()) {
    return shim_lane(m, v, lane & 31, line);
}
template <class T> inline T __shfl_up_sync(unsigned m, T v, unsigned by, unsigned line = __builtin_LINE()) {
    return shim_lane(m, v, (long)(shim_linear() & 31) - by, line);
}
template <class T> inline T __shfl_down_sync(unsigned m, T v, unsigned by, unsigned line = __builtin_LINE()) {
    return shim_lane(m, v, (long)(shim_linear() & 31) + by, line);
}
template <class T> inline T __shfl_xor_sync(unsigned m, T v, int by, unsigned line = __builtin_LINE()) {
    return shim_lane(m, v, (shim_linear() & 31) ^ by, line);
}
inline unsigned __ballot_sync(unsigned m, bool v, unsigned line = __builtin_LINE()) {
    const shim_word *words = shim_share(m, (unsigned)v, line);
    unsigned found = 0;
    for (unsigned k = 0; k < shim_lanes(); k++) found |= (unsigned)(words[k] & 1) << k;
    return found;
}
#define SHIM_REDUCE(NAME, RESULT)                                                                              \
    template <class T> inline T __reduce_##NAME##_sync(unsigned m, T v, unsigned line = __builtin_LINE()) {    \
        const shim_word *words = shim_share(m, v, line);                                                       \
        T a = shim_from<T>(words, 0);                                                                          \
        for (unsigned k = 1; k < shim_lanes(); k++) {                                                          \
            const T b = shim_from<T>(words, k);                                                                \
            a = RESULT;                                                                                        \
        }                                                                                                      \
        return a;                                                                                              \
    }
SHIM_REDUCE(add, (T)((unsigned)a + (unsigned)b))
SHIM_REDUCE(min, b < a ? b : a)
SHIM_REDUCE(max, b > a ? b : a)
SHIM_REDUCE(and, a &b)
SHIM_REDUCE(or, a | b)
