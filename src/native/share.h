/* Dividing the items of one launch among threads, and running a thread's part of them. */
#ifndef GYRAL_SHARE_H
#define GYRAL_SHARE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/* What to run.  `poll`, when given, is called on the caller's thread about every 50 ms; a non-zero
 * answer drops the items not yet begun. */
typedef struct gy_work {
    gy_entry entry;
    const gy_frame *frame;
    int64_t begin, end;
    size_t scratch_bytes;
    double ns_per_item;
    int threads; /* the most to use, the caller's own included; 0: what the estimate says */
    int (*poll)(void *context);
    void *poll_context;
} gy_work;

typedef struct gy_outcome {
    int64_t busy_ns; /* summed over the threads that took part */
    int64_t items;   /* items run: all of them unless interrupted */
    int threads;     /* threads that ran at least one item */
    int interrupted;
} gy_outcome;

/* A slot is one thread's contiguous run of chunks, both ends in one word so that the owner (taking
 * from the front) and thieves (taking the back half) never disagree. */
typedef struct gy_slot {
    _Alignas(64) _Atomic uint64_t range;
} gy_slot;

typedef struct gy_share {
    const gy_work *work;
    int64_t chunk; /* items */
    int slots;
    gy_slot *slot;
    int64_t last_poll; /* touched by the caller's thread alone */
    _Atomic int stop;
    _Atomic int threads;
    _Atomic int64_t busy_ns;
    _Atomic int64_t items;
} gy_share;

enum { GY_POLL_NS = 50 * 1000 * 1000 };

/* Gives each of `slots` slots an even, contiguous part, in slot order: the same thread meets the
 * same memory at each launch as long as nothing is stolen. */
void gy_share_divide(gy_share *share, const gy_work *work, gy_slot *slot, int slots);

/* Runs chunks from slot `self`, then steals, until nothing is left.  `caller` marks the thread
 * that polls. */
void gy_share_run(gy_share *share, int self, void *scratch, int caller);

/* Polls when it is time; returns non-zero once the work is to be dropped. */
int gy_share_poll(gy_share *share, int64_t now);

#endif
