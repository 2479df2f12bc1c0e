/* Sleeping on a word until it changes, and the barrier that the one who sleeps pays for all others. */
#ifndef GYRAL_FUTEX_H
#define GYRAL_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint32_t gy_word;

/* Sleeps while `*word` is `seen`, for `at_most_ns` at most; may return early.  `shared`: the word may be in the
 * memory of other processes too. */
void gy_futex_wait(gy_word *word, uint32_t seen, int64_t at_most_ns, int shared);
void gy_futex_wake(gy_word *word, int shared);
void gy_futex_wake_all(gy_word *word, int shared);
/* Whether there are such words. */
int gy_futex_shares(void);

/* Asks the system once whether it has the barrier; 1 when it does. */
int gy_barrier_prepare(void);

/* After this no thread of the process can still hold back a store that it made before the barrier and
 * then miss one that was made before it here: what a sequentially consistent fence on both sides gives. */
void gy_barrier_heavy(void);

/* The other side of it: nothing but a word to the compiler where the system has the barrier. */
extern int gy_barrier_asymmetric;
static inline void gy_barrier_light(void)
{
    if (gy_barrier_asymmetric)
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

/* How long to sleep at most where someone may publish without either barrier, as compiled loops do. */
static inline int64_t gy_slice_ns(void) { return gy_barrier_asymmetric ? 100 * 1000 * 1000 : 1000 * 1000; }

#endif
