/* Hand-written kernels for the tests of the native module: self-contained code without constants in
 * memory, so that the text section alone is a loadable image. */
#include "../src/native/abi.h"

#define KERNEL void GY_ABI

/* scalar f32, f32[n], f32[n] in items of 256 */
KERNEL saxpy(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    union { uint32_t bits; float value; } a = {.bits = (uint32_t)frame->slot[0]};
    const char *x = (const char *)frame->slot[1];
    char *y = (char *)frame->slot[4];
    int64_t stop = end * 256 < frame->shape[2] ? end * 256 : frame->shape[2];
    for (int64_t i = begin * 256; i < stop; i++) {
        float *out = (float *)(y + i * (int64_t)frame->slot[6]);
        *out = a.value * *(const float *)(x + i * (int64_t)frame->slot[3]) + *out;
    }
    (void)scratch;
}

/* i64[n]: adds 1 for every item */
KERNEL count(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    int64_t *seen = (int64_t *)frame->slot[0];
    for (int64_t i = begin; i < end; i++)
        seen[i]++;
    (void)scratch;
}

/* i64[m], then anything: copies the frame's 11 words and the slots that follow to the array */
KERNEL dump(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    int64_t *out = (int64_t *)frame->slot[0];
    const int64_t *words = (const int64_t *)frame;
    for (int64_t i = 0; i < (int64_t)frame->slot[1]; i++)
        out[i] = words[i];
    (void)begin, (void)end, (void)scratch;
}

/* u64 rounds, i64[n]: busy for `rounds` turns an item, then adds 1 */
KERNEL busy(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    int64_t *seen = (int64_t *)frame->slot[1];
    for (int64_t i = begin; i < end; i++) {
        for (uint64_t round = 0; round < frame->slot[0]; round++)
            __asm__ volatile("");
        seen[i]++;
    }
    (void)scratch;
}

/* i64[n]: fills 1 KiB of scratch with the item number and stores what it reads back */
KERNEL scratch(const gy_frame *frame, int64_t begin, int64_t end, void *memory)
{
    int64_t *out = (int64_t *)frame->slot[0];
    volatile int64_t *words = memory;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t word = 0; word < 128; word++)
            words[word] = i;
        out[i] = (uint64_t)memory % 64 == 0 ? words[127] : -1;
    }
}

/* no arguments: reports thread 7, site 3 */
KERNEL fault(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    volatile int64_t *record = frame->record; /* volatile: no pair of constants from memory */
    record[1] = 7;
    record[2] = 3;
    (void)begin, (void)end, (void)scratch;
}
