/* The state of the stand-in for CUDA's driver, shared by its files. */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_IMAGE = 200,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
};

/* One function of the interface: how often it was called, and how it is to fail. */
typedef struct entry {
    const char *name;
    long calls;
    int code, skip, times, known;
    struct entry *next;
} entry;

typedef struct object {
    int kind, id;
    double clock; /* of an event: when it was recorded, in ms */
} object;

enum { STREAM = 1, EVENT, POOL, MODULE, FUNCTION, GRAPH, EXECUTABLE, CONTEXT };

typedef struct launch {
    unsigned grid[3], block[3], shared;
    void *stream, *function;
    size_t bytes;
    unsigned char packed[2048];
} launch;

/* Begins a function: counts the call, notes it, and fails when a test asked for that. */
#define BEGIN(name, ...)                                                                                               \
    static entry here = {name, 0, 0, 0, 0, 0, NULL};                                                                      \
    int failed = fake_enter(&here);                                                                                    \
    fake_note(__VA_ARGS__);                                                                                            \
    if (failed)                                                                                                        \
        return failed

int fake_enter(entry *here);
void fake_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
object *fake_make(int kind);
int fake_is(const void *handle, int kind);
int fake_number(const void *handle);
void fake_drop(void *handle);
void *fake_current(void);
int fake_run(const launch *asked);
int fake_unpack(launch *asked, void **extra);
double fake_tick(void);

#endif
