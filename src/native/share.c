#include "share.h"

#include "clock.h"

enum {
    CHUNKS_PER_SLOT = 16,
    SHORTEST_CHUNK_NS = 4 * 1000,        /* below this the atomics of taking a chunk show */
    LONGEST_CHUNK_NS = 5 * 1000 * 1000,  /* above this the last chunk leaves threads idle */
    FIRST_STEP_NS = 100 * 1000,
    SHORT_STEP_NS = 500 * 1000,
    LONG_STEP_NS = 4 * 1000 * 1000,
};

static inline uint64_t pack(uint32_t begin, uint32_t end) { return (uint64_t)begin << 32 | end; }
static inline uint32_t first_of(uint64_t range) { return (uint32_t)(range >> 32); }
static inline uint32_t end_of(uint64_t range) { return (uint32_t)range; }

/* Items that should take `ns`, at least one and at most `limit`; one when the cost is unknown. */
static int64_t items_for(double ns, double ns_per_item, int64_t limit)
{
    if (!(ns_per_item > 0))
        return 1;
    double items = ns / ns_per_item;
    if (items >= (double)limit)
        return limit;
    return items < 1 ? 1 : (int64_t)items;
}

void gy_share_divide(gy_share *share, const gy_work *work, gy_slot *slot, int slots)
{
    int64_t items = work->end - work->begin;
    int64_t chunk = items / ((int64_t)slots * CHUNKS_PER_SLOT);
    int64_t longest = items_for(LONGEST_CHUNK_NS, work->ns_per_item, items);
    int64_t shortest = items_for(SHORTEST_CHUNK_NS, work->ns_per_item, items);
    if (chunk > longest && work->ns_per_item > 0)
        chunk = longest;
    /* The floor never takes away a thread's own part: an even share is the least to hand out. */
    int64_t even = items / slots;
    if (shortest > even)
        shortest = even;
    if (chunk < shortest)
        chunk = shortest;
    if (chunk < items / UINT32_MAX + 1)
        chunk = items / UINT32_MAX + 1;
    uint64_t chunks = (uint64_t)((items - 1) / chunk + 1);

    share->work = work;
    share->chunk = chunk;
    share->slots = slots;
    share->slot = slot;
    share->last_poll = gy_now_ns();
    atomic_init(&share->stop, 0);
    atomic_init(&share->threads, 0);
    atomic_init(&share->busy_ns, 0);
    atomic_init(&share->items, 0);
    for (int i = 0; i < slots; i++) {
        uint32_t begin = (uint32_t)(chunks * (uint64_t)i / (uint64_t)slots);
        uint32_t end = (uint32_t)(chunks * (uint64_t)(i + 1) / (uint64_t)slots);
        atomic_init(&slot[i].range, pack(begin, end));
    }
}

static int take_front(gy_slot *slot, uint32_t *chunk)
{
    uint64_t range = atomic_load_explicit(&slot->range, memory_order_relaxed);
    while (first_of(range) < end_of(range)) {
        uint64_t rest = pack(first_of(range) + 1, end_of(range));
        if (atomic_compare_exchange_weak_explicit(&slot->range, &range, rest, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *chunk = first_of(range);
            return 1;
        }
    }
    return 0;
}

/* Moves the back half of `victim` (all of it when one chunk is left) to the thief's empty slot and
 * takes its first chunk.  A range is a complete description of what is left, so a compare that
 * succeeds on a word that went away and came back is still right. */
static int steal_half(gy_slot *victim, gy_slot *mine, uint32_t *chunk)
{
    uint64_t range = atomic_load_explicit(&victim->range, memory_order_relaxed);
    while (first_of(range) < end_of(range)) {
        uint32_t begin = first_of(range), end = end_of(range);
        uint32_t middle = begin + (end - begin) / 2;
        if (atomic_compare_exchange_weak_explicit(&victim->range, &range, pack(begin, middle),
                                                  memory_order_relaxed, memory_order_relaxed)) {
            *chunk = middle;
            atomic_store_explicit(&mine->range, pack(middle + 1, end), memory_order_relaxed);
            return 1;
        }
    }
    return 0;
}

/* Slots follow the placement order, so walking outwards visits the own node first. */
static int steal(gy_share *share, int self, uint32_t *chunk)
{
    for (int away = 1; away < share->slots; away++) {
        int up = self + away, down = self - away;
        if (up < share->slots && steal_half(&share->slot[up], &share->slot[self], chunk))
            return 1;
        if (down >= 0 && steal_half(&share->slot[down], &share->slot[self], chunk))
            return 1;
    }
    return 0;
}

int gy_share_poll(gy_share *share, int64_t now)
{
    const gy_work *work = share->work;
    int stopped = atomic_load_explicit(&share->stop, memory_order_relaxed);
    if (!stopped && work->poll != NULL && now - share->last_poll >= GY_POLL_NS) {
        if ((stopped = work->poll(work->poll_context) != 0))
            atomic_store_explicit(&share->stop, 1, memory_order_relaxed);
        share->last_poll = gy_now_ns();
    }
    return stopped;
}

/* Runs one chunk in steps whose length is steered towards a millisecond, so that an interrupt is
 * seen soon even where the estimate was far too low.  Returns the items run. */
static int64_t run_chunk(gy_share *share, uint32_t chunk, int64_t *step, void *scratch, int caller)
{
    const gy_work *work = share->work;
    int64_t begin = work->begin + (int64_t)chunk * share->chunk;
    int64_t end = work->end - begin > share->chunk ? begin + share->chunk : work->end;
    int64_t next = begin, before = gy_now_ns();
    while (next < end) {
        int64_t stop = end - next > *step ? next + *step : end;
        work->entry(work->frame, next, stop, scratch);
        int64_t now = gy_now_ns(), took = now - before;
        if (took < SHORT_STEP_NS && *step < INT64_MAX / 2 && stop - next == *step)
            *step *= 2;
        else if (took > LONG_STEP_NS && *step > 1)
            *step /= 2;
        next = stop;
        before = now;
        if (caller ? gy_share_poll(share, now)
                   : atomic_load_explicit(&share->stop, memory_order_relaxed))
            break;
    }
    return next - begin;
}

void gy_share_run(gy_share *share, int self, void *scratch, int caller)
{
    int64_t began = gy_now_ns(), items = 0;
    int64_t step = items_for(FIRST_STEP_NS, share->work->ns_per_item, INT64_MAX / 4);
    uint32_t chunk;
    while (!atomic_load_explicit(&share->stop, memory_order_relaxed) &&
           (take_front(&share->slot[self], &chunk) || steal(share, self, &chunk)))
        items += run_chunk(share, chunk, &step, scratch, caller);
    if (items == 0)
        return;
    atomic_fetch_add_explicit(&share->threads, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&share->items, items, memory_order_relaxed);
    atomic_fetch_add_explicit(&share->busy_ns, gy_now_ns() - began, memory_order_relaxed);
}
