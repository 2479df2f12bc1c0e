/* The ticker: publishes time, and watches for loops that hang and for lanes that stall. */
#include "mail.h"

enum { TICK_NS = 1000 * 1000, WATCH_MS = 10 };

/* Whether nothing was noted yet, or by a clock that was replaced since. */
static int is_new(uint64_t since_ms, uint64_t now_ms) { return since_ms == 0 || since_ms > now_ms; }

static void watch_beat(gy_mail *mail, gy_actor_worker *worker, uint64_t now_ms)
{
    uint32_t beat = gy_get(worker->block + WK_HEARTBEAT);
    int works = atomic_load(&worker->news->stage) == GY_RUNNING && gy_get(worker->block + WK_PARKED) == 0;
    if (beat != worker->beat || !works || is_new(worker->beat_since_ms, now_ms)) {
        worker->beat = beat;
        worker->beat_since_ms = now_ms;
        atomic_store(&worker->news->hung, 0);
    } else if (mail->options.hang_ms != 0 && now_ms - worker->beat_since_ms >= mail->options.hang_ms &&
               !atomic_exchange(&worker->news->hung, 1)) {
        atomic_fetch_add(&worker->news->hangs, 1);
        gy_mail_ring(mail, GY_RING_HANG);
    }
}

/* Whether what is at the head of a lane has been there too long. */
static int is_stuck(gy_mail *mail, gy_lane_watch *seen, uint32_t head, int waits, uint64_t now_ms)
{
    if (!waits || seen->head != head || is_new(seen->since_ms, now_ms)) {
        seen->head = head;
        seen->since_ms = now_ms;
    }
    return waits && now_ms - seen->since_ms >= mail->options.stall_ms;
}

static void watch_lanes(gy_mail *mail, gy_actor_worker *worker, uint64_t now_ms)
{
    int waiting = gy_get(worker->block + WK_WAITING) != 0, stuck = 0;
    gy_lane_watch *seen = worker->watch;
    for (uint32_t p = 0; p < mail->priorities; p++)
        for (uint32_t source = 0; source <= mail->workers; source++, seen++) {
            gy_word *lane = gy_lane(mail, worker->index, source, p);
            uint32_t head = gy_see(lane + LN_HEAD);
            size_t at = gy_get(lane + LN_SLOTS_AT) + (size_t)(head & gy_get(lane + LN_MASK)) * mail->stride;
            int waits = waiting && gy_see(mail->arena + at + STAMP) == head + 1;
            stuck |= is_stuck(mail, seen, head, waits, now_ms);
        }
    int aside = waiting && gy_get(worker->block + WK_RECHECK) != 0;
    stuck |= is_stuck(mail, seen, gy_get(worker->block + WK_HANDLED_LO), aside, now_ms);
    uint32_t was = gy_get(worker->block + WK_STALLED);
    if (was == (uint32_t)stuck)
        return;
    gy_publish(worker->block + WK_STALLED, (uint32_t)stuck);
    if (stuck) {
        atomic_fetch_add(&worker->news->stalls, 1);
        gy_mail_ring(mail, GY_RING_STALL);
    }
}

void gy_mail_tick(gy_mail *mail, uint64_t now_ms)
{
    gy_mail_publish_time(mail, now_ms);
    for (uint32_t w = 0; w < mail->workers; w++) {
        watch_beat(mail, &mail->worker[w], now_ms);
        watch_lanes(mail, &mail->worker[w], now_ms);
    }
}

void *gy_mail_ticker_main(void *argument)
{
    gy_mail *mail = argument;
    gy_word never = 0;
    uint64_t watched = 0;
    while (!atomic_load(&mail->ending)) {
        if (atomic_load(&mail->active) == 0) {
            /* Nobody reads the time; whoever rises says so. */
            atomic_store(&mail->ticker_sleeps, 1);
            if (atomic_load(&mail->active) == 0 && !atomic_load(&mail->ending))
                gy_futex_wait(&mail->ticker_sleeps, 1, INT64_C(1000000000), 0);
            atomic_store(&mail->ticker_sleeps, 0);
            continue;
        }
        uint64_t now = gy_mail_read_clock(mail);
        gy_mail_publish_time(mail, now);
        if (now - watched >= WATCH_MS) {
            watched = now;
            gy_mail_tick(mail, now);
        }
        gy_futex_wait(&never, 0, TICK_NS, 0);
    }
    return NULL;
}
