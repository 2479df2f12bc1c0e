/* Per-thread scratch memory for kernels: grown on demand, reused, given back when it is large. */
#ifndef GYRAL_SCRATCH_H
#define GYRAL_SCRATCH_H

#include <stddef.h>

enum { GY_SCRATCH_KEEP = 16 * 1024 * 1024 };

typedef struct gy_scratch {
    void *memory; /* 64-byte aligned */
    size_t bytes;
    int taken;
} gy_scratch;

/* At least `bytes` of memory whose contents are undefined, or NULL when there is none (or none was
 * asked for).  A take while one is out (a kernel launched by a signal handler that runs inside
 * another launch) gets memory of its own. */
void *gy_scratch_take(gy_scratch *scratch, size_t bytes);
void gy_scratch_give(gy_scratch *scratch, void *memory);

/* The calling thread's own scratch, freed when the thread ends. NULL when there is no memory. */
gy_scratch *gy_scratch_here(void);

#endif
