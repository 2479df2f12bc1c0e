// Runs the blocks of a grid on one processor thread: every thread of a block is a fibre with a stack of its own,
// and the switch to another fibre happens at barriers and simdgroup functions alone.
#include "shim.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>

namespace {
constexpr unsigned LIMIT = 1024, WIDTH = 32;
constexpr size_t STACK = 256 << 10;
enum State { READY, AT_BLOCK, AT_SIMDGROUP, DONE };
struct Fibre {
    State state;
    unsigned line;
    ShimPlace place;
};
Fibre fibres[LIMIT];
char *stacks;
unsigned current, count;
ShimBody body_now;
void *const *arguments_now;
char trouble[200];
void finish();
} // namespace

#if defined(__x86_64__)
extern "C" void shim_switch(void **save, void *to);
asm(R"(.text
.globl shim_switch
shim_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi); movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
)");
namespace {
void *main_stack, *stack_of[LIMIT];
void prepare(unsigned k) {
    void **top = reinterpret_cast<void **>(stacks + (k + 1) * STACK);
    *--top = nullptr; // keeps the stack where the calling convention wants it
    *--top = reinterpret_cast<void *>(finish);
    for (int saved = 0; saved < 6; saved++) *--top = nullptr;
    stack_of[k] = top;
}
void enter(unsigned k) { shim_switch(&main_stack, stack_of[k]); }
void leave() { shim_switch(&stack_of[current], main_stack); }
} // namespace
#elif defined(__aarch64__)
extern "C" void shim_switch(void **save, void *to);
asm(R"(.text
.globl shim_switch
shim_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]; stp x27, x28, [sp, #64]; stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]; stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
    mov x9, sp; str x9, [x0]; mov sp, x1
    ldp x19, x20, [sp, #0]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]; ldp x27, x28, [sp, #64]; ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]; ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
)");
namespace {
void *main_stack, *stack_of[LIMIT];
void prepare(unsigned k) {
    void **top = reinterpret_cast<void **>(stacks + (k + 1) * STACK) - 20;
    memset(top, 0, 160);
    top[11] = reinterpret_cast<void *>(finish); // x30
    stack_of[k] = top;
}
void enter(unsigned k) { shim_switch(&main_stack, stack_of[k]); }
void leave() { shim_switch(&stack_of[current], main_stack); }
} // namespace
#else
#include <ucontext.h>
namespace {
ucontext_t main_context, context_of[LIMIT];
void prepare(unsigned k) {
    getcontext(&context_of[k]);
    context_of[k].uc_stack.ss_sp = stacks + k * STACK;
    context_of[k].uc_stack.ss_size = STACK;
    makecontext(&context_of[k], finish, 0);
}
void enter(unsigned k) { swapcontext(&main_context, &context_of[k]); }
void leave() { swapcontext(&context_of[current], &main_context); }
} // namespace
#endif

ShimPlace shim_here;
unsigned long long shim_words[LIMIT];
unsigned shim_linear() { return current; }
unsigned shim_threads() { return count; }
void shim_meet(int whole, unsigned line) {
    fibres[current].state = whole ? AT_BLOCK : AT_SIMDGROUP;
    fibres[current].line = line;
    leave();
}

namespace {
void finish() {
    body_now(arguments_now);
    fibres[current].state = DONE;
    leave();
}

// Let threads [begin, end) go on when all of them stand at one line in one state.
bool release(unsigned begin, unsigned end, State state) {
    for (unsigned k = begin; k < end; k++)
        if (fibres[k].state != state || fibres[k].line != fibres[begin].line) return false;
    for (unsigned k = begin; k < end; k++) fibres[k].state = READY;
    return true;
}

const char *stuck() {
    const Fibre &first = fibres[0];
    for (unsigned k = 0; k < count; k++) {
        const Fibre &other = fibres[k];
        if (other.state != first.state || other.line != first.line) {
            const char *names[] = {"running", "at a barrier", "at a simdgroup function", "done"};
            snprintf(trouble, sizeof trouble, "thread 0 is %s (line %u) and thread %u is %s (line %u) of its block",
                     names[first.state], first.line, k, names[other.state], other.line);
            return trouble;
        }
    }
    return "a block stands still";
}

void place(unsigned k, ShimPlace &here) {
    here.linear = k;
    here.at[0] = k % here.block[0];
    here.at[1] = k / here.block[0] % here.block[1];
    here.at[2] = k / here.block[0] / here.block[1];
}

const char *run_block() {
    for (unsigned k = 0; k < count; k++) {
        fibres[k].state = READY;
        prepare(k);
    }
    for (;;) {
        unsigned done = 0;
        for (current = 0; current < count; current++) {
            if (fibres[current].state == READY) {
                place(current, shim_here);
                enter(current);
            }
            done += fibres[current].state == DONE;
        }
        if (done == count) return nullptr;
        bool any = release(0, count, AT_BLOCK);
        for (unsigned k = 0; k < count; k += WIDTH)
            any = release(k, k + WIDTH < count ? k + WIDTH : count, AT_SIMDGROUP) || any;
        if (!any) return stuck();
    }
}
} // namespace

const char *shim_run(ShimBody body, void *const *arguments, const unsigned *groups, const unsigned *block,
                     int meets, char *begin, char *end) {
    count = block[0] * block[1] * block[2];
    if (count > LIMIT) return "a block has more than 1024 threads";
    if (!stacks) {
        void *found = mmap(nullptr, LIMIT * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (found == MAP_FAILED) return "no memory for the stacks of a block";
        stacks = static_cast<char *>(found);
    }
    body_now = body;
    arguments_now = arguments;
    memcpy(shim_here.groups, groups, sizeof shim_here.groups);
    memcpy(shim_here.block, block, sizeof shim_here.block);
    for (unsigned z = 0; z < groups[2]; z++)
        for (unsigned y = 0; y < groups[1]; y++)
            for (unsigned x = 0; x < groups[0]; x++) {
                shim_here.group[0] = x, shim_here.group[1] = y, shim_here.group[2] = z;
                if (begin != end) memset(begin, 0xA5, end - begin);
                if (meets) {
                    if (const char *text = run_block()) return text;
                    continue;
                }
                for (current = 0; current < count; current++) {
                    place(current, shim_here);
                    body(arguments);
                }
            }
    return nullptr;
}
