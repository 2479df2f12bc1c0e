/* A launch on a device: the grid, the argument slots, and one call of the driver. */
#include "device.h"

/* The frame's last words before the slots become the header that device kernels expect (core/abi.py):
 * the shape, the blocks, and whether the grid is folded. */
enum { HEADER_WORDS = 7 };
_Static_assert(offsetof(gy_frame, slot) - offsetof(gy_frame, block) == HEADER_WORDS * sizeof(uint64_t),
               "the header fits between the shape and the slots");
_Static_assert(offsetof(gy_frame, grid) - offsetof(gy_frame, block) == 3 * sizeof(uint64_t) &&
                   offsetof(gy_frame, record) - offsetof(gy_frame, grid) == 3 * sizeof(uint64_t),
               "the blocks stand where the grid does");

enum {
    WATCH_FROM = 256,  /* launches not known to be done from which the device's progress is looked at */
    CROWDED_FROM = 512 /* from which the driver may block: drivers queue about a thousand launches */
};

/* As core/abi.py `grid_of`.  0 when even a folded grid is too large. */
static int native_grid(const GyPlan *plan, gy_frame *frame, int64_t count, unsigned grid[3])
{
    const int64_t *limit = plan->launcher->limit, *blocks = frame->grid;
    int folded = plan->folded && (blocks[2] > limit[0] || blocks[1] > limit[1] || blocks[0] > limit[2]);
    int64_t x = blocks[2], y = blocks[1], z = blocks[0];
    if (folded) {
        x = count < limit[0] ? count : limit[0];
        y = (count - 1) / x + 1;
        y = y < limit[1] ? y : limit[1];
        z = (count - 1) / x / y + 1;
        if (z > limit[2])
            return 0;
    }
    grid[0] = (unsigned)x, grid[1] = (unsigned)y, grid[2] = (unsigned)z;
    frame->record = (void *)(uintptr_t)folded;
    return 1;
}

/* Looks how far the device has come when much was put on the queue since anybody knew. */
static int is_crowded(GyQueue *queue)
{
    const GyLauncher *launcher = queue->launcher;
    uint64_t behind = queue->serial - queue->completed;
    if (behind < WATCH_FROM)
        return 0;
    if (queue->milestone != NULL) {
        if (!queue->milestone_set) {
            queue->milestone_set = launcher->event_record(queue->milestone, queue->handle) == 0;
            queue->milestone_serial = queue->serial;
        } else if (queue->serial % 16 == 0 || behind >= CROWDED_FROM) {
            if (launcher->event_query(queue->milestone) == 0) {
                if (queue->milestone_serial > queue->completed)
                    queue->completed = queue->milestone_serial;
                queue->milestone_set = 0;
            }
        }
    }
    return queue->serial - queue->completed >= CROWDED_FROM;
}

static int submit(const GyPlan *plan, GyQueue *queue, const unsigned grid[3], void *packed, size_t bytes)
{
    const GyLauncher *launcher = plan->launcher;
    /* CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END */
    void *extra[] = {(void *)1, packed, (void *)2, &bytes, (void *)0};
    void *current = NULL;
    int code = launcher->get_current(&current);
    if (code == 0 && current != launcher->context)
        code = launcher->set_current(launcher->context);
    if (code == 0)
        code = launcher->launch(plan->function, grid[0], grid[1], grid[2], (unsigned)plan->item[2] / plan->coarse,
                                (unsigned)plan->item[1], (unsigned)plan->item[0], plan->shared_bytes, queue->handle,
                                NULL, extra);
    if (current != launcher->context)
        launcher->set_current(current);
    return code;
}

static PyObject *raise_failure(const GyPlan *plan, int code)
{
    PyObject *result = PyObject_CallFunction(plan->launcher->failed, "iO", code, plan->code);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_Format(PyExc_RuntimeError, "the device's driver failed with code %d", code);
    }
    return NULL;
}

static GyMemory *memory_of(PyObject *array) { return ((GyDeviceArray *)array)->memory; }

/* Lets the queue wait for what other queues do with the arrays.  1; 0 when Python must launch; -1 on error. */
static int order(const GyPlan *plan, GyQueue *queue, PyObject *const *args)
{
    for (int i = 0; i < plan->param_count; i++) {
        if (!plan->param[i].is_array)
            continue;
        GyMemory *memory = memory_of(args[i]);
        if (memory->exposed)
            return 0;
        if (gy_memory_is_ordered(memory, queue))
            continue;
        PyObject *done = PyObject_CallMethod((PyObject *)queue, "follow", "O", (PyObject *)memory);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
    }
    return 1;
}

int gy_device_run(GyPlan *plan, gy_call *call, const int64_t shape[3], PyObject *const *args, PyObject **result)
{
    GyQueue *queue = gy_thread_queue(plan->launcher);
    unsigned grid[3];
    int code = 0;
    if (queue == NULL || !queue->open || !plan->launcher->alive)
        return 0;
    if (call->items > 0 && !native_grid(plan, call->frame, call->items, grid))
        return 0;
    int ordered = order(plan, queue, args);
    if (ordered <= 0) {
        *result = NULL;
        return ordered < 0;
    }
    if (call->items > 0) {
        for (int axis = 0; axis < 3; axis++)
            call->frame->block[axis] = shape[axis];
        size_t bytes = (HEADER_WORDS + (size_t)plan->slot_count) * sizeof(uint64_t);
        Py_INCREF((PyObject *)queue);
        int crowded = is_crowded(queue);
        if (crowded) {
            Py_BEGIN_ALLOW_THREADS
            code = submit(plan, queue, grid, call->frame->block, bytes);
            Py_END_ALLOW_THREADS
        } else {
            code = submit(plan, queue, grid, call->frame->block, bytes);
        }
        if (code == 0) {
            queue->serial++;
            for (int i = 0; i < plan->param_count; i++)
                if (plan->param[i].is_array)
                    gy_memory_use(memory_of(args[i]), queue);
        }
        Py_DECREF((PyObject *)queue);
    }
    if (code != 0) {
        *result = raise_failure(plan, code);
    } else {
        Py_INCREF(Py_None);
        *result = Py_None;
    }
    return 1;
}
