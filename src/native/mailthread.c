/* A worker's thread: runs the compiled loop, sleeps when there is nothing to do, stands when it is told to.
 *
 * WK_PARKED says that the thread may sleep.  Who publishes a message looks at it afterwards; who is about to
 * sleep sets it, pays for the barrier of both, and looks at its lanes once more. */
#include "mail.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

enum { BLOCKED_NS = 100 * 1000, LONGEST_SLEEP_NS = 1600 * 1000 * 1000, WAKE_CELLS = 30, WAKE_HOST = 31 };

void gy_mail_wake(gy_mail *mail, uint32_t w)
{
    gy_word *parked = mail->arena + mail->worker_at + (size_t)w * WORKER_WORDS + WK_PARKED;
    if (atomic_exchange(parked, 0) != 0)
        gy_futex_wake(parked, mail->shared);
}

/* Changes with everything that the worker takes. */
static uint32_t progress(gy_actor_worker *self)
{
    gy_mail *mail = self->mail;
    uint32_t sum = gy_get(self->block + WK_HANDLED_LO);
    for (uint32_t p = 0; p < mail->priorities; p++)
        for (uint32_t source = 0; source <= mail->workers; source++)
            sum += gy_get(gy_lane(mail, self->index, source, p) + LN_HEAD);
    return sum;
}

static int has_mail(gy_actor_worker *self)
{
    gy_mail *mail = self->mail;
    for (uint32_t p = 0; p < mail->priorities; p++)
        for (uint32_t source = 0; source <= mail->workers; source++) {
            gy_word *lane = gy_lane(mail, self->index, source, p);
            uint32_t head = gy_get(lane + LN_HEAD);
            size_t at = gy_get(lane + LN_SLOTS_AT) + (size_t)(head & gy_get(lane + LN_MASK)) * mail->stride;
            if (gy_see(mail->arena + at + STAMP) == head + 1)
                return 1;
        }
    return gy_get(self->block + WK_RECHECK) != 0;
}

static int told_to_stand(gy_actor_worker *self) { return atomic_load(self->block + WK_COMMAND) != RUN; }

static void rest(gy_mail *mail) { atomic_fetch_sub(&mail->active, 1); }

static void rise(gy_mail *mail)
{
    atomic_fetch_add(&mail->active, 1);
    if (atomic_load(&mail->ticker_sleeps) != 0 && atomic_exchange(&mail->ticker_sleeps, 0) != 0)
        gy_futex_wake(&mail->ticker_sleeps, 0);
}

static void park(gy_actor_worker *self)
{
    gy_mail *mail = self->mail;
    gy_word *parked = self->block + WK_PARKED;
    atomic_store(parked, 1);
    gy_barrier_heavy();
    /* What is there although the loop found nothing to do waits for room elsewhere: nobody says when there is
     * some, so it is looked for again soon. */
    int mail_here = has_mail(self), blocked = mail_here && gy_get(self->block + WK_WAITING) != 0;
    if (told_to_stand(self) || (mail_here && !blocked)) {
        gy_set(parked, 0);
        return;
    }
    atomic_fetch_add_explicit(&self->news->parks, 1, memory_order_relaxed);
    if (blocked) {
        gy_futex_wait(parked, 1, BLOCKED_NS, mail->shared);
    } else {
        rest(mail);
        /* Each look costs the processor tens of microseconds where it has to rise from its own sleep. */
        for (int64_t slice = gy_slice_ns(); atomic_load(parked) == 1 && !told_to_stand(self) && !has_mail(self);) {
            gy_futex_wait(parked, 1, slice, mail->shared);
            if (gy_barrier_asymmetric && slice < LONGEST_SLEEP_NS)
                slice *= 2;
        }
        rise(mail);
    }
    gy_set(parked, 0);
}

/* Whether to go on.  Who was given up touches nothing any more. */
static int stand(gy_actor_worker *self)
{
    gy_mail *mail = self->mail;
    gy_word *command = self->block + WK_COMMAND;
    uint32_t running = GY_RUNNING;
    if (!atomic_compare_exchange_strong(&self->news->stage, &running, GY_STANDING))
        return 0;
    rest(mail);
    atomic_fetch_add(mail->stood, 1);
    gy_futex_wake_all(mail->stood, mail->shared);
    while (told_to_stand(self) && !atomic_load(&mail->ending))
        gy_futex_wait(command, YIELD, gy_slice_ns(), mail->shared);
    rise(mail);
    atomic_store(&self->news->stage, GY_RUNNING);
    return !atomic_load(&mail->ending);
}

static void pass_on(gy_actor_worker *self)
{
    gy_mail *mail = self->mail;
    uint32_t wake = gy_get(self->block + WK_WAKE);
    if (wake == 0)
        return;
    gy_set(self->block + WK_WAKE, 0);
    for (uint32_t w = 0; w < mail->workers; w++)
        if (wake >> w & 1)
            gy_mail_wake(mail, w);
    if (wake >> WAKE_CELLS & 1)
        gy_cell_wake_waiters(mail);
    if (wake >> WAKE_HOST & 1)
        gy_mail_ring(mail, GY_RING_EVENTS);
}

static void name_thread(const char *format, uint32_t number)
{
#if defined(__linux__)
    char name[16];
    snprintf(name, sizeof name, format, number);
    prctl(PR_SET_NAME, name);
#else
    (void)format, (void)number;
#endif
}

/* The last worker gets the first CPU, so that it is left to others while there are fewer workers than CPUs. */
static void tie(uint32_t index)
{
#if defined(__linux__)
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0)
        return;
    int skip = (int)(index + 1) % CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
#else
    (void)index;
#endif
}

static void *worker_main(void *argument)
{
    gy_actor_worker *self = argument;
    gy_mail *mail = self->mail;
    name_thread("gyral-actor-%u", self->index);
    if (mail->options.pin)
        tie(self->index);
    uint32_t before = progress(self);
    int64_t idle_since = gy_now_ns();
    for (;;) {
        if (told_to_stand(self)) {
            if (!stand(self))
                break;
            idle_since = gy_now_ns();
            continue;
        }
        if (!mail->manual)
            gy_mail_publish_time(mail, gy_mail_read_clock(mail));
        self->entry(self->frame, self->index, (int64_t)self->index + 1, self->scratch);
        if (atomic_load(&self->news->stage) == GY_GIVEN_UP)
            return NULL;
        pass_on(self);
        uint32_t after = progress(self);
        int64_t now = gy_now_ns();
        if (after != before) {
            before = after;
            idle_since = now;
        } else if (now - idle_since >= mail->options.spin_ns) {
            park(self);
            idle_since = gy_now_ns();
        } else {
            /* Who would send something may be queued behind this thread, on this CPU. */
            sched_yield();
        }
    }
    uint32_t running = GY_RUNNING;
    if (!atomic_compare_exchange_strong(&self->news->stage, &running, GY_ENDED))
        return NULL;
    rest(mail);
    atomic_fetch_add(mail->stood, 1);
    gy_futex_wake_all(mail->stood, mail->shared);
    return NULL;
}

static void *ticker_main(void *argument)
{
    name_thread("gyral-ticker", 0);
    return gy_mail_ticker_main(argument);
}

int gy_mail_start(gy_mail *mail, const gy_options *options)
{
    sigset_t everything, before;
    int error = 0;
    mail->options = *options;
    mail->manual = !options->ticker;
    atomic_store(&mail->ending, 0);
    sigfillset(&everything);
    pthread_sigmask(SIG_SETMASK, &everything, &before);
    for (uint32_t w = 0; w < mail->workers && error == 0; w++) {
        gy_actor_worker *worker = &mail->worker[w];
        worker->beat_since_ms = 0;
        gy_set(worker->block + WK_PARKED, 0);
        atomic_store(&worker->news->stage, GY_RUNNING);
        atomic_fetch_add(&mail->active, 1);
        error = pthread_create(&worker->thread, NULL, worker_main, worker);
        if (error != 0) {
            atomic_fetch_sub(&mail->active, 1);
            atomic_store(&worker->news->stage, GY_AWAY);
        }
    }
    if (error == 0 && options->ticker) {
        error = pthread_create(&mail->ticker, NULL, ticker_main, mail);
        mail->ticking = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    mail->started = 1;
    return error;
}

void gy_mail_command(gy_mail *mail, uint32_t worker, uint32_t command)
{
    for (uint32_t w = 0; w < mail->workers; w++) {
        gy_word *block = mail->worker[w].block;
        if (worker != NONE && worker != w)
            continue;
        atomic_store(block + WK_COMMAND, command);
        gy_futex_wake_all(block + WK_COMMAND, mail->shared);
        gy_mail_wake(mail, w);
    }
}

static int all_at(gy_mail *mail, uint32_t worker, uint32_t stage, uint32_t also)
{
    for (uint32_t w = 0; w < mail->workers; w++) {
        uint32_t now = atomic_load(&mail->worker[w].news->stage);
        if ((worker == NONE || worker == w) && now != stage && now != also && now != GY_AWAY)
            return 0;
    }
    return 1;
}

static int wait_for(gy_mail *mail, uint32_t worker, uint32_t stage, uint32_t also, int64_t at_most_ns)
{
    int64_t until = gy_now_ns() + at_most_ns;
    for (;;) {
        uint32_t seen = atomic_load(mail->stood);
        if (all_at(mail, worker, stage, also))
            return 1;
        int64_t left = until - gy_now_ns(), slice = gy_slice_ns();
        if (left <= 0)
            return 0;
        gy_futex_wait(mail->stood, seen, left < slice ? left : slice, mail->shared);
    }
}

int gy_mail_standing(gy_mail *mail, uint32_t worker, int64_t at_most_ns)
{
    return wait_for(mail, worker, GY_STANDING, GY_ENDED, at_most_ns);
}

void gy_mail_end(gy_mail *mail)
{
    atomic_store(&mail->ending, 1);
    gy_mail_command(mail, NONE, YIELD);
    if (atomic_exchange(&mail->ticker_sleeps, 0) != 0)
        gy_futex_wake(&mail->ticker_sleeps, 0);
}

int gy_mail_ended(gy_mail *mail, int64_t at_most_ns)
{
    return wait_for(mail, NONE, GY_ENDED, GY_ENDED, at_most_ns);
}

void gy_mail_join(gy_mail *mail)
{
    for (uint32_t w = 0; w < mail->workers; w++) {
        gy_actor_worker *worker = &mail->worker[w];
        uint32_t running = GY_RUNNING;
        if (atomic_load(&worker->news->stage) == GY_AWAY)
            continue;
        if (atomic_compare_exchange_strong(&worker->news->stage, &running, GY_GIVEN_UP)) {
            pthread_detach(worker->thread);
            rest(mail);
            mail->leaked = 1;
        } else if (running != GY_GIVEN_UP) {
            pthread_join(worker->thread, NULL);
            atomic_store(&worker->news->stage, GY_AWAY);
        }
    }
    if (mail->ticking)
        pthread_join(mail->ticker, NULL);
    mail->ticking = 0;
    mail->started = mail->leaked;
}
