#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include "clock.h"
#include "scratch.h"

/* A parked thread takes 5 to 50 us to come back; a launch loop rarely leaves a longer gap. */
enum { SPIN_NS = 30 * 1000, WAKES_AT_ONCE = 2 };

typedef struct job {
    gy_share share;
    int base;              /* the worker that slot 0 belongs to */
    int to_wake;           /* parked workers still to be woken, by those who join */
    int closed;            /* the caller is waiting for `running` to reach zero */
    _Atomic int drained;   /* nothing left to take */
    _Atomic int running;   /* workers inside; the job's memory lives until this is zero */
    unsigned char *taken;  /* per slot */
    struct job *next;
} job;

typedef struct worker {
    pthread_cond_t wake;
    gy_scratch scratch;
    int index;
    int live;
    int parked;
} worker;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    _Atomic unsigned posts; /* changes with every job posted; spinning workers watch it */
    job *jobs;
    int threads; /* 0 until asked for or set */
    int spinning;
    int live;
    int spin_pays;
    unsigned generation; /* changes in a forked child */
    gy_topology *topology;
    worker *worker[GY_MAX_CPUS];
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

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

static void wait_at_most(pthread_cond_t *condition, int64_t ns)
{
#if defined(__APPLE__)
    struct timespec span = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    pthread_cond_timedwait_relative_np(condition, &pool.mutex, &span);
#else
    int64_t until = gy_now_ns() + ns;
    struct timespec deadline = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    pthread_cond_timedwait(condition, &pool.mutex, &deadline);
#endif
}

static void before_fork(void) { pthread_mutex_lock(&pool.mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.mutex); }

static void after_fork_in_child(void)
{
    pool.jobs = NULL;
    pool.spinning = 0;
    pool.live = 0;
    pool.generation++;
    init_condition(&pool.done);
    for (int i = 0; i < GY_MAX_CPUS; i++) {
        worker *each = pool.worker[i];
        if (each == NULL)
            continue;
        each->live = 0;
        each->parked = 0;
        each->scratch.taken = 0;
        init_condition(&each->wake);
    }
    pthread_mutex_unlock(&pool.mutex);
}

static void start_once(void)
{
    init_condition(&pool.done);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* With the mutex held.  Reads the machine at first use, never at import. */
static int thread_limit(void)
{
    if (pool.topology == NULL) {
        gy_cpuset allowed;
        gy_affinity(&allowed);
        gy_topology *topology = malloc(sizeof *topology);
        if (topology == NULL)
            return pool.threads > 0 ? pool.threads : 1;
        gy_topology_load("/sys", &allowed, topology);
        pool.spin_pays = topology->count > 1;
        pool.topology = topology;
    }
    if (pool.threads == 0)
        pool.threads = pool.topology->count > 0 ? pool.topology->count : 1;
    return pool.threads;
}

static int node_of_worker(int index)
{
    const gy_topology *topology = pool.topology;
    return topology == NULL || topology->count == 0 ? 0 : topology->cpu[index % topology->count].node;
}

/* The first worker on the caller's NUMA node. */
static int first_near_caller(int threads)
{
#if defined(__linux__)
    const gy_topology *topology = pool.topology;
    if (topology == NULL || topology->nodes < 2)
        return 0;
    int here = sched_getcpu();
    for (int i = 0; i < topology->count; i++) {
        if (topology->cpu[i].id != here)
            continue;
        for (int index = 0; index < threads; index++)
            if (node_of_worker(index) == topology->cpu[i].node)
                return index;
    }
#endif
    (void)threads;
    return 0;
}

/* A worker is tied to its node, not to one CPU: memory placed by first touch stays near, and the
 * scheduler can still step aside for the caller's thread, which is not ours to tie down. */
static void tie_to_node(int index)
{
#if defined(__linux__)
    const gy_topology *topology = pool.topology;
    if (topology == NULL || topology->nodes < 2)
        return;
    cpu_set_t mask;
    CPU_ZERO(&mask);
    int node = node_of_worker(index);
    for (int i = 0; i < topology->count; i++)
        if (topology->cpu[i].node == node && topology->cpu[i].id < CPU_SETSIZE)
            CPU_SET(topology->cpu[i].id, &mask);
    pthread_setaffinity_np(pthread_self(), sizeof mask, &mask);
#else
    (void)index;
#endif
}

/* With the mutex held: collects up to WAKES_AT_ONCE parked workers of the job, nearest slot first.
 * Each worker that joins wakes two more, so a wide launch wakes in a tree. */
static int wakes_for(job *work, worker *woken[WAKES_AT_ONCE])
{
    int count = 0;
    for (int away = 0; away < pool.threads && work->to_wake > 0 && count < WAKES_AT_ONCE; away++) {
        worker *each = pool.worker[(work->base + away) % pool.threads];
        if (each == NULL || !each->live || !each->parked)
            continue;
        each->parked = 0;
        work->to_wake--;
        woken[count++] = each;
    }
    return count;
}

static void wake(worker *woken[], int count)
{
    for (int i = 0; i < count; i++)
        pthread_cond_signal(&woken[i]->wake);
}

/* With the mutex held: a job with room for this worker, and the slot to take in it. */
static job *find_job(const worker *self, int *slot)
{
    if (self->index >= pool.threads)
        return NULL;
    for (job *each = pool.jobs; each != NULL; each = each->next) {
        if (atomic_load_explicit(&each->drained, memory_order_relaxed))
            continue;
        int own = ((self->index - each->base) % pool.threads + pool.threads) % pool.threads;
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
static void take_part(worker *self, job *work, int slot)
{
    worker *woken[WAKES_AT_ONCE];
    work->taken[slot] = 1;
    atomic_fetch_add(&work->running, 1);
    int count = wakes_for(work, woken);
    pthread_mutex_unlock(&pool.mutex);

    wake(woken, count);
    size_t bytes = work->share.work->scratch_bytes;
    void *scratch = gy_scratch_take(&self->scratch, bytes);
    /* Without memory this worker stays out; its part is stolen by those that have some. */
    if (bytes == 0 || scratch != NULL)
        gy_share_run(&work->share, slot, scratch, 0);
    gy_scratch_give(&self->scratch, scratch);

    pthread_mutex_lock(&pool.mutex);
    if (bytes == 0 || scratch != NULL)
        atomic_store_explicit(&work->drained, 1, memory_order_relaxed);
    int closed = work->closed;
    if (atomic_fetch_sub(&work->running, 1) == 1 && closed)
        pthread_cond_broadcast(&pool.done);
}

/* Entered and left with the mutex held: spins for the next job, then parks. */
static void idle(worker *self)
{
    unsigned seen = atomic_load_explicit(&pool.posts, memory_order_relaxed);
    if (pool.spin_pays) {
        pool.spinning++;
        pthread_mutex_unlock(&pool.mutex);
        int64_t until = gy_now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < 16; i++)
                gy_relax();
        } while (atomic_load_explicit(&pool.posts, memory_order_relaxed) == seen && gy_now_ns() < until);
        pthread_mutex_lock(&pool.mutex);
        pool.spinning--;
    }
    if (atomic_load_explicit(&pool.posts, memory_order_relaxed) != seen)
        return;
    self->parked = 1;
    while (self->parked)
        pthread_cond_wait(&self->wake, &pool.mutex);
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    tie_to_node(self->index);
    pthread_mutex_lock(&pool.mutex);
    for (;;) {
        int slot = 0;
        job *work = find_job(self, &slot);
        if (work != NULL)
            take_part(self, work, slot);
        else
            idle(self);
    }
    return NULL;
}

/* With the mutex held.  Signals stay with the threads that were there before: Python's handlers
 * belong to its main thread. */
static int start_worker(int index)
{
    worker *self = pool.worker[index];
    if (self == NULL) {
        self = calloc(1, sizeof *self);
        if (self == NULL)
            return 0;
        self->index = index;
        init_condition(&self->wake);
        pool.worker[index] = self;
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
    pool.live++;
    return 1;
}

/* With the mutex held: makes the job visible, starts the workers it lacks and picks whom to wake. */
static int post(job *work, int caller_slot, worker *woken[WAKES_AT_ONCE])
{
    int wanted = work->share.slots - 1, started = 0, ready = 0;
    int displaced = (work->base + caller_slot) % pool.threads;
    for (int away = 0; away < pool.threads && ready < wanted; away++) {
        int index = (work->base + away) % pool.threads;
        if (index == displaced && pool.threads > 1)
            continue;
        if (pool.worker[index] != NULL && pool.worker[index]->live)
            ready++;
        else if (start_worker(index)) {
            ready++;
            started++;
        }
    }
    work->next = pool.jobs;
    pool.jobs = work;
    atomic_fetch_add_explicit(&pool.posts, 1, memory_order_relaxed);
    work->to_wake = wanted - started - pool.spinning;
    return wakes_for(work, woken);
}

/* Takes the job back; returns once no worker is inside it.  `done` fires only under the mutex, so
 * nothing is missed between the look and the wait. */
static gy_status close_job(job *work, unsigned generation)
{
    pthread_mutex_lock(&pool.mutex);
    for (job **link = &pool.jobs; *link != NULL; link = &(*link)->next) {
        if (*link == work) {
            *link = work->next;
            break;
        }
    }
    work->closed = 1;
    int forked = generation != pool.generation;
    pthread_mutex_unlock(&pool.mutex);
    if (forked)
        return atomic_load(&work->running) > 0 ? GY_FORKED : GY_OK;

    int64_t until = gy_now_ns() + SPIN_NS;
    while (atomic_load(&work->running) > 0 && pool.spin_pays && gy_now_ns() < until)
        gy_relax();
    while (atomic_load(&work->running) > 0) {
        pthread_mutex_lock(&pool.mutex);
        if (atomic_load(&work->running) > 0)
            wait_at_most(&pool.done, GY_POLL_NS);
        pthread_mutex_unlock(&pool.mutex);
        gy_share_poll(&work->share, gy_now_ns());
        if (generation != pool.generation)
            return GY_FORKED;
    }
    return GY_OK;
}

static gy_status run_shared(const gy_work *work, int threads, void *scratch, gy_share **share, void **memory)
{
    size_t slots_bytes = (size_t)threads * sizeof(gy_slot);
    if (posix_memalign(memory, 64, slots_bytes + sizeof(job) + (size_t)threads) != 0)
        return GY_NO_MEMORY;
    /* The slots come first: they are what needs the alignment. */
    gy_slot *slot = *memory;
    job *mine = (job *)((char *)*memory + slots_bytes);
    memset(mine, 0, sizeof *mine);
    mine->taken = (unsigned char *)(mine + 1);
    memset(mine->taken, 0, (size_t)threads);
    gy_share_divide(&mine->share, work, slot, threads);
    *share = &mine->share;

    worker *woken[WAKES_AT_ONCE];
    pthread_mutex_lock(&pool.mutex);
    int near = first_near_caller(pool.threads);
    int whole = threads >= pool.threads;
    int caller_slot = whole && near < threads ? near : 0;
    mine->base = whole ? 0 : near;
    mine->taken[caller_slot] = 1;
    unsigned generation = pool.generation;
    int count = post(mine, caller_slot, woken);
    pthread_mutex_unlock(&pool.mutex);

    wake(woken, count);
    gy_share_run(&mine->share, caller_slot, scratch, 1);
    return close_job(mine, generation);
}

gy_status gy_pool_run(const gy_work *work, gy_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    if (work->end <= work->begin)
        return GY_OK;
    int threads = 1;
    if (work->threads > 1) {
        int limit = gy_pool_threads();
        threads = work->threads < limit ? work->threads : limit;
        if (work->end - work->begin < threads)
            threads = (int)(work->end - work->begin);
    }
    void *scratch = NULL;
    gy_scratch *here = NULL;
    if (work->scratch_bytes > 0) {
        here = gy_scratch_here();
        scratch = here == NULL ? NULL : gy_scratch_take(here, work->scratch_bytes);
        if (scratch == NULL)
            return GY_NO_MEMORY;
    }
    gy_slot alone_slot;
    gy_share alone, *share = &alone;
    void *memory = NULL;
    gy_status status = GY_OK;
    if (threads > 1)
        status = run_shared(work, threads, scratch, &share, &memory);
    else {
        gy_share_divide(&alone, work, &alone_slot, 1);
        gy_share_run(&alone, 0, scratch, 1);
    }
    if (status != GY_NO_MEMORY) {
        outcome->busy_ns = atomic_load(&share->busy_ns);
        outcome->items = atomic_load(&share->items);
        outcome->threads = atomic_load(&share->threads);
        outcome->interrupted = atomic_load(&share->stop);
    }
    free(memory);
    if (here != NULL)
        gy_scratch_give(here, scratch);
    return status;
}

int gy_pool_threads(void)
{
    pthread_once(&once, start_once);
    pthread_mutex_lock(&pool.mutex);
    int threads = thread_limit();
    pthread_mutex_unlock(&pool.mutex);
    return threads;
}

void gy_pool_set_threads(int threads)
{
    pthread_once(&once, start_once);
    pthread_mutex_lock(&pool.mutex);
    pool.threads = threads;
    thread_limit();
    pthread_mutex_unlock(&pool.mutex);
}

int gy_pool_workers(void)
{
    pthread_mutex_lock(&pool.mutex);
    int live = pool.live;
    pthread_mutex_unlock(&pool.mutex);
    return live;
}
