/* A launch whose arguments were checked once.  It holds their buffers as long as it lives. */
#include "native.h"

typedef struct GyBound {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    GyPlan *plan;
    Py_buffer record;
    gy_call call;
    PyObject *args; /* keeps array objects alive beside their buffers, for the reader */
} GyBound;

PyTypeObject *GyBoundType;

static PyObject *bound_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    GyBound *self = (GyBound *)object;
    (void)args;
    if ((nargsf & ~GY_ARGUMENTS_OFFSET) != 0 || (names != NULL && PyTuple_Size(names) != 0)) {
        PyErr_SetString(PyExc_TypeError, "a bound launch takes no arguments; they were given to bind()");
        return NULL;
    }
    if (gy_run(self->plan, self->call.frame, self->call.items, 0) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *bound_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    size_t count = (size_t)PyTuple_Size(args) + (kwargs == NULL ? 0 : (size_t)PyDict_Size(kwargs));
    return bound_vectorcall(object, NULL, count, NULL);
}

PyObject *gy_bind(GyPlan *plan, const int64_t shape[3], PyObject *args, PyObject *record)
{
    GyBound *self = PyObject_New(GyBound, GyBoundType);
    if (self == NULL)
        return NULL;
    Py_INCREF((PyObject *)plan);
    Py_INCREF(args);
    self->vectorcall = bound_vectorcall;
    self->plan = plan;
    self->args = args;
    self->record.obj = NULL;
    PyObject **items = gy_call_take(&self->call, plan, shape, args);
    PyMem_Free(items);
    if (items == NULL || gy_record_take(plan, record, &self->record, self->call.frame) < 0) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void bound_dealloc(PyObject *object)
{
    GyBound *self = (GyBound *)object;
    PyTypeObject *type = Py_TYPE(object);
    gy_call_clear(&self->call);
    if (self->record.obj != NULL)
        PyBuffer_Release(&self->record);
    Py_XDECREF((PyObject *)self->plan);
    Py_XDECREF(self->args);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(GyBound, vectorcall), READONLY, NULL},
    {"plan", T_OBJECT_EX, offsetof(GyBound, plan), READONLY, "The plan it runs."},
    {"args", T_OBJECT_EX, offsetof(GyBound, args), READONLY, "The arguments it was bound to."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "A launch checked once: call it to run. Made by Plan.bind()."},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_call, bound_call},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "gyral._native.Bound",
    .basicsize = sizeof(GyBound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = bound_slots,
};

int gy_add_bound(PyObject *module)
{
    GyBoundType = (PyTypeObject *)PyType_FromSpec(&bound_spec);
    return GyBoundType == NULL ? -1 : PyModule_AddObjectRef(module, "Bound", (PyObject *)GyBoundType);
}
