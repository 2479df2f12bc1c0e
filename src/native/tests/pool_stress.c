/* Drives the pool from several threads and checks every item of every launch.  Built with a
 * sanitizer it is the pool's race and memory test.  Exits 0 when all is well, 1 with a message. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../pool.h"

enum { MAX_ITEMS = 5000, SCRATCH_BYTES = 3000, CALLERS = 4 };

static int rounds = 200;

static void fail(const char *what)
{
    fprintf(stderr, "pool_stress: %s\n", what);
    _exit(1);
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

typedef struct round_frame {
    gy_frame frame;
    unsigned char *seen; /* one plain byte per item: a race on it is a double run */
    int scratch;
    unsigned skew;
} round_frame;

static void GY_ABI count_items(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    const round_frame *mine = (const round_frame *)frame;
    if (mine->scratch) {
        if ((uintptr_t)scratch % 64 != 0)
            fail("scratch is not aligned");
        memset(scratch, (int)begin, SCRATCH_BYTES);
    }
    for (int64_t i = begin; i < end; i++) {
        volatile unsigned spin = (unsigned)i % 64 == 0 ? mine->skew : 1;
        while (spin > 0)
            spin--;
        mine->seen[i]++;
    }
    if (mine->scratch && ((unsigned char *)scratch)[SCRATCH_BYTES - 1] != (unsigned char)begin)
        fail("two workers share scratch memory");
}

static void run_round(unsigned *random)
{
    static _Thread_local unsigned char seen[MAX_ITEMS];
    gy_outcome outcome;
    int64_t begin = next_random(random) % 10, end = begin + next_random(random) % (MAX_ITEMS - 10);
    round_frame frame = {.seen = seen, .scratch = next_random(random) % 2, .skew = next_random(random) % 2000};
    gy_work work = {
        .entry = count_items,
        .frame = &frame.frame,
        .begin = begin,
        .end = end,
        .scratch_bytes = frame.scratch ? SCRATCH_BYTES : 0,
        .ns_per_item = next_random(random) % 3 == 0 ? 0 : 1 + next_random(random) % 10000,
        .threads = (int)(next_random(random) % 9),
    };
    memset(seen, 0, sizeof seen);
    if (gy_pool_run(&work, &outcome) != GY_OK)
        fail("a launch failed");
    if (outcome.items != end - begin || outcome.interrupted)
        fail("the outcome misses items");
    for (int64_t i = 0; i < MAX_ITEMS; i++)
        if (seen[i] != (i >= begin && i < end))
            fail("an item did not run exactly once");
}

static void *caller(void *argument)
{
    unsigned random = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < rounds; i++) {
        run_round(&random);
        if (i % 16 == 0)
            gy_pool_set_threads((int)(2 + next_random(&random) % 6));
    }
    return NULL;
}

static void launch_from_several_threads(void)
{
    pthread_t thread[CALLERS];
    for (uintptr_t i = 0; i < CALLERS; i++)
        if (pthread_create(&thread[i], NULL, caller, (void *)(i + 1)) != 0)
            fail("no thread");
    for (int i = 0; i < CALLERS; i++)
        pthread_join(thread[i], NULL);
}

static int stop_now(void *context)
{
    ++*(int *)context;
    return 1;
}

static void GY_ABI sleep_items(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    (void)frame, (void)scratch;
    usleep((unsigned)(end - begin) * 1000);
}

static void interrupt_a_launch(void)
{
    gy_frame frame;
    gy_outcome outcome;
    int polls = 0;
    gy_work work = {.entry = sleep_items, .frame = &frame, .end = 100000, .threads = 3,
                    .poll = stop_now, .poll_context = &polls};
    memset(&frame, 0, sizeof frame);
    if (gy_pool_run(&work, &outcome) != GY_OK || !outcome.interrupted || outcome.items >= work.end || polls != 1)
        fail("the launch was not interrupted");
}

static void launch_in_a_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        unsigned random = 7;
        for (int i = 0; i < 20; i++)
            run_round(&random);
        _exit(gy_pool_workers() > 0 ? 0 : 2);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("a launch in a forked child failed");
}

int main(int argc, char **argv)
{
    /* ThreadSanitizer cannot follow threads that a forked child starts. */
    int forks = argc < 3 || strcmp(argv[2], "nofork") != 0;
    if (argc > 1)
        rounds = atoi(argv[1]);
    gy_pool_set_threads(4);
    unsigned random = 1;
    for (int i = 0; i < rounds; i++)
        run_round(&random);
    launch_from_several_threads();
    interrupt_a_launch();
    if (forks)
        launch_in_a_child();
    run_round(&random);
    puts("ok");
    return 0;
}
