// What a kernel compiled as C++ asks of the runtime that runs its blocks (fibres.cpp).
#pragma once

extern "C" {
struct ShimPlace {
    unsigned group[3], groups[3], block[3], at[3], linear;
};
// Where the thread that runs now stands; valid from its first instruction to its first meeting.
extern ShimPlace shim_here;
// Number of the running thread in its block.
unsigned shim_linear();
// Threads of the block.
unsigned shim_threads();
// Wait until every thread of the block (whole = 1) or of the running thread's simdgroup has come to this line.
void shim_meet(int whole, unsigned line);
// One word per thread of the block, to exchange values through.
extern unsigned long long shim_words[1024];
typedef void (*ShimBody)(void *const *arguments);
// Run a grid block by block; null, or what went wrong. Memory from `begin` to `end` is the block's, and is
// filled with rubbish before each block. Without `meets` threads run one after the other.
const char *shim_run(ShimBody body, void *const *arguments, const unsigned *groups, const unsigned *block,
                     int meets, char *begin, char *end);
}
