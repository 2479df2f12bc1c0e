/* The Plan type: made by Python once per specialisation, run from C many times. */
#include <string.h>

#include "native.h"

PyTypeObject *GyPlanType;

int gy_plan_extents(PyObject *value, const char *name, int64_t out[3])
{
    if (!PyTuple_Check(value) || PyTuple_Size(value) != 3) {
        PyErr_Format(PyExc_TypeError, "%s must be a tuple of three ints", name);
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        out[i] = PyLong_AsLongLong(PyTuple_GetItem(value, i));
        if (out[i] < 1) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_ValueError, "%s must be positive, not %lld", name, (long long)out[i]);
            return -1;
        }
    }
    return 0;
}

int gy_plan_params(GyPlan *self, PyObject *params)
{
    Py_ssize_t count = PyTuple_Size(params);
    if (count < 0 || count > 4096) {
        PyErr_SetString(PyExc_ValueError, "a plan has at most 4096 parameters");
        return -1;
    }
    self->param = PyMem_Calloc((size_t)(count > 0 ? count : 1), sizeof *self->param);
    if (self->param == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        gy_param *param = &self->param[i];
        self->param_count = (int)i + 1;
        if (gy_param_parse(PyTuple_GetItem(params, i), param) < 0)
            return -1;
        if (param->elem != NULL && self->launcher == NULL) {
            PyErr_SetString(PyExc_ValueError, "a plan for the CPU takes no arrays in device memory");
            return -1;
        }
        self->array_count += param->is_array;
        self->slot_count += param->is_array ? 1 + 2 * param->rank : 1;
    }
    return 0;
}

int gy_plan_choices(GyPlan *self, PyObject *index_bits, PyObject *noalias)
{
    if (index_bits != Py_None) {
        long bits = PyLong_AsLong(index_bits);
        if (bits != 32 && bits != 64) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "index_bits must be 32, 64 or None");
            return -1;
        }
        self->index_bits = (int)bits;
    }
    self->noalias = -1;
    if (noalias != Py_None && (self->noalias = PyObject_IsTrue(noalias)) < 0)
        return -1;
    return 0;
}

int gy_plan_counts(GyPlan *self, PyObject *counts)
{
    self->counts[1] = -1;
    if (counts == Py_None)
        return 0;
    long long least = -1, most = -1;
    if (PyTuple_Check(counts) && !PyArg_ParseTuple(counts, "LL", &least, &most))
        return -1;
    if (least < 0 || most < least) {
        PyErr_SetString(PyExc_ValueError, "counts must be None or the fewest and the most threads");
        return -1;
    }
    self->counts[0] = least;
    self->counts[1] = most;
    return 0;
}

static int plan_init(GyPlan *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"code", "params", "rank", "item", "block", "requested", "index_bits", "noalias",
                            "scratch_bytes", "record", "cost_ns", "counts", NULL};
    PyObject *code, *params, *item, *block = NULL;
    PyObject *requested = Py_None, *index_bits = Py_None, *noalias = Py_None, *counts = Py_None;
    Py_ssize_t scratch = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!iO|$OOOOnpdO:Plan", names, GyCodeType, &code, &PyTuple_Type,
                                     &params, &self->rank, &item, &block, &requested, &index_bits, &noalias,
                                     &scratch, &self->record, &self->ns_per_item, &counts))
        return -1;
    if (self->rank < 1 || self->rank > 3 || scratch < 0 || !(self->ns_per_item >= 0)) {
        PyErr_SetString(PyExc_ValueError, "rank must be 1 to 3, scratch_bytes and cost_ns not negative");
        return -1;
    }
    self->scratch_bytes = (size_t)scratch;
    self->block[0] = self->block[1] = self->block[2] = 1;
    if (gy_plan_extents(item, "item", self->item) < 0 ||
        (block != NULL && gy_plan_extents(block, "block", self->block) < 0) ||
        (requested != Py_None && gy_plan_extents(requested, "requested", self->requested) < 0) ||
        gy_plan_choices(self, index_bits, noalias) < 0 || gy_plan_counts(self, counts) < 0 ||
        gy_plan_params(self, params) < 0)
        return -1;
    Py_INCREF(code);
    self->code = code;
    self->entry = gy_code_entry(code);
    return 0;
}

/* All in tp_new: a plan never changes, and the limited API cannot keep __init__ from a second call. */
static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    GyPlan *self = (GyPlan *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    self->ns_per_item = 1;
    if (plan_init(self, args, kwargs) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

void gy_plan_dealloc(PyObject *object)
{
    GyPlan *self = (GyPlan *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < self->param_count; i++)
        gy_param_clear(&self->param[i]);
    PyMem_Free(self->param);
    Py_XDECREF(self->code);
    Py_XDECREF((PyObject *)self->launcher);
    PyObject_Free(object);
    Py_DECREF(type);
}

int gy_plan_shape(const GyPlan *self, PyObject *shape, int64_t out[3])
{
    if (gy_parse_extents(shape, self->rank, out) == 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "the plan is for shapes of rank %d, not %R", self->rank, shape);
    return -1;
}

/* The number of threads: 0 leaves the choice to the estimate. */
static int parse_threads(PyObject *object, int *threads)
{
    *threads = 0;
    if (object == Py_None)
        return 0;
    long value = PyLong_AsLong(object);
    if (value < 1 || value > INT_MAX) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "threads must be positive");
        return -1;
    }
    *threads = (int)value;
    return 0;
}

static PyObject *run_frame(GyPlan *self, gy_frame *frame, int64_t items, PyObject *record, int threads)
{
    Py_buffer view;
    if (gy_record_take(self, record, &view, frame) < 0)
        return NULL;
    int failed = gy_run(self, frame, items, threads) < 0;
    if (view.obj != NULL)
        PyBuffer_Release(&view);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *plan_run(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"shape", "args", "record", "threads", NULL};
    GyPlan *self = (GyPlan *)object;
    PyObject *shape_object, *tuple, *record = Py_None, *threads_object = Py_None;
    int64_t shape[3];
    int threads;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!|OO:run", names, &shape_object, &PyTuple_Type, &tuple, &record,
                                     &threads_object) ||
        gy_plan_shape(self, shape_object, shape) < 0 || parse_threads(threads_object, &threads) < 0)
        return NULL;
    gy_call call;
    PyObject **items = gy_call_take(&call, self, shape, tuple);
    PyObject *result = items == NULL ? NULL : run_frame(self, call.frame, call.items, record, threads);
    gy_call_clear(&call);
    PyMem_Free(items);
    return result;
}

static PyObject *plan_run_packed(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"shape", "slots", "record", "threads", NULL};
    GyPlan *self = (GyPlan *)object;
    PyObject *shape_object, *record = Py_None, *threads_object = Py_None;
    Py_buffer slots;
    int64_t shape[3], items;
    int threads;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oy*|OO:run_packed", names, &shape_object, &slots, &record,
                                     &threads_object))
        return NULL;
    PyObject *result = NULL;
    size_t bytes = (size_t)self->slot_count * sizeof(uint64_t);
    gy_frame *frame = NULL;
    if (gy_plan_shape(self, shape_object, shape) < 0 || parse_threads(threads_object, &threads) < 0)
        goto done;
    if ((size_t)slots.len != bytes) {
        PyErr_Format(PyExc_TypeError, "the plan takes %d slots of 8 bytes, not %zd bytes", self->slot_count, slots.len);
        goto done;
    }
    frame = PyMem_Malloc(sizeof *frame + bytes);
    if (frame == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    memcpy(frame->slot, slots.buf, bytes);
    gy_fit fit = gy_frame_shape(frame, self, shape, &items);
    if (fit == GY_FITS)
        result = run_frame(self, frame, items, record, threads);
    else
        gy_raise_misfit(fit, -1, self);
done:
    PyMem_Free(frame);
    PyBuffer_Release(&slots);
    return result;
}

static PyObject *plan_bind(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"shape", "args", "record", NULL};
    GyPlan *self = (GyPlan *)object;
    PyObject *shape_object, *tuple, *record = Py_None;
    int64_t shape[3];
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!|O:bind", names, &shape_object, &PyTuple_Type, &tuple,
                                     &record) ||
        gy_plan_shape(self, shape_object, shape) < 0)
        return NULL;
    return gy_bind(self, shape, tuple, record);
}

static PyMethodDef plan_methods[] = {
    {"run", (PyCFunction)(void (*)(void))plan_run, METH_VARARGS | METH_KEYWORDS, NULL},
    {"run_packed", (PyCFunction)(void (*)(void))plan_run_packed, METH_VARARGS | METH_KEYWORDS, NULL},
    {"bind", (PyCFunction)(void (*)(void))plan_bind, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef plan_members[] = {
    {"code", T_OBJECT_EX, offsetof(GyPlan, code), READONLY, "The machine code it runs."},
    {"rank", T_INT, offsetof(GyPlan, rank), READONLY, "Rank of the launches it serves."},
    {"slots", T_INT, offsetof(GyPlan, slot_count), READONLY, "Argument slots in its frame."},
    {"ns_per_item", T_DOUBLE, offsetof(GyPlan, ns_per_item), READONLY, "Running estimate of one item's cost."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "One specialisation of a kernel: its code and what its arguments must look like."},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, gy_plan_dealloc},
    {Py_tp_methods, plan_methods},
    {Py_tp_members, plan_members},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "gyral._native.Plan",
    .basicsize = sizeof(GyPlan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = plan_slots,
};

int gy_add_plan(PyObject *module)
{
    GyPlanType = (PyTypeObject *)PyType_FromSpec(&plan_spec);
    return GyPlanType == NULL ? -1 : PyModule_AddObjectRef(module, "Plan", (PyObject *)GyPlanType);
}
