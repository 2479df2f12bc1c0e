/* The base of arrays in device memory: their layout in C, ready to be compared with a plan and packed. */
#include <string.h>

#include "device.h"

PyTypeObject *GyDeviceArrayType;

/* 0 with no exception set for numbers beyond 64 bits, as strides of empty arrays may be; -1 with one for others. */
static int read_axes(PyObject *tuple, int rank, int64_t out[GY_DEVICE_RANK])
{
    for (int axis = 0; axis < rank; axis++) {
        out[axis] = PyLong_AsLongLong(PyTuple_GetItem(tuple, axis));
        if (out[axis] == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError))
                return -1;
            PyErr_Clear();
            return 0;
        }
    }
    return 1;
}

/* Which bytes the elements reach, and the bits that decide on alignment. */
static void measure(GyDeviceArray *self, int64_t itemsize)
{
    uint64_t low = 0, high = 0;
    self->bits = self->rows = self->address;
    self->range.begin = self->range.end = self->address;
    for (int axis = 0; axis < self->rank; axis++) {
        int64_t extent = self->extent[axis], stride = self->stride[axis];
        if (extent == 0)
            return;
        if (extent == 1)
            continue;
        self->bits |= (uint64_t)stride;
        if (axis < self->rank - 1)
            self->rows |= (uint64_t)stride;
        *(stride < 0 ? &low : &high) += (uint64_t)(extent - 1) * (uint64_t)stride;
    }
    self->range.begin = self->address + low;
    self->range.end = self->address + high + (uint64_t)itemsize;
}

static int set_memory(GyDeviceArray *self)
{
    PyObject *memory = PyObject_GetAttrString(self->buffer, "memory");
    if (memory == NULL)
        return -1;
    PyObject *before = (PyObject *)self->memory;
    self->memory = NULL;
    if (PyObject_TypeCheck(memory, GyMemoryType))
        self->memory = (GyMemory *)memory;
    else
        Py_DECREF(memory);
    Py_XDECREF(before);
    return 0;
}

static void set_object(PyObject **place, PyObject *value)
{
    PyObject *before = *place;
    Py_INCREF(value);
    *place = value;
    Py_XDECREF(before);
}

static int array_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"device", "buffer", "dtype", "shape", "strides", "address", NULL};
    GyDeviceArray *self = (GyDeviceArray *)object;
    PyObject *device, *buffer, *dtype, *shape, *strides;
    unsigned long long address;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO!O!K:DeviceArrayBase", names, &device, &buffer, &dtype,
                                     &PyTuple_Type, &shape, &PyTuple_Type, &strides, &address))
        return -1;
    Py_ssize_t rank = PyTuple_Size(shape);
    if (PyTuple_Size(strides) != rank) {
        PyErr_SetString(PyExc_ValueError, "an array has one stride per axis");
        return -1;
    }
    set_object(&self->device, device);
    set_object(&self->buffer, buffer);
    set_object(&self->dtype, dtype);
    set_object(&self->shape, shape);
    set_object(&self->strides, strides);
    self->address = address;
    self->rank = rank > GY_DEVICE_RANK ? -1 : (int)rank;
    int extents = read_axes(shape, self->rank, self->extent), steps = read_axes(strides, self->rank, self->stride);
    if (extents < 0 || steps < 0 || set_memory(self) < 0)
        return -1;
    if (extents == 0 || steps == 0)
        self->rank = -1;
    PyObject *itemsize = PyObject_GetAttrString(dtype, "itemsize");
    long long bytes = itemsize == NULL ? -1 : PyLong_AsLongLong(itemsize);
    Py_XDECREF(itemsize);
    if (bytes == -1 && PyErr_Occurred())
        return -1;
    measure(self, bytes);
    return 0;
}

gy_fit gy_fit_device_array(gy_call *call, const GyPlan *plan, const gy_param *param, PyObject *object, uint64_t *slot)
{
    if (!PyObject_TypeCheck(object, GyDeviceArrayType))
        return GY_MISFIT_TYPE;
    const GyDeviceArray *array = (GyDeviceArray *)object;
    if (array->memory == NULL || array->memory->launcher != plan->launcher)
        return GY_MISFIT_BUFFER;
    if (array->dtype != param->elem) {
        int equal = PyObject_RichCompareBool(array->dtype, param->elem, Py_EQ);
        if (equal < 0)
            PyErr_Clear();
        if (equal != 1)
            return GY_MISFIT_FORMAT;
    }
    int rank = param->rank;
    if (array->rank != rank)
        return GY_MISFIT_RANK;
    slot[0] = array->address;
    for (int axis = 0; axis < rank; axis++) {
        slot[1 + axis] = (uint64_t)array->extent[axis];
        slot[1 + rank + axis] = (uint64_t)array->stride[axis];
    }
    call->range[call->range_count++] = array->range;
    if (array->range.begin == array->range.end)
        return GY_FITS;
    /* Where the last axis has no gaps, alignment beyond an element's is that of rows. */
    uint64_t bits = param->unit == 1 ? array->rows : array->bits;
    if ((bits & (uint64_t)(param->align - 1)) != 0)
        return GY_MISFIT_ALIGNMENT;
    if (param->unit >= 0 && rank > 0 && array->extent[rank - 1] > 1 &&
        (array->stride[rank - 1] == param->element) != param->unit)
        return GY_MISFIT_STRIDE;
    return GY_FITS;
}

static void array_dealloc(PyObject *object)
{
    GyDeviceArray *self = (GyDeviceArray *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_CLEAR(self->device);
    Py_CLEAR(self->dtype);
    Py_CLEAR(self->shape);
    Py_CLEAR(self->strides);
    Py_CLEAR(self->memory);
    Py_CLEAR(self->buffer); /* last: this may give the memory back */
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMemberDef array_members[] = {
    {"device", T_OBJECT_EX, offsetof(GyDeviceArray, device), READONLY, "The device whose memory it is."},
    {"buffer", T_OBJECT_EX, offsetof(GyDeviceArray, buffer), READONLY, "The block of memory it lies in."},
    {"dtype", T_OBJECT_EX, offsetof(GyDeviceArray, dtype), READONLY, "The type of its elements."},
    {"shape", T_OBJECT_EX, offsetof(GyDeviceArray, shape), READONLY, "Its extents."},
    {"strides", T_OBJECT_EX, offsetof(GyDeviceArray, strides), READONLY, "Bytes between neighbours, per axis."},
    {"address", T_ULONGLONG, offsetof(GyDeviceArray, address), READONLY, "Where its first element stands."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_tp_doc, "Base of arrays in device memory: what a launch must know of them. It never changes."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, array_init},
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_members, array_members},
    {0, NULL},
};

static PyType_Spec array_spec = {
    .name = "gyral._native.DeviceArrayBase",
    .basicsize = sizeof(GyDeviceArray),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = array_slots,
};

int gy_add_device_array(PyObject *module)
{
    GyDeviceArrayType = (PyTypeObject *)PyType_FromSpec(&array_spec);
    return GyDeviceArrayType == NULL
               ? -1
               : PyModule_AddObjectRef(module, "DeviceArrayBase", (PyObject *)GyDeviceArrayType);
}
