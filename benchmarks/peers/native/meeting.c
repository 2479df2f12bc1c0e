/* What two threads on two processors take to hear of each other in plain C: the least that actors can take.
 * The caller asks by writing a word and waits until the other has written the same to a word of its own. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Alignas(64) _Atomic uint32_t asked;
static _Alignas(64) _Atomic uint32_t answered;
static uint32_t last;
static int cpu_of_other, sleeps;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *answer(void *unused)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu_of_other, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    for (uint32_t seen = 0; seen != last;) {
        while (atomic_load_explicit(&asked, memory_order_acquire) == seen)
            if (sleeps)
                syscall(SYS_futex, &asked, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        seen = atomic_load_explicit(&asked, memory_order_acquire);
        atomic_store_explicit(&answered, seen, memory_order_release);
    }
    return unused;
}

static void ask(uint32_t number)
{
    atomic_store_explicit(&asked, number, memory_order_release);
    if (sleeps)
        syscall(SYS_futex, &asked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    while (atomic_load_explicit(&answered, memory_order_acquire) != number)
        ;
}

static int begin(pthread_t *other, uint32_t count, int cpu, int with_sleep)
{
    atomic_store(&asked, 0);
    atomic_store(&answered, 0);
    cpu_of_other = cpu;
    last = count;
    sleeps = with_sleep;
    return pthread_create(other, NULL, answer, NULL);
}

/* `count` times in nanoseconds, of a thread that sleeps; the caller rests so long before each. */
int wake_times(int64_t *times, uint32_t count, int64_t rest_ns, int cpu)
{
    pthread_t other;
    struct timespec rest = {rest_ns / 1000000000, rest_ns % 1000000000};
    if (begin(&other, count, cpu, 1) != 0)
        return -1;
    for (uint32_t k = 1; k <= count; k++) {
        nanosleep(&rest, NULL);
        int64_t before = now_ns();
        ask(k);
        times[k - 1] = now_ns() - before;
    }
    return pthread_join(other, NULL);
}

/* `count` means in nanoseconds, each over `asks` in a row, of a thread that watches its word. */
int line_times(int64_t *times, uint32_t count, uint32_t asks, int cpu)
{
    pthread_t other;
    if (begin(&other, count * asks, cpu, 0) != 0)
        return -1;
    for (uint32_t k = 0; k < count; k++) {
        int64_t before = now_ns();
        for (uint32_t n = 1; n <= asks; n++)
            ask(k * asks + n);
        times[k] = (now_ns() - before) / asks;
    }
    return pthread_join(other, NULL);
}
