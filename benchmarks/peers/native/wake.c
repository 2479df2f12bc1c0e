/* What waking a thread on another processor costs in plain C: the least that an actor whose worker sleeps can
 * take.  Writes `count` times in nanoseconds, from before the wake until the woken thread's word is seen. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint32_t asked;
static _Alignas(64) _Atomic uint32_t answered;
static int sleepers_cpu;
static uint32_t last;

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
    CPU_SET(sleepers_cpu, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    for (uint32_t seen = 0; seen != last;) {
        while (atomic_load(&asked) == seen)
            syscall(SYS_futex, &asked, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        seen = atomic_load(&asked);
        atomic_store(&answered, seen);
    }
    return unused;
}

int wake_times(int64_t *times, uint32_t count, int64_t rest_ns, int cpu)
{
    pthread_t sleeper;
    struct timespec rest = {rest_ns / 1000000000, rest_ns % 1000000000};
    atomic_store(&asked, 0);
    atomic_store(&answered, 0);
    sleepers_cpu = cpu;
    last = count;
    if (pthread_create(&sleeper, NULL, answer, NULL) != 0)
        return -1;
    for (uint32_t k = 1; k <= count; k++) {
        nanosleep(&rest, NULL);
        int64_t before = now_ns();
        atomic_store(&asked, k);
        syscall(SYS_futex, &asked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        while (atomic_load(&answered) != k)
            ;
        times[k - 1] = now_ns() - before;
    }
    return pthread_join(sleeper, NULL);
}
