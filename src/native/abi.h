/* The calling convention of a compiled CPU kernel.  The emitter writes functions of this shape. */
#ifndef GYRAL_ABI_H
#define GYRAL_ABI_H

#include <stdint.h>

#if defined(__x86_64__)
#define GY_ABI __attribute__((sysv_abi))
#else
#define GY_ABI
#endif

/* Extents are right-aligned: a launch of rank 1 uses entry 2 and has 1 in the entries before it. */
typedef struct gy_frame {
    int64_t shape[3];
    int64_t block[3]; /* all 1 when the kernel has no block of its own */
    int64_t grid[3];  /* work items per axis: ceil(shape / item extents) */
    void *record;     /* fault and print records, NULL when the kernel writes none */
    uint64_t slot[];  /* packed arguments in parameter order */
} gy_frame;

/* Runs the work items [begin, end) of the linearised grid, last axis fastest. */
typedef void(GY_ABI *gy_entry)(const gy_frame *frame, int64_t begin, int64_t end, void *scratch);

/* Words of the record buffer before the first print record. */
enum { GY_RECORD_HEADER_WORDS = 10 };

#endif
