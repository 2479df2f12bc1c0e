/* What comes to the host: records in out-lanes, and the bell that says that there is something. */
#include <string.h>

#include "mail.h"

void gy_mail_ring(gy_mail *mail, uint32_t bits)
{
    atomic_fetch_or(mail->rung, bits);
    if (atomic_load(mail->listeners) != 0)
        gy_futex_wake_all(mail->rung, mail->shared);
}

uint32_t gy_mail_listen(gy_mail *mail, int64_t at_most_ns)
{
    uint32_t rung = atomic_exchange(mail->rung, 0);
    if (rung != 0 || at_most_ns <= 0)
        return rung;
    atomic_fetch_add(mail->listeners, 1);
    if (atomic_load(mail->rung) == 0)
        gy_futex_wait(mail->rung, 0, at_most_ns, mail->shared);
    atomic_fetch_sub(mail->listeners, 1);
    return atomic_exchange(mail->rung, 0);
}

int gy_mail_take_event(gy_mail *mail, uint32_t w, uint32_t *entry)
{
    gy_word *lane = mail->arena + mail->out_at + (size_t)w * LANE_WORDS;
    size_t words = mail->stride + EVENT_HEAD_WORDS;
    int taken = 0;
    gy_mail_lock(&mail->event_lock);
    uint32_t head = gy_get(lane + LN_HEAD);
    gy_word *from = mail->arena + gy_get(lane + LN_SLOTS_AT) + (head & gy_get(lane + LN_MASK)) * words;
    if (gy_see(from + EV_STAMP) == head + 1) {
        memcpy(entry, (uint32_t *)from, words * sizeof *entry);
        gy_publish(lane + LN_HEAD, head + 1);
        taken = 1;
    }
    gy_mail_unlock(&mail->event_lock);
    return taken;
}
