/* The host's end of one system of resident actors: its lanes, reply cells, events and worker threads.
 * Nothing here knows of Python.  `wire.h` says how the arena lies and who may write what. */
#ifndef GYRAL_MAIL_H
#define GYRAL_MAIL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "clock.h"
#include "futex.h"
#include "wire.h"

enum { GY_OPEN, GY_CLOSED, GY_FORKED_CHILD };

/* What wakes the host's waiter. */
enum { GY_RING_EVENTS = 1, GY_RING_REPLIES = 2, GY_RING_HANG = 4, GY_RING_STALL = 8, GY_RING_HOST = 16 };

/* Where a worker's thread is. */
enum { GY_AWAY, GY_RUNNING, GY_STANDING, GY_ENDED, GY_GIVEN_UP };

typedef struct gy_mail gy_mail;

/* What the watch remembers of a lane; the last one of a worker is that of messages put aside. */
typedef struct gy_lane_watch {
    uint32_t head;
    uint64_t since_ms;
} gy_lane_watch;

/* What a worker's thread says of itself, and the watch of it: as it lies in the arena from WK_STAGE on. */
typedef struct gy_worker_news {
    gy_word stage; /* GY_AWAY and so on */
    gy_word parks, hung, hangs, stalls;
} gy_worker_news;
_Static_assert(WK_PARKS == WK_STAGE + 1 && WK_HUNG == WK_STAGE + 2 && WK_HANGS == WK_STAGE + 3 &&
                   WK_STALLS == WK_STAGE + 4,
               "a worker's news lie in the arena as in gy_worker_news");

typedef struct gy_actor_worker {
    gy_mail *mail;
    gy_word *block;       /* in the arena */
    gy_worker_news *news; /* `own`, or in the arena where it is shared */
    uint32_t index;
    gy_entry entry;
    gy_frame *frame;
    void *scratch;
    pthread_t thread;
    _Alignas(64) gy_worker_news own;
    /* the watch's own */
    gy_lane_watch *watch;
    uint32_t beat;
    uint64_t beat_since_ms;
} gy_actor_worker;

typedef struct gy_options {
    int64_t spin_ns;
    uint64_t hang_ms; /* 0: never */
    uint64_t stall_ms;
    int ticker; /* 0: time comes from gy_mail_tick alone */
    int pin;    /* tie each worker to a CPU of its own, the first ones last */
} gy_options;

struct gy_mail {
    gy_word *arena;
    uint32_t workers, priorities, capacity, stride, batched, route, lanes;
    uint32_t lane_at, out_at, worker_at, cell_at, cell_words, control_at, sent_at, done_at;
    int shared;       /* another process has the arena too, and one of the two runs the loops */
    int remote;       /* that is the other one */
    _Atomic int shut; /* GY_OPEN and so on */
    gy_word epoch;    /* arenas before this one */
    gy_mail *next;    /* of all in the process, for a forked child */

    /* Under the lock: host lanes, credits, the clock, free cells. */
    _Alignas(64) _Atomic int lock;
    uint64_t clock;
    uint32_t *credit; /* DONE as last seen, per priority and actor */
    uint16_t *free_cell, *spent_cell;
    uint32_t free_count, spent_count, cells;
    int frozen;
    _Alignas(64) _Atomic int event_lock;

    _Alignas(64) _Atomic uint64_t now_ms; /* published; also what a clock of the caller's own last said */
    gy_word publishing;                   /* a thread writes the two words of the time */
    int64_t epoch_ms;                     /* added to the monotonic clock */
    gy_word active;                       /* workers neither parked nor standing */
    int manual;
    /* The bell, who listens to it, and how often workers came to stand or ended: `own`, or in the arena. */
    gy_word *rung, *listeners, *stood;
    struct {
        _Alignas(64) gy_word rung;
        gy_word listeners;
        _Alignas(64) gy_word stood;
    } own;
    _Alignas(64) gy_word ticker_sleeps;

    gy_options options;
    gy_actor_worker *worker;
    int started, leaked, gave_up;
    _Atomic int ending;
    pthread_t ticker;
    int ticking;
};

/* mail.c.  The arena must be 64-byte aligned and stay; NULL when there is no memory. */
const char *gy_mail_refusal(const uint32_t *arena, size_t words);
gy_mail *gy_mail_new(uint32_t *arena, int shared);
/* Another process runs the loops from now on, or does so no more; then lanes are frozen. */
void gy_mail_attend(gy_mail *mail, int runs);
/* Goes on in another arena, to which all but the cells was copied; -1 without memory.  No loop runs. */
int gy_mail_rebind(gy_mail *mail, uint32_t *arena);
/* Goes on without the threads that never came back: workers anew, to be started on another arena; -1 without
 * memory.  The old ones stay as they are for ever. */
int gy_mail_renew(gy_mail *mail);
void gy_mail_free(gy_mail *mail);
void gy_mail_lock(_Atomic int *lock);
static inline void gy_mail_unlock(_Atomic int *lock) { atomic_store_explicit(lock, 0, memory_order_release); }

static inline uint32_t gy_get(gy_word *word) { return atomic_load_explicit(word, memory_order_relaxed); }
static inline void gy_set(gy_word *word, uint32_t value) { atomic_store_explicit(word, value, memory_order_relaxed); }
static inline uint32_t gy_see(gy_word *word) { return atomic_load_explicit(word, memory_order_acquire); }
static inline void gy_publish(gy_word *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static inline gy_word *gy_lane(gy_mail *mail, uint32_t destination, uint32_t source, uint32_t priority)
{
    uint32_t number = (priority * mail->workers + destination) * (mail->workers + 1) + source;
    return mail->arena + mail->lane_at + (size_t)number * LANE_WORDS;
}

static inline gy_word *gy_cell(gy_mail *mail, uint32_t corr)
{
    return mail->arena + mail->cell_at + (size_t)(corr & ((1u << CELL_BITS) - 1)) * mail->cell_words;
}

/* mailclock.c: milliseconds since the epoch, never going back. */
uint64_t gy_mail_read_clock(gy_mail *mail);
void gy_mail_publish_time(gy_mail *mail, uint64_t now_ms);
/* Cheap: the published time while anybody runs who publishes it. */
static inline uint64_t gy_mail_now(gy_mail *mail)
{
    if (mail->manual || gy_get(&mail->active) != 0)
        return atomic_load_explicit(&mail->now_ms, memory_order_relaxed);
    return gy_mail_read_clock(mail);
}

/* maillane.c */
typedef enum gy_post { GY_POSTED, GY_MAILBOX_FULL, GY_LANE_FULL, GY_FROZEN, GY_NOT_LIVE, GY_TOO_LARGE } gy_post;

typedef struct gy_address {
    uint32_t slot, generation, worker;
} gy_address;

static inline gy_word *gy_control(const gy_mail *mail, uint32_t slot)
{
    return mail->arena + mail->control_at + (size_t)slot * CONTROL_WORDS;
}

typedef struct gy_letter {
    uint32_t kind; /* number, words and flags; EXTENDED goes by itself */
    uint32_t corr, priority;
    uint32_t source, source_generation;
    const void *payload;
    size_t bytes;
    int extended;
    uint64_t deadline_ms, key;
} gy_letter;

/* While lanes are frozen nothing is posted, and the arena may be copied or replaced. */
void gy_mail_freeze(gy_mail *mail, int frozen);
gy_post gy_mail_post(gy_mail *mail, const gy_address *to, const gy_letter *letter);
/* Posts the payloads at data, data + pitch, ... with one clock stamp; how many, a prefix, and why no more. */
size_t gy_mail_post_many(gy_mail *mail, const gy_address *to, const gy_letter *letter, const char *data,
                         ptrdiff_t pitch, size_t count, gy_post *why);
size_t gy_mail_post_letters(gy_mail *mail, const gy_address *to, const gy_letter *letters, size_t count,
                            gy_post *why);
/* Whether any lane holds something. */
int gy_mail_pending(gy_mail *mail);

/* mailcell.c.  A correlation names a cell and its generation. */
uint32_t gy_cell_take(gy_mail *mail, uint32_t waiter); /* armed; NONE when all are out */
int gy_cell_done(gy_mail *mail, uint32_t corr);
/* For those who do not keep the mail in its arena meanwhile: a cell as found before.  Spins, at most so long,
 * and may let others have the CPU; whether it is done.  Sleeps until it is done, so long at most, or until the
 * mail moved to another arena. */
int gy_cell_spin(gy_word *cell, uint32_t corr, int64_t ns, int yields);
void gy_cell_sleep(gy_mail *mail, gy_word *cell, uint32_t epoch, uint32_t corr, int64_t at_most_ns);
/* Nobody waits any more: 1 when no reply can come, 0 when one came meanwhile, -1 when one is being written
 * and never ends. */
int gy_cell_abandon(gy_mail *mail, uint32_t corr);
/* Back to the free ones; a cell whose reply never came goes to the end of the queue. */
void gy_cell_return(gy_mail *mail, uint32_t corr, int came);
void gy_cell_wake_waiters(gy_mail *mail);
/* Ends all that are waited for with this outcome. */
void gy_cell_end_all(gy_mail *mail, uint32_t outcome);
/* Takes what a device wrote into its copy of the cells. */
void gy_cell_merge(gy_mail *mail, const uint32_t *copy);

/* mailevent.c */
void gy_mail_ring(gy_mail *mail, uint32_t bits);
/* What rang since the last call; sleeps at most so long when nothing did. */
uint32_t gy_mail_listen(gy_mail *mail, int64_t at_most_ns);
/* Copies the oldest record of worker `w`'s out-lane, all its words, to `entry`; 0 when there is none. */
int gy_mail_take_event(gy_mail *mail, uint32_t w, uint32_t *entry);

/* mailthread.c */
void gy_mail_wake(gy_mail *mail, uint32_t worker);
/* Who sleeps in another process pays for no barrier but its own. */
static inline void gy_mail_barrier(gy_mail *mail)
{
    if (mail->shared)
        atomic_thread_fence(memory_order_seq_cst);
    else
        gy_barrier_light();
}
static inline void gy_mail_notify(gy_mail *mail, uint32_t worker)
{
    uint32_t sleeper = mail->batched ? 0 : worker;
    gy_mail_barrier(mail);
    if (gy_get(mail->arena + mail->worker_at + sleeper * WORKER_WORDS + WK_PARKED) != 0)
        gy_mail_wake(mail, sleeper);
}
int gy_mail_start(gy_mail *mail, const gy_options *options); /* an errno, or 0 */
/* Asks for all workers, or one (not NONE), to stand at a message boundary, or lets them run. */
void gy_mail_command(gy_mail *mail, uint32_t worker, uint32_t command);
/* Whether they stand; sleeps at most so long until they do. */
int gy_mail_standing(gy_mail *mail, uint32_t worker, int64_t at_most_ns);
void gy_mail_end(gy_mail *mail);                          /* asks all threads to end */
int gy_mail_ended(gy_mail *mail, int64_t at_most_ns);     /* whether all did */
void gy_mail_join(gy_mail *mail);                         /* those that ended; the others are let go, kept alive */

/* mailwatch.c */
void gy_mail_tick(gy_mail *mail, uint64_t now_ms);
void *gy_mail_ticker_main(void *mail);

#endif
