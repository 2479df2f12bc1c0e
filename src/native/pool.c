#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crew.h"
#include "scratch.h"

/* Work per thread that repays bringing a thread in. */
enum { SHARE_WARM_NS = 10 * 1000, SHARE_COLD_NS = 50 * 1000 };

/* When the latest pooled launch of the process ended. */
static _Atomic int64_t last_end;

/* With the mutex held: makes the job visible, starts the workers it lacks and picks whom to wake. */
static int post(gy_job *work, int caller_slot, gy_worker *woken[GY_WAKES_AT_ONCE])
{
    int wanted = work->share.slots - 1, started = 0, ready = 0;
    int displaced = (work->base + caller_slot) % gy_the_crew.threads;
    for (int away = 0; away < gy_the_crew.threads && ready < wanted; away++) {
        int index = (work->base + away) % gy_the_crew.threads;
        if (index == displaced && gy_the_crew.threads > 1)
            continue;
        int fresh;
        if (gy_crew_start(index, &fresh)) {
            ready++;
            started += fresh;
        }
    }
    work->next = gy_the_crew.jobs;
    gy_the_crew.jobs = work;
    atomic_fetch_add_explicit(&gy_the_crew.posts, 1, memory_order_relaxed);
    work->to_wake = wanted - started - atomic_load_explicit(&gy_the_crew.spinning, memory_order_relaxed);
    return gy_crew_take_parked(work, woken);
}

/* Takes the job back; returns once no worker is inside it.  `done` fires only under the mutex, so
 * nothing is missed between the look and the wait. */
static gy_status close_job(gy_job *work, unsigned generation)
{
    gy_crew_lock();
    for (gy_job **link = &gy_the_crew.jobs; *link != NULL; link = &(*link)->next) {
        if (*link == work) {
            *link = work->next;
            break;
        }
    }
    work->closed = 1;
    int forked = generation != gy_the_crew.generation;
    gy_crew_unlock();
    if (forked)
        return atomic_load(&work->running) > 0 ? GY_FORKED : GY_OK;

    unsigned inside = atomic_load(&work->running);
    if (inside > 0 && gy_the_crew.spin_pays)
        gy_crew_spin(&work->running, inside);
    while (atomic_load(&work->running) > 0) {
        gy_crew_lock();
        if (atomic_load(&work->running) > 0)
            gy_crew_wait_done(GY_POLL_NS);
        gy_crew_unlock();
        gy_share_poll(&work->share, gy_now_ns());
        if (generation != gy_the_crew.generation)
            return GY_FORKED;
    }
    return GY_OK;
}

static gy_status run_shared(const gy_work *work, int threads, void *scratch, gy_share **share, void **memory)
{
    size_t slots_bytes = (size_t)threads * sizeof(gy_slot);
    if (posix_memalign(memory, 64, slots_bytes + sizeof(gy_job) + (size_t)threads) != 0)
        return GY_NO_MEMORY;
    /* The slots come first: they are what needs the alignment. */
    gy_slot *slot = *memory;
    gy_job *mine = (gy_job *)((char *)*memory + slots_bytes);
    memset(mine, 0, sizeof *mine);
    mine->taken = (unsigned char *)(mine + 1);
    memset(mine->taken, 0, (size_t)threads);
    gy_share_divide(&mine->share, work, slot, threads);
    *share = &mine->share;

    gy_worker *woken[GY_WAKES_AT_ONCE];
    gy_crew_lock();
    int near = gy_crew_near();
    int whole = threads >= gy_the_crew.threads;
    int caller_slot = whole && near < threads ? near : 0;
    mine->base = whole ? 0 : near;
    mine->taken[caller_slot] = 1;
    unsigned generation = gy_the_crew.generation;
    int count = post(mine, caller_slot, woken);
    gy_crew_unlock();

    gy_crew_wake(woken, count);
    gy_share_run(&mine->share, caller_slot, scratch, 1);
    return close_job(mine, generation);
}

/* How many threads the work pays for.  Workers that spin, or would if they had been woken for the
 * launch before this one, cost little to bring in; parked ones must have much to do. */
static int choose_threads(const gy_work *work)
{
    int64_t items = work->end - work->begin;
    int limit = gy_pool_threads();
    if (items < limit)
        limit = (int)items;
    if (work->threads > 0)
        return work->threads < limit ? work->threads : limit;
    int warm = gy_now_ns() - atomic_load_explicit(&last_end, memory_order_relaxed) < GY_SPIN_NS ||
               atomic_load_explicit(&gy_the_crew.spinning, memory_order_relaxed) > 0;
    double threads = work->ns_per_item * (double)items / (warm ? SHARE_WARM_NS : SHARE_COLD_NS);
    return threads >= limit ? limit : threads < 1 ? 1 : (int)threads;
}

gy_status gy_pool_run(const gy_work *work, gy_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    if (work->end <= work->begin)
        return GY_OK;
    int threads = choose_threads(work);
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
    atomic_store_explicit(&last_end, gy_now_ns(), memory_order_relaxed);
    free(memory);
    if (here != NULL)
        gy_scratch_give(here, scratch);
    return status;
}

int gy_pool_threads(void)
{
    gy_crew_prepare();
    gy_crew_lock();
    int threads = gy_crew_threads();
    gy_crew_unlock();
    return threads;
}

void gy_pool_set_threads(int threads)
{
    gy_crew_prepare();
    gy_crew_lock();
    gy_the_crew.threads = threads;
    gy_crew_threads();
    gy_crew_unlock();
}

void gy_pool_set_topology(gy_topology *topology)
{
    gy_crew_prepare();
    gy_crew_lock();
    gy_crew_set_topology(topology);
    gy_crew_threads();
    gy_crew_unlock();
}

int gy_pool_workers(void)
{
    gy_crew_lock();
    int live = gy_the_crew.live;
    gy_crew_unlock();
    return live;
}
