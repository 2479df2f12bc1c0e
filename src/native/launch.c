/* kernel[shape](...): finding the plan that fits, packing and running, all without Python. */
#include <string.h>

#include "device.h"

PyTypeObject *GyLaunchType;

/* Python takes over: it explains the mistake, or compiles, adds a plan and runs it. */
static PyObject *miss(GyLaunch *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    GyDispatcher *dispatcher = self->dispatcher;
    PyObject *result = NULL, *shape = NULL, *block = NULL, *kwargs = PyDict_New(), *tuple = PyTuple_New(count);
    if (kwargs == NULL || tuple == NULL)
        goto done;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(tuple, i, args[i]);
    }
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_Size(names); i++)
        if (PyDict_SetItem(kwargs, PyTuple_GetItem(names, i), args[count + i]) < 0)
            goto done;
    shape = gy_extents_tuple(self->shape, dispatcher->rank);
    if (self->block[0] == 0) {
        Py_INCREF(Py_None);
        block = Py_None;
    } else {
        block = gy_extents_tuple(self->block, dispatcher->rank);
    }
    if (shape != NULL && block != NULL)
        result = PyObject_CallMethod((PyObject *)dispatcher, "_miss", "(OOOO)", shape, block, tuple, kwargs);
done:
    Py_XDECREF(shape);
    Py_XDECREF(block);
    Py_XDECREF(kwargs);
    Py_XDECREF(tuple);
    return result;
}

static PyObject *run_recorded(GyLaunch *self, GyPlan *plan, PyObject *const *args, Py_ssize_t count)
{
    PyObject *result = NULL, *tuple = PyTuple_New(count);
    PyObject *shape = gy_extents_tuple(self->shape, plan->rank);
    if (tuple != NULL && shape != NULL) {
        for (Py_ssize_t i = 0; i < count; i++) {
            Py_INCREF(args[i]);
            PyTuple_SetItem(tuple, i, args[i]);
        }
        result = PyObject_CallMethod((PyObject *)self->dispatcher, "_run_recorded", "(OOO)", (PyObject *)plan, shape,
                                     tuple);
    }
    Py_XDECREF(tuple);
    Py_XDECREF(shape);
    return result;
}

static void move_to_front(GyDispatcher *dispatcher, int index)
{
    GyPlan *plan = dispatcher->plan[index];
    memmove(&dispatcher->plan[1], &dispatcher->plan[0], (size_t)index * sizeof dispatcher->plan[0]);
    dispatcher->plan[0] = plan;
}

/* Runs the plan when it fits: 1 with *result set (NULL on error), else 0. */
static int try_plan(GyLaunch *self, int index, PyObject *const *args, Py_ssize_t count, PyObject **result)
{
    GyDispatcher *dispatcher = self->dispatcher;
    GyPlan *plan = dispatcher->plan[index];
    gy_call call;
    int which;
    if (plan->param_count != count || plan->rank != dispatcher->rank ||
        memcmp(plan->requested, self->block, sizeof self->block) != 0 || gy_call_init(&call, plan) < 0)
        return 0;
    if (gy_call_fit(&call, plan, self->shape, args, count, &which) != GY_FITS) {
        gy_call_clear(&call);
        return 0;
    }
    if (index > 0)
        move_to_front(dispatcher, index);
    Py_INCREF((PyObject *)plan);
    int ran = 1;
    if (plan->launcher != NULL) {
        ran = gy_device_run(plan, &call, self->shape, args, result);
    } else if (plan->record) {
        *result = run_recorded(self, plan, args, count);
    } else if (gy_run(plan, call.frame, call.items, 0) < 0) {
        *result = NULL;
    } else {
        Py_INCREF(Py_None);
        *result = Py_None;
    }
    Py_DECREF((PyObject *)plan);
    gy_call_clear(&call);
    return ran;
}

static PyObject *launch_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    GyLaunch *self = (GyLaunch *)object;
    GyDispatcher *dispatcher = self->dispatcher;
    Py_ssize_t count = (Py_ssize_t)(nargsf & ~GY_ARGUMENTS_OFFSET);
    PyObject *result;
    if (dispatcher->epoch != gy_epoch()) {
        gy_drop_plans(dispatcher);
        dispatcher->epoch = gy_epoch();
    }
    if (names == NULL && gy_fast_path())
        for (int i = 0; i < dispatcher->plan_count; i++)
            if (try_plan(self, i, args, count, &result))
                return result;
    return miss(self, args, count, names);
}

/* For callers that do not use the vector call: same meaning, arguments unpacked first. */
static PyObject *launch_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count = PyTuple_Size(args), named = kwargs == NULL ? 0 : PyDict_Size(kwargs), position = 0;
    PyObject **flat = PyMem_Malloc((size_t)(count + named + 1) * sizeof *flat);
    PyObject *names = named > 0 ? PyTuple_New(named) : NULL, *result = NULL, *key, *value;
    if (flat == NULL || (named > 0 && names == NULL)) {
        PyErr_NoMemory();
    } else {
        for (Py_ssize_t i = 0; i < count; i++)
            flat[i] = PyTuple_GetItem(args, i);
        for (Py_ssize_t i = 0; i < named && PyDict_Next(kwargs, &position, &key, &value); i++) {
            Py_INCREF(key);
            PyTuple_SetItem(names, i, key);
            flat[count + i] = value;
        }
        result = launch_vectorcall(object, flat, (size_t)count, names);
    }
    Py_XDECREF(names);
    PyMem_Free(flat);
    return result;
}

GyLaunch *gy_launch_new(GyDispatcher *dispatcher, const int64_t shape[3], const int64_t block[3])
{
    GyLaunch *self = (GyLaunch *)PyType_GenericAlloc(GyLaunchType, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF((PyObject *)dispatcher);
    self->vectorcall = launch_vectorcall;
    self->dispatcher = dispatcher;
    memcpy(self->shape, shape, sizeof self->shape);
    memcpy(self->block, block, sizeof self->block);
    return self;
}

static int launch_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((GyLaunch *)object)->dispatcher);
    return 0;
}

/* The dispatcher stays readable until the very end: its own clearing breaks every cycle they form. */
static void launch_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((GyLaunch *)object)->dispatcher);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyObject *launch_shape(PyObject *object, void *unused)
{
    GyLaunch *self = (GyLaunch *)object;
    (void)unused;
    return gy_extents_tuple(self->shape, self->dispatcher->rank);
}

static PyObject *launch_block(PyObject *object, void *unused)
{
    GyLaunch *self = (GyLaunch *)object;
    (void)unused;
    if (self->block[0] == 0)
        Py_RETURN_NONE;
    return gy_extents_tuple(self->block, self->dispatcher->rank);
}

static PyMemberDef launch_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(GyLaunch, vectorcall), READONLY, NULL},
    {"kernel", T_OBJECT_EX, offsetof(GyLaunch, dispatcher), READONLY, "The kernel it launches."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef launch_getset[] = {
    {"shape", launch_shape, NULL, "Extents of the launch.", NULL},
    {"block", launch_block, NULL, "Extents of the block asked for, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot launch_slots[] = {
    {Py_tp_doc, "A kernel with its launch shape; call it with the kernel's arguments."},
    {Py_tp_dealloc, launch_dealloc},
    {Py_tp_traverse, launch_traverse},
    {Py_tp_call, launch_call},
    {Py_tp_members, launch_members},
    {Py_tp_getset, launch_getset},
    {0, NULL},
};

static PyType_Spec launch_spec = {
    .name = "gyral._native.Launch",
    .basicsize = sizeof(GyLaunch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = launch_slots,
};

int gy_add_launch(PyObject *module)
{
    GyLaunchType = (PyTypeObject *)PyType_FromSpec(&launch_spec);
    return GyLaunchType == NULL ? -1 : PyModule_AddObjectRef(module, "Launch", (PyObject *)GyLaunchType);
}
