/* Device memory, which is host memory here, and copies, which are done at once. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

typedef struct block {
    uint64_t address;
    size_t bytes;
    int kind; /* 1 pinned host memory, 2 device memory */
    struct block *next;
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *blocks;
static size_t total = (size_t)1 << 30, used;

void fake_memory_reset(void)
{
    total = (size_t)1 << 30;
    used = 0;
    for (block *one = blocks; one != NULL; one = one->next)
        used += one->kind == 2 ? one->bytes : 0;
    total += used; /* what earlier tests still hold is theirs */
}

EXPORT void fake_set_memory(size_t bytes) { total = used + bytes; }

EXPORT size_t fake_memory_used(void) { return used; }

static int make_block(uint64_t *address, size_t bytes, int kind)
{
    void *memory = NULL;
    if (bytes == 0)
        return INVALID_VALUE;
    if (kind == 2 && used + bytes > total)
        return OUT_OF_MEMORY;
    if (posix_memalign(&memory, 256, bytes) != 0)
        return OUT_OF_MEMORY;
    block *new = malloc(sizeof *new);
    pthread_mutex_lock(&lock);
    *new = (block){(uint64_t)(uintptr_t)memory, bytes, kind, blocks};
    blocks = new;
    used += kind == 2 ? bytes : 0;
    pthread_mutex_unlock(&lock);
    *address = new->address;
    return SUCCESS;
}

static int drop_block(uint64_t address, int kind)
{
    int code = INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (block **place = &blocks; *place != NULL; place = &(*place)->next)
        if ((*place)->address == address && (*place)->kind == kind) {
            block *found = *place;
            *place = found->next;
            used -= kind == 2 ? found->bytes : 0;
            free((void *)(uintptr_t)address);
            free(found);
            code = SUCCESS;
            break;
        }
    pthread_mutex_unlock(&lock);
    return code;
}

static block *block_of(uint64_t address)
{
    for (block *one = blocks; one != NULL; one = one->next)
        if (address >= one->address && address < one->address + one->bytes)
            return one;
    return NULL;
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    BEGIN("cuDeviceTotalMem_v2", NULL);
    (void)device;
    *bytes = total;
    return SUCCESS;
}

EXPORT int cuMemGetInfo_v2(size_t *left, size_t *all)
{
    BEGIN("cuMemGetInfo_v2", NULL);
    *left = total - used;
    *all = total;
    return SUCCESS;
}

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t bytes)
{
    BEGIN("cuMemAlloc_v2", "allocate %zu", bytes);
    return make_block(address, bytes, 2);
}

EXPORT int cuMemFree_v2(uint64_t address)
{
    BEGIN("cuMemFree_v2", "free");
    return drop_block(address, 2);
}

EXPORT int cuMemPoolCreate(void **made, const void *properties)
{
    BEGIN("cuMemPoolCreate", NULL);
    const int *wanted = properties;
    if (wanted[0] != 1 || wanted[2] != 1)
        return INVALID_VALUE;
    *made = fake_make(POOL);
    return SUCCESS;
}

EXPORT int cuMemPoolDestroy(void *pool)
{
    BEGIN("cuMemPoolDestroy", NULL);
    fake_drop(pool);
    return SUCCESS;
}

EXPORT int cuMemPoolSetAttribute(void *pool, int number, void *value)
{
    BEGIN("cuMemPoolSetAttribute", NULL);
    return fake_is(pool, POOL) && number == 4 && value != NULL ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuMemPoolSetAccess(void *pool, const int *access, size_t count)
{
    BEGIN("cuMemPoolSetAccess", "pool %d is open to device %d", fake_number(pool), access[1]);
    return fake_is(pool, POOL) && count == 1 && access[0] == 1 && access[2] == 3 ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuMemAllocFromPoolAsync(uint64_t *address, size_t bytes, void *pool, void *stream)
{
    BEGIN("cuMemAllocFromPoolAsync", "allocate %zu on stream %d", bytes, fake_number(stream));
    return fake_is(pool, POOL) ? make_block(address, bytes, 2) : INVALID_VALUE;
}

EXPORT int cuMemFreeAsync(uint64_t address, void *stream)
{
    BEGIN("cuMemFreeAsync", "free on stream %d", fake_number(stream));
    return drop_block(address, 2);
}

EXPORT int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    uint64_t address;
    BEGIN("cuMemHostAlloc", NULL);
    (void)flags;
    int code = make_block(&address, bytes, 1);
    if (code == SUCCESS)
        *memory = (void *)(uintptr_t)address;
    return code;
}

EXPORT int cuMemFreeHost(void *memory)
{
    BEGIN("cuMemFreeHost", NULL);
    return drop_block((uint64_t)(uintptr_t)memory, 1);
}

EXPORT int cuMemHostRegister_v2(void *memory, size_t bytes, unsigned flags)
{
    BEGIN("cuMemHostRegister_v2", "%zu bytes of host memory are pinned, flags %u", bytes, flags);
    return memory != NULL && bytes > 0 ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuMemHostUnregister(void *memory)
{
    BEGIN("cuMemHostUnregister", "host memory is unpinned");
    return memory != NULL ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuMemHostGetDevicePointer_v2(uint64_t *found, void *memory, unsigned flags)
{
    BEGIN("cuMemHostGetDevicePointer_v2", NULL);
    *found = (uint64_t)(uintptr_t)memory;
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuPointerGetAttribute(void *value, int number, uint64_t address)
{
    BEGIN("cuPointerGetAttribute", NULL);
    const block *found = block_of(address);
    if (found == NULL)
        return INVALID_VALUE;
    *(int *)value = number == 2 ? found->kind : 0;
    return SUCCESS;
}

static int copy(uint64_t target, uint64_t source, size_t bytes)
{
    if (bytes == 0)
        return INVALID_VALUE;
    memcpy((void *)(uintptr_t)target, (void *)(uintptr_t)source, bytes);
    return SUCCESS;
}

EXPORT int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t bytes, void *stream)
{
    BEGIN("cuMemcpyHtoDAsync_v2", "copy %zu in on stream %d", bytes, fake_number(stream));
    return copy(target, (uint64_t)(uintptr_t)source, bytes);
}

EXPORT int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t bytes, void *stream)
{
    BEGIN("cuMemcpyDtoHAsync_v2", "copy %zu out on stream %d", bytes, fake_number(stream));
    return copy((uint64_t)(uintptr_t)target, source, bytes);
}

EXPORT int cuMemcpyDtoDAsync_v2(uint64_t target, uint64_t source, size_t bytes, void *stream)
{
    BEGIN("cuMemcpyDtoDAsync_v2", "copy %zu within on stream %d", bytes, fake_number(stream));
    return copy(target, source, bytes);
}

EXPORT int cuMemcpyPeerAsync(uint64_t target, void *there, uint64_t source, void *here_context, size_t bytes, void *stream)
{
    BEGIN("cuMemcpyPeerAsync", "copy %zu from context %d on stream %d", bytes, fake_number(here_context),
          fake_number(stream));
    return fake_is(there, CONTEXT) && fake_is(here_context, CONTEXT) ? copy(target, source, bytes) : INVALID_VALUE;
}

EXPORT int cuMemsetD8Async(uint64_t target, unsigned char value, size_t count, void *stream)
{
    BEGIN("cuMemsetD8Async", "set %zu of 1 on stream %d", count, fake_number(stream));
    memset((void *)(uintptr_t)target, value, count);
    return SUCCESS;
}

EXPORT int cuMemsetD16Async(uint64_t target, unsigned short value, size_t count, void *stream)
{
    BEGIN("cuMemsetD16Async", "set %zu of 2 on stream %d", count, fake_number(stream));
    for (size_t i = 0; i < count; i++)
        ((unsigned short *)(uintptr_t)target)[i] = value;
    return SUCCESS;
}

EXPORT int cuMemsetD32Async(uint64_t target, unsigned value, size_t count, void *stream)
{
    BEGIN("cuMemsetD32Async", "set %zu of 4 on stream %d", count, fake_number(stream));
    for (size_t i = 0; i < count; i++)
        ((unsigned *)(uintptr_t)target)[i] = value;
    return SUCCESS;
}
