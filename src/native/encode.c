/* Launches put on a compute pass of WebGPU one behind the other, without Python between them. */
#include "device.h"

typedef void (*gy_set_pipeline)(void *stage, void *pipeline);
typedef void (*gy_set_group)(void *stage, uint32_t number, void *group, size_t count, const uint32_t *offsets);
typedef void (*gy_dispatch)(void *stage, uint32_t x, uint32_t y, uint32_t z);

/* One launch, as `drivers/webgpu/graph.py` packs it. */
typedef struct {
    uint64_t pipeline, group;
    uint32_t offset; /* of the parameters in their buffer */
    uint32_t x, y, z;
} gy_encoded;

PyObject *gy_encode_py(PyObject *module, PyObject *args)
{
    unsigned long long stage, pipeline, group, dispatch;
    Py_buffer table;
    (void)module;
    if (!PyArg_ParseTuple(args, "K(KKK)y*:encode_launches", &stage, &pipeline, &group, &dispatch, &table))
        return NULL;
    if (table.len % (Py_ssize_t)sizeof(gy_encoded)) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of launches", table.len);
        PyBuffer_Release(&table);
        return NULL;
    }
    const gy_encoded *each = table.buf, *end = each + table.len / (Py_ssize_t)sizeof(gy_encoded);
    uint64_t current = 0;
    Py_BEGIN_ALLOW_THREADS
    for (; each < end; each++) {
        if (each->pipeline != current)
            ((gy_set_pipeline)(uintptr_t)pipeline)((void *)(uintptr_t)stage, (void *)(uintptr_t)each->pipeline);
        current = each->pipeline;
        ((gy_set_group)(uintptr_t)group)((void *)(uintptr_t)stage, 0, (void *)(uintptr_t)each->group, 1, &each->offset);
        ((gy_dispatch)(uintptr_t)dispatch)((void *)(uintptr_t)stage, each->x, each->y, each->z);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&table);
    Py_RETURN_NONE;
}
