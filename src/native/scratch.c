#include "scratch.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, GRAIN = 4096 };

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_failed;

void *gy_scratch_take(gy_scratch *scratch, size_t bytes)
{
    void *memory = NULL;
    if (bytes == 0)
        return NULL;
    if (scratch->taken) {
        if (posix_memalign(&memory, ALIGNMENT, bytes) != 0)
            return NULL;
        return memory;
    }
    if (scratch->bytes < bytes) {
        if (bytes > SIZE_MAX - GRAIN)
            return NULL;
        size_t rounded = (bytes + GRAIN - 1) / GRAIN * GRAIN;
        if (posix_memalign(&memory, ALIGNMENT, rounded) != 0)
            return NULL;
        free(scratch->memory);
        scratch->memory = memory;
        scratch->bytes = rounded;
    }
    scratch->taken = 1;
    return scratch->memory;
}

void gy_scratch_give(gy_scratch *scratch, void *memory)
{
    if (memory == NULL)
        return;
    if (memory != scratch->memory) {
        free(memory);
        return;
    }
    scratch->taken = 0;
    if (scratch->bytes > GY_SCRATCH_KEEP) {
        free(scratch->memory);
        scratch->memory = NULL;
        scratch->bytes = 0;
    }
}

static void thread_ends(void *held)
{
    gy_scratch *scratch = held;
    free(scratch->memory);
    free(scratch);
}

static void make_key(void) { key_failed = pthread_key_create(&key, thread_ends) != 0; }

gy_scratch *gy_scratch_here(void)
{
    pthread_once(&once, make_key);
    if (key_failed)
        return NULL;
    gy_scratch *scratch = pthread_getspecific(key);
    if (scratch == NULL) {
        scratch = calloc(1, sizeof *scratch);
        if (scratch != NULL && pthread_setspecific(key, scratch) != 0) {
            free(scratch);
            return NULL;
        }
    }
    return scratch;
}
