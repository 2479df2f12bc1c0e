/* Time and the spin hint, for the pool and the launch estimates. */
#ifndef GYRAL_CLOCK_H
#define GYRAL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t gy_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void gy_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
