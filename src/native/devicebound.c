/* A launch on a device whose arguments were checked once. */
#include <string.h>

#include "device.h"

typedef struct GyDeviceBound {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    GyPlan *plan;
    gy_call call;
    int64_t shape[3];
    PyObject **item; /* the arguments, borrowed from `args` */
    PyObject *args, *otherwise;
} GyDeviceBound;

PyTypeObject *GyDeviceBoundType;

static PyObject *bound_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    GyDeviceBound *self = (GyDeviceBound *)object;
    PyObject *result;
    (void)args;
    if ((nargsf & ~GY_ARGUMENTS_OFFSET) != 0 || (names != NULL && PyTuple_Size(names) != 0)) {
        PyErr_SetString(PyExc_TypeError, "a bound launch takes no arguments; they were given to bind()");
        return NULL;
    }
    Py_INCREF(object);
    if (!gy_fast_path() || !gy_device_run(self->plan, &self->call, self->shape, self->item, &result))
        result = PyObject_CallObject(self->otherwise, NULL);
    Py_DECREF(object);
    return result;
}

static PyObject *bound_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    size_t count = (size_t)PyTuple_Size(args) + (kwargs == NULL ? 0 : (size_t)PyDict_Size(kwargs));
    return bound_vectorcall(object, NULL, count, NULL);
}

PyObject *gy_device_bind(GyPlan *plan, const int64_t shape[3], PyObject *args, PyObject *otherwise)
{
    GyDeviceBound *self = PyObject_New(GyDeviceBound, GyDeviceBoundType);
    if (self == NULL)
        return NULL;
    Py_INCREF((PyObject *)plan);
    Py_INCREF(args);
    Py_INCREF(otherwise);
    self->vectorcall = bound_vectorcall;
    self->plan = plan;
    self->args = args;
    self->otherwise = otherwise;
    memcpy(self->shape, shape, sizeof self->shape);
    self->item = gy_call_take(&self->call, plan, shape, args);
    if (self->item == NULL) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void bound_dealloc(PyObject *object)
{
    GyDeviceBound *self = (GyDeviceBound *)object;
    PyTypeObject *type = Py_TYPE(object);
    gy_call_clear(&self->call);
    PyMem_Free(self->item);
    Py_XDECREF((PyObject *)self->plan);
    Py_XDECREF(self->args);
    Py_XDECREF(self->otherwise);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(GyDeviceBound, vectorcall), READONLY, NULL},
    {"plan", T_OBJECT_EX, offsetof(GyDeviceBound, plan), READONLY, "The plan it runs."},
    {"args", T_OBJECT_EX, offsetof(GyDeviceBound, args), READONLY, "The arguments it was bound to."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "A launch on a device, checked once: call it to run. Made by DevicePlan.bind()."},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_call, bound_call},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "gyral._native.DeviceBound",
    .basicsize = sizeof(GyDeviceBound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = bound_slots,
};

int gy_add_device_bound(PyObject *module)
{
    GyDeviceBoundType = (PyTypeObject *)PyType_FromSpec(&bound_spec);
    return GyDeviceBoundType == NULL ? -1
                                     : PyModule_AddObjectRef(module, "DeviceBound", (PyObject *)GyDeviceBoundType);
}
