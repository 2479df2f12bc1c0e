/* The pool's workers and the state they share with the launching threads. */
#ifndef GYRAL_CREW_H
#define GYRAL_CREW_H

#include <pthread.h>
#include <stdatomic.h>

#include "scratch.h"
#include "share.h"
#include "topology.h"

/* A parked thread takes 20 us and more to come back, so threads spin this long before they park. */
enum { GY_SPIN_NS = 40 * 1000, GY_WAKES_AT_ONCE = 2 };

typedef struct gy_job {
    gy_share share;
    int base;             /* the worker that slot 0 belongs to */
    int to_wake;          /* parked workers still to be woken, by those who join */
    int closed;           /* the caller is waiting for `running` to reach zero */
    _Atomic int drained;  /* nothing left to take */
    _Atomic unsigned running; /* workers inside; the job's memory lives until this is zero */
    unsigned char *taken; /* per slot */
    struct gy_job *next;
} gy_job;

typedef struct gy_worker {
    pthread_cond_t wake;
    gy_scratch scratch;
    int index;
    int live;
    int parked;
    int tied_for; /* the thread count its CPU affinity was chosen for */
} gy_worker;

/* All but the atomics under the mutex. */
typedef struct gy_crew {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    gy_job *jobs;
    int threads; /* that a launch may use; 0 until asked for or set */
    int live;
    int spin_pays;
    unsigned generation;  /* changes in a forked child */
    _Atomic unsigned posts; /* changes with every job posted; spinning workers watch it */
    _Atomic int spinning;
    gy_topology *topology;
    gy_worker *worker[GY_MAX_CPUS];
} gy_crew;

extern gy_crew gy_the_crew;

/* Sections under the mutex are far shorter than a trip through the kernel: spin before sleeping. */
void gy_crew_lock(void);
void gy_crew_unlock(void);

/* Waits on `done`, with the mutex held. */
void gy_crew_wait_done(int64_t at_most_ns);

/* Spins, without the mutex, while `word` holds `seen`, for GY_SPIN_NS at most. */
void gy_crew_spin(const _Atomic unsigned *word, unsigned seen);

/* Prepares conditions and the fork handlers, once. */
void gy_crew_prepare(void);

/* With the mutex held, for all of these. */

/* The threads a launch may use; reads the machine at first use, never at import. */
int gy_crew_threads(void);
/* Replaces what is known of the machine, and goes back to its number of CPUs.  Takes `topology`. */
void gy_crew_set_topology(gy_topology *topology);
/* The worker whose place the calling thread is in: its CPU, or else its NUMA node. */
int gy_crew_near(void);
/* Starts the worker's thread unless it lives; 0 when the system refuses. */
int gy_crew_start(int index, int *started);
/* Takes up to GY_WAKES_AT_ONCE parked workers for the job, nearest slot first.  Each worker that
 * joins takes two more, so a wide launch wakes in a tree. */
int gy_crew_take_parked(gy_job *job, gy_worker *woken[GY_WAKES_AT_ONCE]);

/* Without the mutex. */
void gy_crew_wake(gy_worker *woken[], int count);

#endif
