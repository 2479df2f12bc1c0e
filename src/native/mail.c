/* The life of a mail, and what a forked child may still do with those it inherits: nothing. */
#include "mail.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static gy_mail *all;

static void before_fork(void) { pthread_mutex_lock(&all_mutex); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&all_mutex); }

static void after_fork_in_child(void)
{
    for (gy_mail *each = all; each != NULL; each = each->next)
        atomic_store(&each->shut, GY_FORKED_CHILD);
    pthread_mutex_unlock(&all_mutex);
}

static void prepare(void)
{
    gy_barrier_prepare();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void gy_mail_lock(_Atomic int *lock)
{
    /* What is done under it takes far less than a trip through the kernel, unless its holder lost the CPU. */
    for (unsigned tries = 0; atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0; tries++) {
        while (atomic_load_explicit(lock, memory_order_relaxed) != 0 && ++tries % 64 != 0)
            gy_relax();
        if (tries % 64 == 0)
            sched_yield();
    }
}

const char *gy_mail_refusal(const uint32_t *arena, size_t words)
{
    if ((uintptr_t)arena % 64 != 0)
        return "an arena begins on a cache line: align it to 64 bytes";
    if (words < SYSTEM_WORDS || arena[SYS_MAGIC] != MAGIC)
        return "this is no arena of actors: its first word is not the magic one";
    if (arena[SYS_VERSION] != VERSION)
        return "the arena is of another version than this build";
    uint32_t workers = arena[SYS_WORKERS], priorities = arena[SYS_PRIORITIES];
    if (workers < 1 || workers > MAX_WORKERS || priorities < 1 || priorities > 64)
        return "the arena has an impossible number of workers or priorities";
    if (arena[SYS_CELLS] > 1u << CELL_BITS ||
        arena[SYS_CELL_AT] + (uint64_t)arena[SYS_CELLS] * arena[SYS_CELL_WORDS] > arena[SYS_CONTROL_AT])
        return "the arena has more reply cells than there is room for";
    if (arena[SYS_STRIDE] < LINE || arena[SYS_CELL_WORDS] < LINE || arena[SYS_CONTROL_AT] < arena[SYS_CELL_AT])
        return "the arena's slots and cells are smaller than a cache line, or lie out of order";
    uint64_t sources = (uint64_t)priorities * (workers + 1), capacity = arena[SYS_CAPACITY];
    uint64_t lanes = sources * workers;
    uint64_t ends[] = {
        arena[SYS_WORKER_AT] + (uint64_t)workers * WORKER_WORDS,
        arena[SYS_LANE_AT] + lanes * LANE_WORDS,
        arena[SYS_OUT_AT] + (uint64_t)workers * LANE_WORDS,
        arena[SYS_CONTROL_AT] + capacity * CONTROL_WORDS,
        arena[SYS_SENT_AT] + sources * capacity,
        arena[SYS_DONE_AT] + sources * capacity,
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i] > words)
            return "the arena ends before one of its regions does";
    for (uint64_t i = 0; i < lanes + workers; i++) {
        const uint32_t *lane = arena + (i < lanes ? arena[SYS_LANE_AT] + i * LANE_WORDS
                                                  : arena[SYS_OUT_AT] + (i - lanes) * LANE_WORDS);
        uint64_t stride = arena[SYS_STRIDE] + (i < lanes ? 0 : EVENT_HEAD_WORDS), slots = (uint64_t)lane[LN_MASK] + 1;
        if ((slots & (slots - 1)) != 0 || lane[LN_SLOTS_AT] + slots * stride > words)
            return "a lane's slots are no power of two, or lie outside the arena";
    }
    return NULL;
}

/* Both processes add the same to the monotonic clock: what the first of them did. */
static void share_clock(gy_mail *mail)
{
    uint64_t epoch = gy_get(mail->arena + SYS_EPOCH_LO) | (uint64_t)gy_get(mail->arena + SYS_EPOCH_HI) << 32;
    if (epoch != 0)
        mail->epoch_ms = (int64_t)epoch;
    gy_set(mail->arena + SYS_EPOCH_LO, (uint32_t)mail->epoch_ms);
    gy_set(mail->arena + SYS_EPOCH_HI, (uint32_t)((uint64_t)mail->epoch_ms >> 32));
}

static void read_system(gy_mail *mail, uint32_t *arena)
{
    mail->arena = (gy_word *)arena;
    mail->workers = arena[SYS_WORKERS];
    mail->priorities = arena[SYS_PRIORITIES];
    mail->capacity = arena[SYS_CAPACITY];
    mail->stride = arena[SYS_STRIDE];
    mail->batched = arena[SYS_BATCHED];
    mail->route = arena[SYS_ROUTE];
    mail->lanes = mail->priorities * (mail->workers + 1);
    mail->worker_at = arena[SYS_WORKER_AT];
    mail->lane_at = arena[SYS_LANE_AT];
    mail->out_at = arena[SYS_OUT_AT];
    mail->cell_at = arena[SYS_CELL_AT];
    mail->cell_words = arena[SYS_CELL_WORDS];
    mail->control_at = arena[SYS_CONTROL_AT];
    mail->sent_at = arena[SYS_SENT_AT];
    mail->done_at = arena[SYS_DONE_AT];
    mail->cells = arena[SYS_CELLS];
    if (mail->shared) {
        mail->rung = mail->arena + SYS_RUNG;
        mail->listeners = mail->arena + SYS_LISTENERS;
        mail->stood = mail->arena + SYS_STOOD;
        share_clock(mail);
    }
    for (uint32_t w = 0; w < mail->workers; w++) {
        gy_actor_worker *worker = &mail->worker[w];
        worker->block = mail->arena + mail->worker_at + (size_t)w * WORKER_WORDS;
        worker->news = mail->shared ? (gy_worker_news *)(worker->block + WK_STAGE) : &worker->own;
    }
    for (uint32_t p = 0; p < mail->priorities; p++)
        for (uint32_t slot = 0; slot < mail->capacity; slot++)
            mail->credit[(size_t)p * mail->capacity + slot] =
                gy_get(mail->arena + mail->done_at + (size_t)p * (mail->workers + 1) * mail->capacity + slot);
}

static size_t credits_of(const uint32_t *arena) { return (size_t)arena[SYS_PRIORITIES] * arena[SYS_CAPACITY] + 1; }

static int equip(gy_mail *mail, uint32_t priorities)
{
    for (uint32_t w = 0; w < mail->workers; w++) {
        gy_actor_worker *worker = &mail->worker[w];
        worker->mail = mail;
        worker->index = w;
        worker->news = &worker->own;
        worker->watch = calloc((size_t)priorities * (mail->workers + 1) + 1, sizeof *worker->watch);
        if (worker->watch == NULL)
            return -1;
    }
    return 0;
}

static int allocate(gy_mail *mail, const uint32_t *arena)
{
    uint32_t workers = arena[SYS_WORKERS], cells = arena[SYS_CELLS];
    mail->credit = calloc(credits_of(arena), sizeof *mail->credit);
    mail->free_cell = calloc(2 * (size_t)cells + 1, sizeof *mail->free_cell);
    mail->worker = calloc(workers, sizeof *mail->worker);
    if (mail->credit == NULL || mail->free_cell == NULL || mail->worker == NULL)
        return -1;
    mail->spent_cell = mail->free_cell + cells;
    for (uint32_t i = 0; i < cells; i++)
        mail->free_cell[mail->free_count++] = (uint16_t)(cells - 1 - i);
    return equip(mail, arena[SYS_PRIORITIES]);
}

static void dismiss(gy_actor_worker *workers, uint32_t count)
{
    for (uint32_t w = 0; workers != NULL && w < count; w++)
        free(workers[w].watch);
    free(workers);
}

static void release(gy_mail *mail)
{
    dismiss(mail->worker, mail->workers);
    free(mail->free_cell);
    free(mail->credit);
    free(mail);
}

static void set_time(gy_mail *mail, uint64_t now_ms)
{
    gy_set(mail->arena + SYS_TIME_LO, (uint32_t)now_ms);
    gy_publish(mail->arena + SYS_TIME_HI, (uint32_t)(now_ms >> 32));
}

gy_mail *gy_mail_new(uint32_t *arena, int shared)
{
    void *memory;
    if (posix_memalign(&memory, 64, sizeof(gy_mail)) != 0)
        return NULL;
    gy_mail *mail = memset(memory, 0, sizeof(gy_mail));
    mail->workers = arena[SYS_WORKERS];
    if (allocate(mail, arena) < 0) {
        release(mail);
        return NULL;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    mail->epoch_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - gy_now_ns() / 1000000;
    mail->shared = shared;
    mail->rung = &mail->own.rung;
    mail->listeners = &mail->own.listeners;
    mail->stood = &mail->own.stood;
    read_system(mail, arena);
    uint64_t now_ms = gy_mail_read_clock(mail);
    atomic_store(&mail->now_ms, now_ms);
    mail->options.stall_ms = 1000;
    set_time(mail, now_ms);
    pthread_once(&once, prepare);
    pthread_mutex_lock(&all_mutex);
    mail->next = all;
    all = mail;
    pthread_mutex_unlock(&all_mutex);
    return mail;
}

int gy_mail_rebind(gy_mail *mail, uint32_t *arena)
{
    uint32_t *credit = calloc(credits_of(arena), sizeof *credit);
    if (credit == NULL)
        return -1;
    gy_mail_lock(&mail->lock);
    gy_word *old_cells = mail->arena + mail->cell_at;
    uint32_t old_words = mail->cell_words, cells = mail->cells;
    free(mail->credit);
    mail->credit = credit;
    read_system(mail, arena);
    uint32_t words = old_words < mail->cell_words ? old_words : mail->cell_words;
    for (uint32_t i = 0; i < cells; i++)
        memcpy((uint32_t *)gy_cell(mail, i), (uint32_t *)(old_cells + (size_t)i * old_words), words * sizeof *arena);
    set_time(mail, atomic_load(&mail->now_ms));
    atomic_fetch_add(&mail->epoch, 1);
    gy_mail_unlock(&mail->lock);
    /* Who sleeps on a word of the old arena, or is about to, looks at the new one. */
    for (uint32_t i = 0; i < cells; i++) {
        gy_word *state = old_cells + (size_t)i * old_words + CE_STATE;
        atomic_store(state, NONE);
        gy_futex_wake_all(state, mail->shared);
    }
    return 0;
}

void gy_mail_attend(gy_mail *mail, int runs)
{
    mail->remote = mail->started = runs;
    gy_mail_freeze(mail, !runs);
    for (uint32_t w = 0; w < mail->workers && !runs; w++)
        atomic_store(&mail->worker[w].news->stage, GY_AWAY);
    /* Who waits for workers to stand need not wait for those that are no more. */
    atomic_fetch_add(mail->stood, 1);
    gy_futex_wake_all(mail->stood, mail->shared);
}

int gy_mail_renew(gy_mail *mail)
{
    gy_actor_worker *old = mail->worker;
    mail->worker = calloc(mail->workers, sizeof *mail->worker);
    if (mail->worker == NULL || equip(mail, mail->priorities) < 0) {
        dismiss(mail->worker, mail->workers);
        mail->worker = old;
        return -1;
    }
    for (uint32_t w = 0; w < mail->workers; w++)
        mail->worker[w].block = old[w].block;
    mail->started = mail->leaked = 0;
    mail->gave_up = 1;
    return 0;
}

void gy_mail_free(gy_mail *mail)
{
    pthread_mutex_lock(&all_mutex);
    for (gy_mail **at = &all; *at != NULL; at = &(*at)->next)
        if (*at == mail) {
            *at = mail->next;
            break;
        }
    pthread_mutex_unlock(&all_mutex);
    /* A thread that never came back still looks at it. */
    if (!mail->leaked && !mail->gave_up)
        release(mail);
}
