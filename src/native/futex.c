#include "futex.h"

#include <time.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <pthread.h>

#include "clock.h"
#endif

int gy_barrier_asymmetric;

#if defined(__linux__)

static int private_flag(int shared) { return shared ? 0 : FUTEX_PRIVATE_FLAG; }

int gy_futex_shares(void) { return 1; }

void gy_futex_wait(gy_word *word, uint32_t seen, int64_t at_most_ns, int shared)
{
    if (at_most_ns <= 0)
        return;
    struct timespec span = {at_most_ns / 1000000000, at_most_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT | private_flag(shared), seen, &span, NULL, 0);
}

static void wake(gy_word *word, int most, int shared)
{
    syscall(SYS_futex, word, FUTEX_WAKE | private_flag(shared), most, NULL, NULL, 0);
}

void gy_futex_wake(gy_word *word, int shared) { wake(word, 1, shared); }
void gy_futex_wake_all(gy_word *word, int shared) { wake(word, INT32_MAX, shared); }

int gy_barrier_prepare(void)
{
    gy_barrier_asymmetric = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    return gy_barrier_asymmetric;
}

void gy_barrier_heavy(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (gy_barrier_asymmetric)
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

#else

/* Words share a few conditions by address: a waiter may wake for another's word, and looks again. */
enum { SEATS = 64 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
} seat[SEATS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (int i = 0; i < SEATS; i++) {
        pthread_mutex_init(&seat[i].mutex, NULL);
        pthread_cond_init(&seat[i].moved, NULL);
    }
}

static int seat_of(gy_word *word)
{
    pthread_once(&once, prepare);
    return (int)((uintptr_t)word / sizeof *word * 2654435761u >> 7) % SEATS;
}

void gy_futex_wait(gy_word *word, uint32_t seen, int64_t at_most_ns, int shared)
{
    (void)shared;
    if (at_most_ns <= 0)
        return;
    int at = seat_of(word);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += at_most_ns / 1000000000;
    until.tv_nsec += at_most_ns % 1000000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&seat[at].mutex);
    if (atomic_load(word) == seen)
        pthread_cond_timedwait(&seat[at].moved, &seat[at].mutex, &until);
    pthread_mutex_unlock(&seat[at].mutex);
}

void gy_futex_wake_all(gy_word *word, int shared)
{
    (void)shared;
    int at = seat_of(word);
    pthread_mutex_lock(&seat[at].mutex);
    pthread_cond_broadcast(&seat[at].moved);
    pthread_mutex_unlock(&seat[at].mutex);
}

void gy_futex_wake(gy_word *word, int shared) { gy_futex_wake_all(word, shared); }

int gy_futex_shares(void) { return 0; }

int gy_barrier_prepare(void) { return 0; }

void gy_barrier_heavy(void) { atomic_thread_fence(memory_order_seq_cst); }

#endif
