/* Checking a launch's arguments against a plan and packing them into a frame.  Nothing is read
 * through a pointer that has not been checked first. */
#include <string.h>

#include "device.h"

enum { MAX_ARRAY_TYPES = 4 };

static PyTypeObject *array_type[MAX_ARRAY_TYPES];
static int array_type_count;

int gy_register_array_type(PyObject *type)
{
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "an array type must be a type");
        return -1;
    }
    for (int i = 0; i < array_type_count; i++)
        if (array_type[i] == (PyTypeObject *)type)
            return 0;
    if (array_type_count == MAX_ARRAY_TYPES) {
        PyErr_Format(PyExc_ValueError, "at most %d array types", MAX_ARRAY_TYPES);
        return -1;
    }
    Py_INCREF(type);
    array_type[array_type_count++] = (PyTypeObject *)type;
    return 0;
}

static int is_array(PyObject *object)
{
    for (int i = 0; i < array_type_count; i++)
        if (Py_TYPE(object) == array_type[i])
            return 1;
    return 0;
}

/* The kind behind a native single-letter buffer format, 0 for what kernels do not take. */
static int kind_of_format(char letter)
{
    switch (letter) {
    case 'f': case 'd': case 'e': return GY_FLOAT;
    case 'b': case 'h': case 'i': case 'l': case 'q': return GY_SIGNED;
    case 'B': case 'H': case 'I': case 'L': case 'Q': return GY_UNSIGNED;
    case '?': return GY_BOOL;
    default: return 0;
    }
}

static int format_fits(const gy_param *param, const Py_buffer *view)
{
    const char *format = view->format;
    if (format == NULL || view->itemsize != param->itemsize)
        return 0;
    if (param->kind == GY_STRUCT)
        return strcmp(format, param->format) == 0;
    return format[0] != '\0' && format[1] == '\0' && kind_of_format(format[0]) == param->kind;
}

/* The trailing axes of a Vec array are part of the element: exact extents, no gaps. */
static int inner_fits(const gy_param *param, const Py_buffer *view)
{
    int64_t stride = param->itemsize;
    for (int i = param->inner_rank - 1; i >= 0; i--) {
        int axis = param->rank + i;
        if (view->shape[axis] != param->inner[i] || (view->strides[axis] != stride && param->inner[i] != 1))
            return 0;
        stride *= param->inner[i];
    }
    return 1;
}

/* Copies extents and strides to the slots and works out which bytes they reach. */
static gy_fit layout_fits(const gy_param *param, const Py_buffer *view, uint64_t *slot, gy_range *range)
{
    int rank = param->rank, empty = 0;
    int64_t low = 0, high = 0;
    uint64_t misaligned = 0;
    for (int axis = 0; axis < rank; axis++) {
        int64_t extent = view->shape[axis], stride = view->strides[axis];
        slot[1 + axis] = (uint64_t)extent;
        slot[1 + rank + axis] = (uint64_t)stride;
        if (extent == 0)
            empty = 1;
        if (extent < 2)
            continue;
        misaligned |= (uint64_t)stride;
        if (stride < 0)
            low += (extent - 1) * stride;
        else
            high += (extent - 1) * stride;
    }
    uintptr_t base = (uintptr_t)view->buf;
    slot[0] = base;
    range->begin = range->end = base;
    if (empty)
        return GY_FITS;
    range->begin = base + (uintptr_t)low;
    range->end = base + (uintptr_t)high + (uintptr_t)param->element;
    if (((base | misaligned) & (uint64_t)(param->align - 1)) != 0)
        return GY_MISFIT_ALIGNMENT;
    if (param->unit >= 0 && rank > 0 && view->shape[rank - 1] > 1 &&
        (view->strides[rank - 1] == param->element) != param->unit)
        return GY_MISFIT_STRIDE;
    return GY_FITS;
}

static gy_fit fit_array(gy_call *call, const GyPlan *plan, const gy_param *param, PyObject *object, uint64_t *slot)
{
    if (param->elem != NULL)
        return gy_fit_device_array(call, plan, param, object, slot);
    if (!is_array(object))
        return GY_MISFIT_TYPE;
    Py_buffer *view = &call->view[call->view_count];
    if (PyObject_GetBuffer(object, view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();
        return GY_MISFIT_BUFFER;
    }
    call->view_count++;
    gy_range *range = &call->range[call->range_count++];
    if (!format_fits(param, view))
        return GY_MISFIT_FORMAT;
    if (view->ndim != param->rank + param->inner_rank)
        return GY_MISFIT_RANK;
    if (param->writes && view->readonly)
        return GY_MISFIT_READONLY;
    if (param->inner_rank > 0 && !inner_fits(param, view))
        return GY_MISFIT_INNER;
    return layout_fits(param, view, slot, range);
}

static int store_float(const gy_param *param, double value, uint64_t *slot)
{
    int finite = value - value == 0;
    if (param->kind == GY_BRAIN || param->itemsize == 2) {
        uint16_t bits = param->kind == GY_BRAIN ? gy_narrow(value, 8, 7) : gy_narrow(value, 5, 10);
        uint16_t infinity = param->kind == GY_BRAIN ? 0x7f80 : 0x7c00;
        *slot = bits;
        return !finite || (bits & 0x7fff) != infinity;
    }
    if (param->itemsize == 4) {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        *slot = bits;
        return !finite || narrow - narrow == 0;
    }
    memcpy(slot, &value, sizeof value);
    return 1;
}

/* Below 2**53 an integer reaches any float with one rounding. */
static int float_from_int(const gy_param *param, PyObject *integer, uint64_t *slot)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    if (overflow || value > 1LL << 53 || value < -(1LL << 53))
        return 0;
    return store_float(param, (double)value, slot);
}

static int store_int(const gy_param *param, PyObject *integer, uint64_t *slot)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    int bits = (int)param->itemsize * 8;
    uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    if (overflow > 0 && param->kind == GY_UNSIGNED && bits == 64) {
        unsigned long long wide = PyLong_AsUnsignedLongLong(integer);
        if (wide == (unsigned long long)-1 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
        *slot = wide;
        return 1;
    }
    if (overflow)
        return 0;
    if (param->kind == GY_UNSIGNED ? value < 0 || (uint64_t)value > mask
                                   : value < -(long long)(mask >> 1) - 1 || value > (long long)(mask >> 1))
        return 0;
    *slot = (uint64_t)value & mask;
    return 1;
}

static int is_float_kind(const gy_param *param) { return param->kind == GY_FLOAT || param->kind == GY_BRAIN; }

/* A scalar of one of the plan's own types (a NumPy scalar), through its exact conversions. */
static int store_typed(const gy_param *param, PyObject *object, uint64_t *slot)
{
    int fits = 0;
    if (param->kind == GY_BOOL) {
        int truth = PyObject_IsTrue(object);
        *slot = truth > 0;
        fits = truth >= 0;
    } else {
        PyObject *integer = is_float_kind(param) && !PyIndex_Check(object) ? NULL : PyNumber_Index(object);
        if (integer != NULL) {
            fits = is_float_kind(param) ? float_from_int(param, integer, slot) : store_int(param, integer, slot);
            Py_DECREF(integer);
        } else if (is_float_kind(param) && !PyErr_Occurred()) {
            double value = PyFloat_AsDouble(object);
            fits = !(value == -1 && PyErr_Occurred()) && store_float(param, value, slot);
        }
    }
    PyErr_Clear();
    return fits;
}

static gy_fit fit_scalar(const gy_param *param, PyObject *object, uint64_t *slot)
{
    *slot = 0;
    if (PyFloat_CheckExact(object)) {
        if (!(param->accepts & GY_ACCEPTS_FLOAT) || !is_float_kind(param))
            return GY_MISFIT_TYPE;
        return store_float(param, PyFloat_AsDouble(object), slot) ? GY_FITS : GY_MISFIT_VALUE;
    }
    if (PyLong_CheckExact(object)) {
        if (!(param->accepts & GY_ACCEPTS_INT) || param->kind == GY_BOOL)
            return GY_MISFIT_TYPE;
        int fits = is_float_kind(param) ? float_from_int(param, object, slot) : store_int(param, object, slot);
        return fits ? GY_FITS : GY_MISFIT_VALUE;
    }
    if (object == Py_True || object == Py_False) {
        if (!(param->accepts & GY_ACCEPTS_BOOL))
            return GY_MISFIT_TYPE;
        if (is_float_kind(param))
            return store_float(param, object == Py_True, slot) ? GY_FITS : GY_MISFIT_VALUE;
        *slot = object == Py_True;
        return GY_FITS;
    }
    for (int i = 0; i < param->type_count; i++)
        if ((PyObject *)Py_TYPE(object) == param->type[i])
            return store_typed(param, object, slot) ? GY_FITS : GY_MISFIT_VALUE;
    return GY_MISFIT_TYPE;
}

static int fits_32_bits(const gy_call *call, const GyPlan *plan)
{
    const int64_t limit = (int64_t)1 << 31;
    const gy_frame *frame = call->frame;
    int64_t product;
    if (__builtin_mul_overflow(frame->shape[0], frame->shape[1], &product) ||
        __builtin_mul_overflow(product, frame->shape[2], &product) || product >= limit)
        return 0;
    const uint64_t *slot = frame->slot;
    for (int i = 0, array = 0; i < plan->param_count; i++) {
        const gy_param *param = &plan->param[i];
        if (!param->is_array) {
            slot++;
            continue;
        }
        if (call->range[array].end - call->range[array].begin >= (uintptr_t)limit)
            return 0;
        for (int axis = 0; axis < param->rank; axis++)
            if ((int64_t)slot[1 + axis] >= limit)
                return 0;
        slot += 1 + 2 * param->rank;
        array++;
    }
    return 1;
}

/* The index of a parameter whose written array shares bytes with another array, or -1. */
static int overlapping(const gy_call *call, const GyPlan *plan)
{
    for (int i = 0, array = 0; i < plan->param_count; i++) {
        if (!plan->param[i].is_array)
            continue;
        const gy_range *mine = &call->range[array];
        if (plan->param[i].writes && mine->begin < mine->end) {
            for (int other = 0; other < call->range_count; other++) {
                const gy_range *theirs = &call->range[other];
                if (other != array && theirs->begin < theirs->end && mine->begin < theirs->end &&
                    theirs->begin < mine->end)
                    return i;
            }
        }
        array++;
    }
    return -1;
}

static inline int64_t ceil_div(int64_t value, int64_t by) { return value / by + (value % by != 0); }

gy_fit gy_frame_shape(gy_frame *frame, const GyPlan *plan, const int64_t shape[3], int64_t *items)
{
    int64_t count = 1;
    int overflow = 0, empty = 0;
    for (int axis = 0; axis < 3; axis++) {
        frame->shape[axis] = shape[axis];
        frame->block[axis] = plan->block[axis];
        frame->grid[axis] = ceil_div(shape[axis], plan->item[axis]);
        empty |= shape[axis] == 0;
        overflow |= __builtin_mul_overflow(count, frame->grid[axis], &count);
    }
    if (empty)
        count = 0;
    else if (overflow)
        return GY_MISFIT_SHAPE;
    frame->record = NULL;
    *items = count;
    return GY_FITS;
}

/* Whether a launch has as many threads as the plan is for. */
static int fits_counts(const GyPlan *plan, const int64_t shape[3])
{
    int64_t threads;
    if (plan->counts[1] < 0)
        return 1;
    if (shape[0] == 0 || shape[1] == 0 || shape[2] == 0)
        return plan->counts[0] == 0;
    if (__builtin_mul_overflow(shape[0], shape[1], &threads) || __builtin_mul_overflow(threads, shape[2], &threads))
        return 0;
    return threads >= plan->counts[0] && threads <= plan->counts[1];
}

/* As core/abi.py `folds`: whether the launch has more blocks along an axis than the device's grid. */
static int folds(const GyPlan *plan, const int64_t shape[3])
{
    return shape[0] > plan->reach[0] || shape[1] > plan->reach[1] || shape[2] > plan->reach[2];
}

int gy_call_init(gy_call *call, const GyPlan *plan)
{
    call->view_count = call->range_count = 0;
    call->frame = &call->small_frame.frame;
    call->view = call->small_view;
    call->range = call->small_range;
    if (plan->slot_count > GY_SMALL_SLOTS) {
        call->frame = PyMem_Malloc(sizeof(gy_frame) + (size_t)plan->slot_count * sizeof(uint64_t));
        if (call->frame == NULL)
            return -1;
    }
    if (plan->array_count > GY_SMALL_VIEWS) {
        size_t count = (size_t)plan->array_count;
        call->view = PyMem_Malloc(count * (sizeof(Py_buffer) + sizeof(gy_range)));
        call->range = (gy_range *)(call->view + count);
        if (call->view == NULL) {
            call->view = call->small_view;
            gy_call_clear(call);
            return -1;
        }
    }
    return 0;
}

gy_fit gy_call_fit(gy_call *call, const GyPlan *plan, const int64_t shape[3], PyObject *const *args,
                   Py_ssize_t count, int *which)
{
    *which = -1;
    if (count != plan->param_count)
        return GY_MISFIT_COUNT;
    if (!fits_counts(plan, shape))
        return GY_MISFIT_COUNTS;
    if (plan->launcher != NULL && folds(plan, shape) != plan->folded)
        return GY_MISFIT_GRID;
    gy_fit fit = gy_frame_shape(call->frame, plan, shape, &call->items);
    if (fit != GY_FITS)
        return fit;
    uint64_t *slot = call->frame->slot;
    for (int i = 0; i < plan->param_count; i++) {
        const gy_param *param = &plan->param[i];
        fit = param->is_array ? fit_array(call, plan, param, args[i], slot) : fit_scalar(param, args[i], slot);
        if (fit != GY_FITS) {
            *which = i;
            return fit;
        }
        slot += param->is_array ? 1 + 2 * param->rank : 1;
    }
    if (plan->index_bits != 0 && fits_32_bits(call, plan) != (plan->index_bits == 32))
        return GY_MISFIT_WIDTH;
    if (plan->noalias >= 0 && plan->array_count > 1) {
        int overlap = overlapping(call, plan);
        if ((overlap < 0) != plan->noalias) {
            *which = overlap;
            return GY_MISFIT_OVERLAP;
        }
    }
    return GY_FITS;
}

PyObject **gy_call_take(gy_call *call, const GyPlan *plan, const int64_t shape[3], PyObject *args)
{
    Py_ssize_t count = PyTuple_Size(args);
    PyObject **items = NULL;
    int which;
    if (gy_call_init(call, plan) < 0 || (items = PyMem_Malloc((size_t)(count + 1) * sizeof *items)) == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        items[i] = PyTuple_GetItem(args, i);
    gy_fit fit = gy_call_fit(call, plan, shape, items, count, &which);
    if (fit == GY_FITS)
        return items;
    gy_raise_misfit(fit, which, plan);
    PyMem_Free(items);
    return NULL;
}

void gy_call_clear(gy_call *call)
{
    for (int i = 0; i < call->view_count; i++)
        PyBuffer_Release(&call->view[i]);
    call->view_count = 0;
    if (call->frame != &call->small_frame.frame)
        PyMem_Free(call->frame);
    if (call->view != call->small_view)
        PyMem_Free(call->view);
    call->frame = &call->small_frame.frame;
    call->view = call->small_view;
}
