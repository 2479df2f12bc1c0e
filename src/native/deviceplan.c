/* The DevicePlan type: a loaded program and what arguments it takes, for launches on a device's queue. */
#include "device.h"

PyTypeObject *GyDevicePlanType;

/* The limit of a grid in threads; coarse threads count as if each did one element, as core/abi.py has it. */
static void reach(GyPlan *self)
{
    int64_t threads[3] = {self->item[0], self->item[1], self->item[2] / self->coarse};
    for (int axis = 0; axis < 3; axis++)
        if (__builtin_mul_overflow(threads[axis], self->launcher->limit[2 - axis], &self->reach[axis]))
            self->reach[axis] = INT64_MAX;
}

static int plan_init(GyPlan *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"launcher", "program", "function", "params", "rank", "item", "requested", "index_bits",
                            "noalias", "counts", "shared_bytes", "coarse",
                            "folded", NULL};
    PyObject *launcher, *program, *params, *item;
    PyObject *requested = Py_None, *index_bits = Py_None, *noalias = Py_None, *counts = Py_None;
    unsigned long long function;
    self->coarse = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OKO!iO|$OOOOIIp:DevicePlan", names, GyLauncherType, &launcher,
                                     &program, &function, &PyTuple_Type, &params, &self->rank, &item, &requested,
                                     &index_bits, &noalias, &counts, &self->shared_bytes, &self->coarse,
                                     &self->folded))
        return -1;
    if (self->rank < 1 || self->rank > 3 || function == 0) {
        PyErr_SetString(PyExc_ValueError, "rank must be 1 to 3, and function an address");
        return -1;
    }
    Py_INCREF(launcher);
    self->launcher = (GyLauncher *)launcher;
    Py_INCREF(program);
    self->code = program;
    self->function = (void *)(uintptr_t)function;
    self->block[0] = self->block[1] = self->block[2] = 1;
    if (gy_plan_extents(item, "item", self->item) < 0 ||
        (requested != Py_None && gy_plan_extents(requested, "requested", self->requested) < 0) ||
        gy_plan_choices(self, index_bits, noalias) < 0 || gy_plan_counts(self, counts) < 0 ||
        gy_plan_params(self, params) < 0)
        return -1;
    if (self->coarse < 1 || self->item[2] % self->coarse != 0) {
        PyErr_SetString(PyExc_ValueError, "a block's last extent is a multiple of what one thread does of it");
        return -1;
    }
    reach(self);
    for (int i = 0; i < self->param_count; i++)
        if (self->param[i].is_array && self->param[i].elem == NULL) {
            PyErr_SetString(PyExc_ValueError, "arrays of a device plan are described by ('device', ...)");
            return -1;
        }
    return 0;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    GyPlan *self = (GyPlan *)PyType_GenericAlloc(type, 0);
    if (self != NULL && plan_init(self, args, kwargs) < 0) {
        Py_DECREF((PyObject *)self);
        self = NULL;
    }
    return (PyObject *)self;
}

static PyObject *plan_run(PyObject *object, PyObject *args)
{
    GyPlan *self = (GyPlan *)object;
    PyObject *shape_object, *tuple, *result = NULL;
    int64_t shape[3];
    gy_call call;
    if (!PyArg_ParseTuple(args, "OO!:run", &shape_object, &PyTuple_Type, &tuple) ||
        gy_plan_shape(self, shape_object, shape) < 0)
        return NULL;
    PyObject **items = gy_call_take(&call, self, shape, tuple);
    if (items != NULL && !gy_device_run(self, &call, shape, items, &result)) {
        result = PyBool_FromLong(0);
    } else if (result != NULL) {
        Py_DECREF(result);
        result = PyBool_FromLong(1);
    }
    gy_call_clear(&call);
    PyMem_Free(items);
    return result;
}

static PyObject *plan_bind(PyObject *object, PyObject *args)
{
    GyPlan *self = (GyPlan *)object;
    PyObject *shape_object, *tuple, *otherwise;
    int64_t shape[3];
    if (!PyArg_ParseTuple(args, "OO!O:bind", &shape_object, &PyTuple_Type, &tuple, &otherwise) ||
        gy_plan_shape(self, shape_object, shape) < 0)
        return NULL;
    return gy_device_bind(self, shape, tuple, otherwise);
}

static PyMethodDef plan_methods[] = {
    {"run", plan_run, METH_VARARGS, NULL},
    {"bind", plan_bind, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef plan_members[] = {
    {"program", T_OBJECT_EX, offsetof(GyPlan, code), READONLY, "The loaded program it runs."},
    {"launcher", T_OBJECT_EX, offsetof(GyPlan, launcher), READONLY, "The device it runs on."},
    {"rank", T_INT, offsetof(GyPlan, rank), READONLY, "Rank of the launches it serves."},
    {"slots", T_INT, offsetof(GyPlan, slot_count), READONLY, "Argument slots behind the header."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "A program on a device, and what arguments it takes."},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, gy_plan_dealloc},
    {Py_tp_methods, plan_methods},
    {Py_tp_members, plan_members},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "gyral._native.DevicePlan",
    .basicsize = sizeof(GyPlan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = plan_slots,
};

int gy_add_device_plan(PyObject *module)
{
    GyDevicePlanType = (PyTypeObject *)PyType_FromSpec(&plan_spec);
    return GyDevicePlanType == NULL ? -1
                                    : PyModule_AddObjectRef(module, "DevicePlan", (PyObject *)GyDevicePlanType);
}
