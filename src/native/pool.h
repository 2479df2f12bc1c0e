/* The persistent work-sharing pool.  One per process; workers start at the first launch that wants
 * them, take part in any launch that has room, and park when there is nothing to do.  Several
 * threads may run work at once: each takes part in its own, so none can wait for ever.  After a
 * fork the child starts with no workers and makes its own. */
#ifndef GYRAL_POOL_H
#define GYRAL_POOL_H

#include "share.h"
#include "topology.h"

typedef enum gy_status {
    GY_OK = 0,
    GY_NO_MEMORY,
    GY_FORKED, /* the process was forked from inside the launch: this is the child, without helpers */
} gy_status;

/* Threads a launch may use, the caller's included.  Unless set: the CPUs in the affinity mask. */
int gy_pool_threads(void);

/* Sets that number (1 to GY_MAX_CPUS); 0 goes back to the default. */
void gy_pool_set_threads(int threads);

/* Places workers by this description of the machine from now on, and goes back to the default number
 * of threads.  Takes over `topology`, which malloc made. */
void gy_pool_set_topology(gy_topology *topology);

/* Workers alive now. */
int gy_pool_workers(void);

/* Runs all items and returns when they are done or dropped. */
gy_status gy_pool_run(const gy_work *work, gy_outcome *outcome);

#endif
