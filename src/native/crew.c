#include "crew.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "clock.h"

enum { LOCK_TRIES = 1000 };

gy_crew gy_the_crew = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

void gy_crew_lock(void)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (pthread_mutex_trylock(&gy_the_crew.mutex) == 0)
            return;
        gy_relax();
    }
    pthread_mutex_lock(&gy_the_crew.mutex);
}

void gy_crew_unlock(void) { pthread_mutex_unlock(&gy_the_crew.mutex); }

static void init_condition(pthread_cond_t *condition)
{
#if defined(__APPLE__)
    pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
#endif
}

void gy_crew_wait_done(int64_t ns)
{
#if defined(__APPLE__)
    struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    pthread_cond_timedwait_relative_np(&gy_the_crew.done, &gy_the_crew.mutex, &span);
#else
    int64_t until = gy_now_ns() + ns;
    struct timespec deadline = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    pthread_cond_timedwait(&gy_the_crew.done, &gy_the_crew.mutex, &deadline);
#endif
}

void gy_crew_spin(const _Atomic unsigned *word, unsigned seen)
{
    int64_t until = gy_now_ns() + GY_SPIN_NS;
    do {
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != seen)
                return;
            gy_relax();
        }
        /* On a busy machine the thread waited for may be queued behind this one, on this CPU. */
        sched_yield();
    } while (gy_now_ns() < until);
}

static void before_fork(void) { gy_crew_lock(); }
static void after_fork_in_parent(void) { gy_crew_unlock(); }

static void after_fork_in_child(void)
{
    gy_the_crew.jobs = NULL;
    atomic_store(&gy_the_crew.spinning, 0);
    gy_the_crew.live = 0;
    gy_the_crew.generation++;
    init_condition(&gy_the_crew.done);
    for (int i = 0; i < GY_MAX_CPUS; i++) {
        gy_worker *each = gy_the_crew.worker[i];
        if (each == NULL)
            continue;
        each->live = 0;
        each->parked = 0;
        each->scratch.taken = 0;
        init_condition(&each->wake);
    }
    gy_crew_unlock();
}

static void prepare(void)
{
    init_condition(&gy_the_crew.done);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void gy_crew_prepare(void) { pthread_once(&once, prepare); }

void gy_crew_set_topology(gy_topology *topology)
{
    free(gy_the_crew.topology);
    gy_the_crew.topology = topology;
    gy_the_crew.spin_pays = topology->count > 1;
    gy_the_crew.threads = 0;
    for (int i = 0; i < GY_MAX_CPUS; i++)
        if (gy_the_crew.worker[i] != NULL)
            gy_the_crew.worker[i]->tied_for = 0;
}

int gy_crew_threads(void)
{
    if (gy_the_crew.topology == NULL) {
        gy_cpuset allowed;
        gy_affinity(&allowed);
        gy_topology *topology = malloc(sizeof *topology);
        if (topology == NULL)
            return gy_the_crew.threads > 0 ? gy_the_crew.threads : 1;
        gy_topology_load("/sys", &allowed, topology);
        int threads = gy_the_crew.threads;
        gy_crew_set_topology(topology);
        gy_the_crew.threads = threads;
    }
    if (gy_the_crew.threads == 0)
        gy_the_crew.threads = gy_the_crew.topology->count > 0 ? gy_the_crew.topology->count : 1;
    return gy_the_crew.threads;
}

static int node_of_worker(int index)
{
    const gy_topology *topology = gy_the_crew.topology;
    return topology == NULL || topology->count == 0 ? 0 : topology->cpu[index % topology->count].node;
}

/* Whether each thread of a full launch can have a CPU of its own. */
static int one_cpu_each(void)
{
    const gy_topology *topology = gy_the_crew.topology;
    return topology != NULL && topology->count > 1 && topology->count == gy_the_crew.threads;
}

int gy_crew_near(void)
{
#if defined(__linux__)
    const gy_topology *topology = gy_the_crew.topology;
    if (topology == NULL || (topology->nodes < 2 && !one_cpu_each()))
        return 0;
    int here = sched_getcpu(), place = 0;
    while (place < topology->count && topology->cpu[place].id != here)
        place++;
    if (place == topology->count)
        return 0;
    if (one_cpu_each())
        return place;
    for (int index = 0; index < gy_the_crew.threads; index++)
        if (node_of_worker(index) == topology->cpu[place].node)
            return index;
#endif
    return 0;
}

/* With the mutex held.  When a launch may use every CPU each worker is tied to its own, and the one
 * whose CPU the caller runs on is left out: a scheduler that wakes a worker on the caller's CPU, as
 * Linux does on a busy machine, would have them take turns.  With fewer threads than CPUs workers
 * are tied to their NUMA node only, so that two processes do not pile up on the same few CPUs. */
static void tie(gy_worker *self)
{
    self->tied_for = gy_the_crew.threads;
#if defined(__linux__)
    const gy_topology *topology = gy_the_crew.topology;
    if (topology == NULL || topology->count == 0)
        return;
    cpu_set_t mask;
    CPU_ZERO(&mask);
    int single = one_cpu_each();
    for (int i = 0; i < topology->count; i++) {
        int fits = single ? i == self->index : topology->cpu[i].node == node_of_worker(self->index);
        if (fits && topology->cpu[i].id < CPU_SETSIZE)
            CPU_SET(topology->cpu[i].id, &mask);
    }
    pthread_setaffinity_np(pthread_self(), sizeof mask, &mask);
#endif
}

int gy_crew_take_parked(gy_job *work, gy_worker *woken[GY_WAKES_AT_ONCE])
{
    int count = 0;
    for (int away = 0; away < gy_the_crew.threads && work->to_wake > 0 && count < GY_WAKES_AT_ONCE; away++) {
        gy_worker *each = gy_the_crew.worker[(work->base + away) % gy_the_crew.threads];
        if (each == NULL || !each->live || !each->parked)
            continue;
        each->parked = 0;
        work->to_wake--;
        woken[count++] = each;
    }
    return count;
}

void gy_crew_wake(gy_worker *woken[], int count)
{
    for (int i = 0; i < count; i++)
        pthread_cond_signal(&woken[i]->wake);
}

/* With the mutex held: a job with room for this worker, and the slot to take in it. */
static gy_job *find_job(const gy_worker *self, int *slot)
{
    if (self->index >= gy_the_crew.threads)
        return NULL;
    for (gy_job *each = gy_the_crew.jobs; each != NULL; each = each->next) {
        if (atomic_load_explicit(&each->drained, memory_order_relaxed))
            continue;
        int own = ((self->index - each->base) % gy_the_crew.threads + gy_the_crew.threads) % gy_the_crew.threads;
        for (int i = 0; i < each->share.slots; i++) {
            int candidate = (own + i) % each->share.slots;
            if (own >= each->share.slots)
                candidate = i;
            if (!each->taken[candidate]) {
                *slot = candidate;
                return each;
            }
        }
    }
    return NULL;
}

/* Entered and left with the mutex held. */
static void take_part(gy_worker *self, gy_job *work, int slot)
{
    gy_worker *woken[GY_WAKES_AT_ONCE];
    work->taken[slot] = 1;
    atomic_fetch_add(&work->running, 1);
    int count = gy_crew_take_parked(work, woken);
    gy_crew_unlock();

    gy_crew_wake(woken, count);
    size_t bytes = work->share.work->scratch_bytes;
    void *scratch = gy_scratch_take(&self->scratch, bytes);
    /* Without memory this worker stays out; its part is stolen by those that have some. */
    if (bytes == 0 || scratch != NULL)
        gy_share_run(&work->share, slot, scratch, 0);
    gy_scratch_give(&self->scratch, scratch);

    gy_crew_lock();
    if (bytes == 0 || scratch != NULL)
        atomic_store_explicit(&work->drained, 1, memory_order_relaxed);
    int closed = work->closed;
    if (atomic_fetch_sub(&work->running, 1) == 1 && closed)
        pthread_cond_broadcast(&gy_the_crew.done);
}

/* Entered and left with the mutex held: spins for the next job, then parks. */
static void idle(gy_worker *self)
{
    unsigned seen = atomic_load_explicit(&gy_the_crew.posts, memory_order_relaxed);
    if (gy_the_crew.spin_pays) {
        atomic_fetch_add_explicit(&gy_the_crew.spinning, 1, memory_order_relaxed);
        gy_crew_unlock();
        gy_crew_spin(&gy_the_crew.posts, seen);
        gy_crew_lock();
        atomic_fetch_sub_explicit(&gy_the_crew.spinning, 1, memory_order_relaxed);
    }
    if (atomic_load_explicit(&gy_the_crew.posts, memory_order_relaxed) != seen)
        return;
    self->parked = 1;
    while (self->parked)
        pthread_cond_wait(&self->wake, &gy_the_crew.mutex);
}

static void *worker_main(void *argument)
{
    gy_worker *self = argument;
    gy_crew_lock();
    for (;;) {
        if (self->tied_for != gy_the_crew.threads)
            tie(self);
        int slot = 0;
        gy_job *work = find_job(self, &slot);
        if (work != NULL)
            take_part(self, work, slot);
        else
            idle(self);
    }
    return NULL;
}

/* Signals stay with the threads that were there before: Python's handlers
 * belong to its main thread. */
int gy_crew_start(int index, int *started)
{
    gy_worker *self = gy_the_crew.worker[index];
    *started = 0;
    if (self != NULL && self->live)
        return 1;
    if (self == NULL) {
        self = calloc(1, sizeof *self);
        if (self == NULL)
            return 0;
        self->index = index;
        init_condition(&self->wake);
        gy_the_crew.worker[index] = self;
    }
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, worker_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return 0;
    pthread_detach(thread);
    self->live = 1;
    self->tied_for = 0;
    gy_the_crew.live++;
    *started = 1;
    return 1;
}

