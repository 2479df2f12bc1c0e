/* Launching on devices other than the CPU: what a driver tells C once, so that a launch needs no Python.
 *
 * The driver's functions are called by address.  Their shapes are those of CUDA's driver API; another
 * driver can serve them with functions of its own. */
#ifndef GYRAL_DEVICE_H
#define GYRAL_DEVICE_H

#include "native.h"

enum { GY_DEVICE_RANK = 4 };

typedef int (*gy_launch_function)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                                  unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream,
                                  void **parameters, void **extra);
typedef int (*gy_get_current)(void **context);
typedef int (*gy_set_current)(void *context);
typedef int (*gy_event_record)(void *event, void *stream);
typedef int (*gy_query)(void *handle);

/* One device, as launches from C see it. */
struct GyLauncher {
    PyObject_HEAD
    PyObject *failed; /* called with the driver's error code and the program; raises */
    gy_launch_function launch;
    gy_get_current get_current;
    gy_set_current set_current;
    gy_event_record event_record;
    gy_query event_query;
    void *context;
    int64_t limit[3]; /* most blocks along x, y and z */
    int alive;
};

/* A queue of work on a device.  `serial` counts what was put there, after it was put, so that an event that is
 * recorded now comes behind all that was counted.  `completed` says how much of it is known to be done. */
typedef struct GyQueue {
    PyObject_HEAD
    GyLauncher *launcher;
    void *handle;
    uint64_t serial, completed;
    void *milestone; /* an event that is recorded now and then, to learn how far the device has come */
    uint64_t milestone_serial;
    int milestone_set;
    int open;
} GyQueue;

/* A block of device memory, and the point behind all work that uses it.  The point stays with the memory when
 * it goes back to the pool: whoever gets it next waits for the work of its last owner. */
typedef struct GyMemory {
    PyObject_HEAD
    GyLauncher *launcher;
    uint64_t address, nbytes;
    GyQueue *queue; /* of the last launch from C, and its number there; NULL when `marks` says it all */
    uint64_t serial;
    PyObject *marks; /* the key of a queue -> a mark in it */
    int exposed;
} GyMemory;

/* An array in device memory, with its layout at hand. */
typedef struct GyDeviceArray {
    PyObject_HEAD
    PyObject *device, *buffer, *dtype, *shape, *strides;
    GyMemory *memory; /* NULL when launches from C cannot use it */
    uint64_t address;
    int rank; /* -1 above GY_DEVICE_RANK axes, and where 64 bits do not hold the layout */
    int64_t extent[GY_DEVICE_RANK], stride[GY_DEVICE_RANK];
    gy_range range;
    uint64_t bits; /* of the address and of all strides that matter, for alignment */
    uint64_t rows; /* the same without the last axis */
} GyDeviceArray;

extern PyTypeObject *GyLauncherType, *GyQueueType, *GyMemoryType, *GyDeviceArrayType, *GyDevicePlanType,
    *GyDeviceBoundType;

/* devicequeue.c: the calling thread's own queue, borrowed, or NULL. */
GyQueue *gy_thread_queue(GyLauncher *launcher);

/* devicememory.c: whether nothing but work on `queue` is pending, and noting more of it. */
int gy_memory_is_ordered(GyMemory *memory, GyQueue *queue);
void gy_memory_use(GyMemory *memory, GyQueue *queue);

/* devicearray.c */
gy_fit gy_fit_device_array(gy_call *call, const GyPlan *plan, const gy_param *param, PyObject *object, uint64_t *slot);

/* devicelaunch.c: puts a launch that fits on the thread's queue.  0: Python must do it; 1 with *result set, NULL on
 * error. */
int gy_device_run(GyPlan *plan, gy_call *call, const int64_t shape[3], PyObject *const *args, PyObject **result);

/* devicebound.c */
PyObject *gy_device_bind(GyPlan *plan, const int64_t shape[3], PyObject *args, PyObject *otherwise);

/* await.c */
PyObject *gy_await_py(PyObject *module, PyObject *args, PyObject *kwargs);

/* encode.c */
PyObject *gy_encode_py(PyObject *module, PyObject *args);

#endif
