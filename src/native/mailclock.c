/* The time that loops see: milliseconds since the epoch.  It follows the monotonic clock from when the mail
 * was made, so that a stepped wall clock neither expires messages nor keeps them for ever. */
#include "mail.h"

#include <time.h>

#if defined(CLOCK_MONOTONIC_COARSE)
#define QUICK_CLOCK CLOCK_MONOTONIC_COARSE
#else
#define QUICK_CLOCK CLOCK_MONOTONIC
#endif

uint64_t gy_mail_read_clock(gy_mail *mail)
{
    struct timespec now;
    if (mail->manual)
        return atomic_load_explicit(&mail->now_ms, memory_order_relaxed);
    clock_gettime(QUICK_CLOCK, &now);
    return (uint64_t)(mail->epoch_ms + (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void gy_mail_publish_time(gy_mail *mail, uint64_t now_ms)
{
    uint64_t before = atomic_load_explicit(&mail->now_ms, memory_order_relaxed);
    do
        if (now_ms < before || (now_ms == before && gy_get(mail->arena + SYS_TIME_LO) == (uint32_t)now_ms))
            return;
    while (!atomic_compare_exchange_weak_explicit(&mail->now_ms, &before, now_ms, memory_order_relaxed,
                                                  memory_order_relaxed));
    /* Read the other way round, the two words never tell a time that is to come, if one thread writes them at
     * a time. Another that comes meanwhile leaves it at that: the next one tells the latest. */
    if (atomic_exchange_explicit(&mail->publishing, 1, memory_order_acquire) != 0)
        return;
    now_ms = atomic_load_explicit(&mail->now_ms, memory_order_relaxed);
    gy_set(mail->arena + SYS_TIME_LO, (uint32_t)now_ms);
    gy_publish(mail->arena + SYS_TIME_HI, (uint32_t)(now_ms >> 32));
    atomic_store_explicit(&mail->publishing, 0, memory_order_release);
}
