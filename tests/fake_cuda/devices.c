/* Devices, contexts, streams, events, kernels and graphs. Queued work is done at once. */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

enum { MOST_DEVICES = 4, ATTRIBUTES = 160, MOST_NODES = 64 };

typedef struct graph {
    object head;
    int count, loaded;
    launch node[MOST_NODES];
} graph;

/* CUDA_KERNEL_NODE_PARAMS, version 2 */
typedef struct node_parameters {
    void *function;
    unsigned grid[3], block[3], shared;
    void **parameters, **extra;
    void *kernel, *context;
} node_parameters;

static int version = 13000, devices = 2, held[MOST_DEVICES];
static object *context[MOST_DEVICES];
static int attribute[ATTRIBUTES];
static _Thread_local void *current;
static int linked = 1, registers = 32, function_threads = 1024, static_shared;

void fake_heal(void);

static void set_defaults(void)
{
    memset(attribute, 0, sizeof attribute);
    attribute[1] = 1024;
    attribute[5] = 2147483647;
    attribute[6] = attribute[7] = 65535;
    attribute[8] = 49152;
    attribute[10] = 32;
    attribute[12] = 65536;
    attribute[16] = 132;
    attribute[39] = 2048;
    attribute[75] = 9;
    attribute[76] = 0;
    attribute[81] = 233472;
    attribute[97] = 232448;
    attribute[115] = 1;
}

void *fake_current(void) { return current; }

void fake_memory_reset(void);

void fake_device_reset(void)
{
    version = 13000;
    devices = 2;
    linked = 1;
    registers = 32;
    function_threads = 1024;
    static_shared = 0;
    current = NULL;
    set_defaults();
    fake_memory_reset();
}

EXPORT void fake_set(const char *what, int value)
{
    if (strcmp(what, "version") == 0)
        version = value;
    else if (strcmp(what, "devices") == 0)
        devices = value;
    else if (strcmp(what, "linked") == 0)
        linked = value;
    else if (strcmp(what, "registers") == 0)
        registers = value;
    else if (strcmp(what, "function_threads") == 0)
        function_threads = value;
    else if (strcmp(what, "static_shared") == 0)
        static_shared = value;
    else
        abort();
}

EXPORT void fake_set_attribute(int number, int value) { attribute[number] = value; }

EXPORT int fake_context_uses(int device) { return held[device]; }

EXPORT int cuInit(unsigned flags)
{
    BEGIN("cuInit", NULL);
    if (attribute[1] == 0)
        set_defaults();
    return flags != 0 ? INVALID_VALUE : devices == 0 ? NO_DEVICE : SUCCESS;
}

EXPORT int cuDriverGetVersion(int *found)
{
    BEGIN("cuDriverGetVersion", NULL);
    *found = version;
    return SUCCESS;
}

EXPORT int cuGetErrorName(int code, const char **text)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {{1, "CUDA_ERROR_INVALID_VALUE"},     {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                 {100, "CUDA_ERROR_NO_DEVICE"},       {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                 {600, "CUDA_ERROR_NOT_READY"},       {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                 {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"}, {999, "CUDA_ERROR_UNKNOWN"}};
    BEGIN("cuGetErrorName", NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code) {
            *text = names[i].name;
            return SUCCESS;
        }
    *text = NULL;
    return INVALID_VALUE;
}

EXPORT int cuGetErrorString(int code, const char **text)
{
    BEGIN("cuGetErrorString", NULL);
    *text = code == 2 ? "out of memory" : NULL;
    return *text == NULL ? INVALID_VALUE : SUCCESS;
}

EXPORT int cuDeviceGetCount(int *count)
{
    BEGIN("cuDeviceGetCount", NULL);
    *count = devices;
    return SUCCESS;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
    BEGIN("cuDeviceGet", NULL);
    *device = ordinal;
    return ordinal < devices ? SUCCESS : INVALID_DEVICE;
}

EXPORT int cuDeviceGetName(char *name, int length, int device)
{
    BEGIN("cuDeviceGetName", NULL);
    (void)device;
    strncpy(name, "Stand-in", (size_t)length);
    return SUCCESS;
}

EXPORT int cuDeviceGetAttribute(int *value, int number, int device)
{
    BEGIN("cuDeviceGetAttribute", NULL);
    (void)device;
    if (number < 0 || number >= ATTRIBUTES)
        return INVALID_VALUE;
    *value = attribute[number];
    return SUCCESS;
}

EXPORT int cuDeviceCanAccessPeer(int *found, int device, int peer)
{
    BEGIN("cuDeviceCanAccessPeer", NULL);
    *found = linked && device != peer;
    return SUCCESS;
}

EXPORT int cuCtxEnablePeerAccess(void *peer, unsigned flags)
{
    BEGIN("cuCtxEnablePeerAccess", "context %d reaches context %d", fake_number(current), fake_number(peer));
    return fake_is(peer, CONTEXT) && flags == 0 ? SUCCESS : INVALID_CONTEXT;
}

EXPORT int cuDevicePrimaryCtxRetain(void **made, int device)
{
    BEGIN("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRetain %d", device);
    if (context[device] == NULL)
        context[device] = fake_make(CONTEXT);
    held[device]++;
    *made = context[device];
    return SUCCESS;
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device)
{
    BEGIN("cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease %d", device);
    held[device]--;
    return SUCCESS;
}

EXPORT int cuDevicePrimaryCtxReset_v2(int device)
{
    BEGIN("cuDevicePrimaryCtxReset_v2", "cuDevicePrimaryCtxReset %d", device);
    fake_heal();
    return SUCCESS;
}

EXPORT int cuCtxGetCurrent(void **found)
{
    BEGIN("cuCtxGetCurrent", NULL);
    *found = current;
    return SUCCESS;
}

EXPORT int cuCtxSetCurrent(void *wanted)
{
    BEGIN("cuCtxSetCurrent", NULL);
    current = wanted;
    return SUCCESS;
}

EXPORT int cuCtxSynchronize(void)
{
    BEGIN("cuCtxSynchronize", "cuCtxSynchronize");
    return current == NULL ? INVALID_CONTEXT : SUCCESS;
}

EXPORT int cuStreamCreate(void **made, unsigned flags)
{
    BEGIN("cuStreamCreate", NULL);
    (void)flags;
    if (current == NULL)
        return INVALID_CONTEXT;
    *made = fake_make(STREAM);
    return SUCCESS;
}

EXPORT int cuStreamDestroy_v2(void *stream)
{
    BEGIN("cuStreamDestroy_v2", NULL);
    if (!fake_is(stream, STREAM))
        return INVALID_HANDLE;
    fake_drop(stream);
    return SUCCESS;
}

EXPORT int cuStreamSynchronize(void *stream)
{
    BEGIN("cuStreamSynchronize", "stream %d is waited for", fake_number(stream));
    return fake_is(stream, STREAM) ? SUCCESS : INVALID_HANDLE;
}

EXPORT int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    BEGIN("cuStreamWaitEvent", "stream %d waits for event %d", fake_number(stream), fake_number(event));
    (void)flags;
    return fake_is(event, EVENT) ? SUCCESS : INVALID_HANDLE;
}

EXPORT int cuEventCreate(void **made, unsigned flags)
{
    BEGIN("cuEventCreate", NULL);
    (void)flags;
    *made = fake_make(EVENT);
    return SUCCESS;
}

EXPORT int cuEventDestroy_v2(void *event)
{
    BEGIN("cuEventDestroy_v2", NULL);
    if (!fake_is(event, EVENT))
        return INVALID_HANDLE;
    fake_drop(event);
    return SUCCESS;
}

EXPORT int cuEventRecord(void *event, void *stream)
{
    BEGIN("cuEventRecord", "event %d on stream %d", fake_number(event), fake_number(stream));
    if (!fake_is(event, EVENT))
        return INVALID_HANDLE;
    ((object *)event)->clock = fake_tick();
    return SUCCESS;
}

EXPORT int cuEventQuery(void *event)
{
    BEGIN("cuEventQuery", NULL);
    return fake_is(event, EVENT) ? SUCCESS : INVALID_HANDLE;
}

EXPORT int cuEventElapsedTime(float *found, void *first, void *second)
{
    BEGIN("cuEventElapsedTime", NULL);
    *found = (float)(((object *)second)->clock - ((object *)first)->clock);
    return SUCCESS;
}

EXPORT int cuModuleLoadData(void **made, const char *image)
{
    BEGIN("cuModuleLoadData", NULL);
    if (strncmp(image, "stand-in", 8) != 0 && memcmp(image, "\177ELF", 4) != 0)
        return INVALID_IMAGE;
    *made = fake_make(MODULE);
    return SUCCESS;
}

EXPORT int cuModuleUnload(void *module)
{
    BEGIN("cuModuleUnload", NULL);
    if (!fake_is(module, MODULE))
        return INVALID_HANDLE;
    fake_drop(module);
    return SUCCESS;
}

EXPORT int cuModuleGetFunction(void **made, void *module, const char *name)
{
    BEGIN("cuModuleGetFunction", NULL);
    (void)module;
    if (strcmp(name, "gyral_kernel") != 0)
        return NOT_FOUND;
    *made = fake_make(FUNCTION);
    return SUCCESS;
}

EXPORT int cuFuncGetAttribute(int *value, int number, void *function)
{
    BEGIN("cuFuncGetAttribute", NULL);
    (void)function;
    *value = number == 0 ? function_threads : number == 1 ? static_shared : number == 4 ? registers : 0;
    return SUCCESS;
}

EXPORT int cuFuncSetAttribute(void *function, int number, int value)
{
    BEGIN("cuFuncSetAttribute", "attribute %d of a function is %d", number, value);
    (void)function;
    return SUCCESS;
}

EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *found, void *function, int threads, size_t dynamic)
{
    BEGIN("cuOccupancyMaxActiveBlocksPerMultiprocessor", NULL);
    (void)function, (void)dynamic;
    *found = attribute[39] / threads;
    return SUCCESS;
}

EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, void *stream, void **parameters, void **extra)
{
    BEGIN("cuLaunchKernel", "launch on stream %d", fake_number(stream));
    launch asked;
    if (parameters != NULL || !fake_is(function, FUNCTION))
        return INVALID_VALUE;
    if (current == NULL)
        return INVALID_CONTEXT;
    asked.grid[0] = gx, asked.grid[1] = gy, asked.grid[2] = gz;
    asked.block[0] = bx, asked.block[1] = by, asked.block[2] = bz;
    asked.shared = shared;
    asked.stream = stream;
    asked.function = function;
    int wrong = fake_unpack(&asked, extra);
    return wrong ? wrong : fake_run(&asked);
}

/* CUlaunchConfig and CUlaunchAttribute */
typedef struct attribute_of_launch {
    int id;
    char pad[4];
    int value[16];
} attribute_of_launch;

typedef struct config {
    unsigned grid[3], block[3], shared;
    void *stream;
    const attribute_of_launch *attributes;
    unsigned count;
} config;

EXPORT int cuLaunchKernelEx(const config *how, void *function, void **parameters, void **extra)
{
    BEGIN("cuLaunchKernelEx", "launch on stream %d that stays", fake_number(how->stream));
    launch asked;
    if (parameters != NULL || !fake_is(function, FUNCTION) || how->count != 1)
        return INVALID_VALUE;
    if (how->attributes[0].id != 2 || how->attributes[0].value[0] != 1)
        return INVALID_VALUE;
    if (current == NULL)
        return INVALID_CONTEXT;
    memcpy(asked.grid, how->grid, sizeof asked.grid);
    memcpy(asked.block, how->block, sizeof asked.block);
    asked.shared = how->shared;
    asked.stream = how->stream;
    asked.function = function;
    int wrong = fake_unpack(&asked, extra);
    return wrong ? wrong : fake_run(&asked);
}

EXPORT int cuGraphCreate(void **made, unsigned flags)
{
    BEGIN("cuGraphCreate", NULL);
    (void)flags;
    graph *new = calloc(1, sizeof *new);
    object *head = fake_make(GRAPH);
    new->head = *head;
    free(head);
    *made = new;
    return SUCCESS;
}

EXPORT int cuGraphDestroy(void *which)
{
    BEGIN("cuGraphDestroy", NULL);
    fake_drop(which);
    return SUCCESS;
}

static int set_node(launch *node, const node_parameters *asked)
{
    memcpy(node->grid, asked->grid, sizeof node->grid);
    memcpy(node->block, asked->block, sizeof node->block);
    node->shared = asked->shared;
    node->function = asked->function;
    return asked->parameters != NULL ? INVALID_VALUE : fake_unpack(node, asked->extra);
}

static void note_dependencies(const char *what, int number, void **before, size_t count)
{
    fake_note("%s node %d after %zu", what, number, count);
    for (size_t i = 0; i < count; i++)
        fake_note("node %d after node %d", number, (int)(intptr_t)before[i]);
}

EXPORT int cuGraphAddKernelNode_v2(void **made, void *which, void **before, size_t count, const node_parameters *asked)
{
    BEGIN("cuGraphAddKernelNode_v2", NULL);
    graph *to = which;
    if (to->count == MOST_NODES)
        return INVALID_VALUE;
    int wrong = set_node(&to->node[to->count++], asked);
    *made = (void *)(intptr_t)to->count;
    note_dependencies("kernel", to->count, before, count);
    return wrong;
}

EXPORT int cuGraphAddEmptyNode(void **made, void *which, void **before, size_t count)
{
    BEGIN("cuGraphAddEmptyNode", NULL);
    graph *to = which;
    to->node[to->count++].function = NULL;
    *made = (void *)(intptr_t)to->count;
    note_dependencies("empty", to->count, before, count);
    return SUCCESS;
}

EXPORT int cuGraphInstantiateWithFlags(void **made, void *which, unsigned long long flags)
{
    BEGIN("cuGraphInstantiateWithFlags", NULL);
    graph *new = calloc(1, sizeof *new);
    object *head = fake_make(EXECUTABLE);
    *new = *(graph *)which;
    new->head = *head;
    free(head);
    *made = new;
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuGraphExecDestroy(void *which)
{
    BEGIN("cuGraphExecDestroy", NULL);
    fake_drop(which);
    return SUCCESS;
}

EXPORT int cuGraphLaunch(void *which, void *stream)
{
    BEGIN("cuGraphLaunch", "graph on stream %d", fake_number(stream));
    graph *run = which;
    for (int i = 0; i < run->count; i++)
        if (run->node[i].function != NULL) {
            run->node[i].stream = stream;
            fake_run(&run->node[i]);
        }
    return SUCCESS;
}

EXPORT int cuGraphExecKernelNodeSetParams_v2(void *which, void *node, const node_parameters *asked)
{
    BEGIN("cuGraphExecKernelNodeSetParams_v2", NULL);
    graph *changed = which;
    int number = (int)(intptr_t)node;
    return number < 1 || number > changed->count ? INVALID_VALUE : set_node(&changed->node[number - 1], asked);
}
