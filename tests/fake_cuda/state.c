/* What tests set and read: failures on demand, the order of calls, launches. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

typedef void (*kernel)(const void *packed, size_t bytes, const unsigned *grid, const unsigned *block);

enum { LOG = 1 << 16, KEPT_LAUNCHES = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *known;
static char noted[LOG];
static size_t noted_length;
static int noting, broken, serial[16], live[16];
static double clock_ms;
static launch launches[KEPT_LAUNCHES];
static long launch_count;
static kernel run_kernel;
static struct {
    char name[64];
    int code, skip, times;
} ordered[16];
static int ordered_count;

static int is_exempt(const char *name)
{
    return strncmp(name, "cuGetError", 10) == 0 || strcmp(name, "cuDevicePrimaryCtxReset_v2") == 0 ||
           strcmp(name, "cuDriverGetVersion") == 0;
}

static void take_order(entry *here)
{
    for (int i = 0; i < ordered_count; i++)
        if (strcmp(ordered[i].name, here->name) == 0) {
            here->code = ordered[i].code;
            here->skip = ordered[i].skip;
            here->times = ordered[i].times;
            return;
        }
}

int fake_enter(entry *here)
{
    if (!here->known) {
        pthread_mutex_lock(&lock);
        if (!here->known) {
            here->next = known;
            known = here;
            take_order(here);
            here->known = 1;
        }
        pthread_mutex_unlock(&lock);
    }
    here->calls++;
    if (broken && !is_exempt(here->name))
        return broken;
    if (here->code == 0)
        return 0;
    if (here->skip > 0) {
        here->skip--;
        return 0;
    }
    int code = here->code;
    if (here->times > 0 && --here->times == 0)
        here->code = 0;
    return code;
}

void fake_note(const char *format, ...)
{
    if (!noting || format == NULL)
        return;
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&lock);
    int more = vsnprintf(noted + noted_length, LOG - noted_length, format, values);
    if (more > 0 && noted_length + (size_t)more + 1 < LOG) {
        noted_length += (size_t)more;
        noted[noted_length++] = '\n';
    }
    noted[noted_length] = '\0';
    pthread_mutex_unlock(&lock);
    va_end(values);
}

object *fake_make(int kind)
{
    object *made = calloc(1, sizeof *made);
    pthread_mutex_lock(&lock);
    made->kind = kind;
    made->id = ++serial[kind];
    live[kind]++;
    pthread_mutex_unlock(&lock);
    return made;
}

int fake_is(const void *handle, int kind) { return handle != NULL && ((const object *)handle)->kind == kind; }

int fake_number(const void *handle) { return handle == NULL ? 0 : ((const object *)handle)->id; }

/* The object stays, so that a handle that was destroyed is known as such. */
void fake_drop(void *handle)
{
    object *dropped = handle;
    pthread_mutex_lock(&lock);
    live[dropped->kind]--;
    dropped->kind = 0;
    pthread_mutex_unlock(&lock);
}

double fake_tick(void) { return clock_ms += 1.0; }

int fake_unpack(launch *asked, void **extra)
{
    const void *packed = NULL;
    asked->bytes = 0;
    for (; extra != NULL && extra[0] != NULL; extra += 2) {
        if (extra[0] == (void *)1)
            packed = extra[1];
        else if (extra[0] == (void *)2)
            asked->bytes = *(size_t *)extra[1];
        else
            return INVALID_VALUE;
    }
    if (packed == NULL || asked->bytes > sizeof asked->packed)
        return INVALID_VALUE;
    memcpy(asked->packed, packed, asked->bytes);
    return SUCCESS;
}

int fake_run(const launch *asked)
{
    launch *place = &launches[launch_count++ % KEPT_LAUNCHES];
    memcpy(place, asked, offsetof(launch, packed) + asked->bytes);
    if (run_kernel != NULL)
        run_kernel(place->packed, place->bytes, place->grid, place->block);
    return SUCCESS;
}

/* From here on: what tests call. */

EXPORT void fake_fail(const char *name, int code, int skip, int times)
{
    int at = 0;
    while (at < ordered_count && strcmp(ordered[at].name, name) != 0)
        at++;
    if (at == 16)
        abort();
    ordered_count += at == ordered_count;
    snprintf(ordered[at].name, sizeof ordered[0].name, "%s", name);
    ordered[at].code = code;
    ordered[at].skip = skip;
    ordered[at].times = times;
    for (entry *one = known; one != NULL; one = one->next)
        if (strcmp(one->name, name) == 0)
            take_order(one);
}

EXPORT void fake_break(int code) { broken = code; }

EXPORT long fake_calls(const char *name)
{
    for (entry *one = known; one != NULL; one = one->next)
        if (strcmp(one->name, name) == 0)
            return one->calls;
    return 0;
}

EXPORT void fake_listen(int on)
{
    noting = on;
    noted_length = 0;
    noted[0] = '\0';
}

EXPORT const char *fake_heard(void) { return noted; }

EXPORT long fake_launches(void) { return launch_count; }

EXPORT const launch *fake_launch(long number) { return &launches[number % KEPT_LAUNCHES]; }

EXPORT void fake_kernel(kernel function) { run_kernel = function; }

EXPORT int fake_live(int kind) { return live[kind]; }

void fake_device_reset(void);

EXPORT void fake_reset(void)
{
    for (entry *one = known; one != NULL; one = one->next) {
        one->code = one->skip = one->times = 0;
        one->calls = 0;
    }
    ordered_count = 0;
    broken = 0;
    launch_count = 0;
    run_kernel = NULL;
    fake_listen(0);
    fake_device_reset();
}

EXPORT void fake_heal(void) { broken = 0; }
