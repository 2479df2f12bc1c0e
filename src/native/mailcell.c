/* Reply cells: armed here, claimed by compare-and-swap and released by a loop, taken or given up here. */
#include <sched.h>
#include <string.h>

#include "mail.h"

enum { WRITING_NS = 1000 * 1000 * 1000, REMOTE_SLICE_NS = 1000 * 1000 };

/* In CE_WAITER, with the ask's generation above: who looks at a cell late must not take the next ask for it. */
enum { NOBODY, SLEEPS, LISTENS, TOLD };

static uint32_t state_of(uint32_t corr, uint32_t phase) { return corr >> CELL_BITS << 2 | phase; }

static uint32_t waiter_of(uint32_t corr, uint32_t kind) { return corr >> CELL_BITS << 2 | kind; }

uint32_t gy_cell_take(gy_mail *mail, uint32_t waiter)
{
    uint32_t corr = NONE;
    gy_mail_lock(&mail->lock);
    /* Cells whose reply never came rest as long as there are others: generations are counted in 20 bits. */
    int fresh = mail->free_count > 0;
    if (fresh || mail->spent_count > 0) {
        uint32_t index;
        if (fresh) {
            index = mail->free_cell[--mail->free_count];
        } else {
            index = mail->spent_cell[0];
            memmove(mail->spent_cell, mail->spent_cell + 1, --mail->spent_count * sizeof *mail->spent_cell);
        }
        gy_word *cell = gy_cell(mail, index);
        uint32_t generation = (gy_get(cell + CE_STATE) >> 2) + 1;
        corr = index | generation << CELL_BITS;
        if (corr == NONE)
            corr = index | ++generation << CELL_BITS;
        gy_set(cell + CE_WAITER, waiter ? waiter_of(corr, LISTENS) : NOBODY);
        gy_publish(cell + CE_STATE, state_of(corr, CELL_ARMED));
    }
    gy_mail_unlock(&mail->lock);
    return corr;
}

int gy_cell_done(gy_mail *mail, uint32_t corr)
{
    return gy_see(gy_cell(mail, corr) + CE_STATE) == state_of(corr, CELL_DONE);
}

int gy_cell_spin(gy_word *cell, uint32_t corr, int64_t ns, int yields)
{
    uint32_t done = state_of(corr, CELL_DONE);
    int64_t until = 0;
    for (unsigned turn = 1;; turn++) {
        if (gy_see(cell + CE_STATE) == done)
            return 1;
        gy_relax();
        if (turn % 16 != 0)
            continue;
        int64_t now = gy_now_ns();
        if (until == 0)
            until = now + ns;
        else if (now >= until)
            return 0;
        /* On a busy machine the worker may be queued behind this thread, on this CPU. */
        if (yields)
            sched_yield();
    }
}

void gy_cell_sleep(gy_mail *mail, gy_word *cell, uint32_t epoch, uint32_t corr, int64_t at_most_ns)
{
    int64_t until = gy_now_ns() + at_most_ns;
    /* Compiled loops do not fence when they answer, and the barrier ends at the border of this process. */
    const int64_t most = mail->remote ? REMOTE_SLICE_NS : gy_slice_ns();
    gy_set(cell + CE_WAITER, waiter_of(corr, SLEEPS));
    gy_barrier_heavy();
    for (;;) {
        uint32_t state = gy_see(cell + CE_STATE);
        int64_t left = until - gy_now_ns();
        if (state == state_of(corr, CELL_DONE) || left <= 0 || gy_see(&mail->epoch) != epoch)
            break;
        gy_futex_wait(cell + CE_STATE, state, left < most ? left : most, mail->shared);
    }
    gy_set(cell + CE_WAITER, NOBODY);
}

int gy_cell_abandon(gy_mail *mail, uint32_t corr)
{
    gy_word *state = gy_cell(mail, corr) + CE_STATE;
    uint32_t armed = state_of(corr, CELL_ARMED), seen = armed;
    if (atomic_compare_exchange_strong(state, &seen, state_of(corr, CELL_FREE)))
        return 1;
    for (int64_t until = gy_now_ns() + WRITING_NS; !gy_cell_done(mail, corr); sched_yield())
        if (gy_now_ns() > until)
            return -1;
    return 0;
}

void gy_cell_return(gy_mail *mail, uint32_t corr, int came)
{
    uint16_t index = (uint16_t)(corr & ((1u << CELL_BITS) - 1));
    gy_mail_lock(&mail->lock);
    gy_publish(gy_cell(mail, corr) + CE_STATE, state_of(corr, CELL_FREE));
    if (came)
        mail->free_cell[mail->free_count++] = index;
    else
        mail->spent_cell[mail->spent_count++] = index;
    gy_mail_unlock(&mail->lock);
}

void gy_cell_wake_waiters(gy_mail *mail)
{
    uint32_t rings = 0;
    for (uint32_t i = 0; i < mail->cells; i++) {
        gy_word *cell = gy_cell(mail, i);
        uint32_t waiter = gy_get(cell + CE_WAITER), kind = waiter & 3;
        if (kind == NOBODY || kind == TOLD || gy_see(cell + CE_STATE) != ((waiter & ~3u) | CELL_DONE))
            continue;
        if (kind == SLEEPS)
            gy_futex_wake_all(cell + CE_STATE, mail->shared);
        else if (atomic_compare_exchange_strong(cell + CE_WAITER, &waiter, (waiter & ~3u) | TOLD))
            rings = GY_RING_REPLIES;
    }
    if (rings != 0)
        gy_mail_ring(mail, rings);
}

/* Whether a cell is waited for: armed, or claimed by a loop that is no more. */
static int is_open(const gy_mail *mail, uint32_t state)
{
    return (state & 3) == CELL_ARMED || ((state & 3) == CELL_WRITING && mail->shared && !mail->started);
}

/* Claims an armed cell as a loop does; 1 when it may be written. */
static int claim(gy_word *cell, uint32_t armed)
{
    return atomic_compare_exchange_strong(cell + CE_STATE, &armed, (armed & ~3u) | CELL_WRITING);
}

void gy_cell_end_all(gy_mail *mail, uint32_t outcome)
{
    for (uint32_t i = 0; i < mail->cells; i++) {
        gy_word *cell = gy_cell(mail, i);
        uint32_t state = gy_get(cell + CE_STATE);
        if (!is_open(mail, state) || !claim(cell, state))
            continue;
        gy_set(cell + CE_KIND, outcome);
        gy_set(cell + CE_DETAIL, 0);
        gy_publish(cell + CE_STATE, (state & ~3u) | CELL_DONE);
    }
    gy_mail_barrier(mail);
    gy_cell_wake_waiters(mail);
}

void gy_cell_merge(gy_mail *mail, const uint32_t *copy)
{
    for (uint32_t i = 0; i < mail->cells; i++, copy += mail->cell_words) {
        gy_word *cell = gy_cell(mail, i);
        if ((copy[CE_STATE] & 3) != CELL_DONE || !claim(cell, (copy[CE_STATE] & ~3u) | CELL_ARMED))
            continue;
        gy_set(cell + CE_KIND, copy[CE_KIND]);
        gy_set(cell + CE_DETAIL, copy[CE_DETAIL]);
        gy_set(cell + CE_SOURCE, copy[CE_SOURCE]);
        memcpy((uint32_t *)cell + CE_PAYLOAD, copy + CE_PAYLOAD,
               (mail->cell_words - CE_PAYLOAD) * sizeof(uint32_t));
        gy_publish(cell + CE_STATE, copy[CE_STATE]);
    }
    gy_mail_barrier(mail);
    gy_cell_wake_waiters(mail);
}
