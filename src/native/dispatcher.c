/* kernel[shape]: the dispatcher a kernel derives from, its plans and its recent launches. */
#include <string.h>

#include "device.h"

PyTypeObject *GyDispatcherType;

static PyObject *dispatcher_subscript(PyObject *object, PyObject *key)
{
    GyDispatcher *self = (GyDispatcher *)object;
    int64_t shape[3], block[3];
    if (gy_parse_key(key, self->rank, shape, block) < 0)
        return PyObject_CallMethod(object, "_shape_error", "(O)", key);
    for (int i = 0; i < GY_RECENT_LAUNCHES; i++) {
        GyLaunch *launch = self->recent[i];
        if (launch != NULL && memcmp(launch->shape, shape, sizeof shape) == 0 &&
            memcmp(launch->block, block, sizeof block) == 0) {
            Py_INCREF((PyObject *)launch);
            return (PyObject *)launch;
        }
    }
    GyLaunch *launch = gy_launch_new(self, shape, block);
    if (launch == NULL)
        return NULL;
    GyLaunch *before = self->recent[self->oldest];
    Py_INCREF((PyObject *)launch);
    self->recent[self->oldest] = launch;
    self->oldest = (self->oldest + 1) % GY_RECENT_LAUNCHES;
    Py_XDECREF((PyObject *)before);
    return (PyObject *)launch;
}

void gy_drop_plans(GyDispatcher *self)
{
    while (self->plan_count > 0) {
        GyPlan *plan = self->plan[--self->plan_count];
        self->plan[self->plan_count] = NULL;
        Py_DECREF((PyObject *)plan);
    }
}

static PyObject *add_plan(PyObject *object, PyObject *plan)
{
    GyDispatcher *self = (GyDispatcher *)object;
    if (!PyObject_TypeCheck(plan, GyPlanType) && !PyObject_TypeCheck(plan, GyDevicePlanType)) {
        PyErr_SetString(PyExc_TypeError, "add_plan() takes a Plan or a DevicePlan");
        return NULL;
    }
    if (self->epoch != gy_epoch()) {
        gy_drop_plans(self);
        self->epoch = gy_epoch();
    }
    GyPlan *oldest = NULL;
    if (self->plan_count == GY_MAX_PLANS)
        oldest = self->plan[--self->plan_count];
    memmove(&self->plan[1], &self->plan[0], (size_t)self->plan_count * sizeof self->plan[0]);
    Py_INCREF((PyObject *)plan);
    self->plan[0] = (GyPlan *)plan;
    self->plan_count++;
    Py_XDECREF((PyObject *)oldest);
    Py_RETURN_NONE;
}

static PyObject *clear_plans(PyObject *object, PyObject *unused)
{
    (void)unused;
    gy_drop_plans((GyDispatcher *)object);
    Py_RETURN_NONE;
}

static PyObject *dispatcher_plans(PyObject *object, void *unused)
{
    GyDispatcher *self = (GyDispatcher *)object;
    (void)unused;
    PyObject *plans = PyTuple_New(self->plan_count);
    for (int i = 0; plans != NULL && i < self->plan_count; i++) {
        Py_INCREF((PyObject *)self->plan[i]);
        PyTuple_SetItem(plans, i, (PyObject *)self->plan[i]);
    }
    return plans;
}

static int dispatcher_traverse(PyObject *object, visitproc visit, void *arg)
{
    GyDispatcher *self = (GyDispatcher *)object;
    Py_VISIT(Py_TYPE(object));
    for (int i = 0; i < GY_RECENT_LAUNCHES; i++)
        Py_VISIT(self->recent[i]);
    for (int i = 0; i < self->plan_count; i++)
        Py_VISIT(self->plan[i]);
    return 0;
}

static int dispatcher_clear(PyObject *object)
{
    GyDispatcher *self = (GyDispatcher *)object;
    for (int i = 0; i < GY_RECENT_LAUNCHES; i++)
        Py_CLEAR(self->recent[i]);
    gy_drop_plans(self);
    return 0;
}

static void dispatcher_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    dispatcher_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef dispatcher_methods[] = {
    {"add_plan", add_plan, METH_O, NULL},
    {"clear_plans", clear_plans, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef dispatcher_members[] = {
    {"rank", T_INT, offsetof(GyDispatcher, rank), 0, "Rank of a launch, 1 to 3; 0 sends every key to _shape_error."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef dispatcher_getset[] = {
    {"plans", dispatcher_plans, NULL, "The plans held, most recently used first.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot dispatcher_slots[] = {
    {Py_tp_doc, "Base of kernels: holds plans, and makes launches by kernel[shape]."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, dispatcher_dealloc},
    {Py_tp_traverse, dispatcher_traverse},
    {Py_tp_clear, dispatcher_clear},
    {Py_tp_methods, dispatcher_methods},
    {Py_tp_members, dispatcher_members},
    {Py_tp_getset, dispatcher_getset},
    {Py_mp_subscript, dispatcher_subscript},
    {0, NULL},
};

static PyType_Spec dispatcher_spec = {
    .name = "gyral._native.Dispatcher",
    .basicsize = sizeof(GyDispatcher),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = dispatcher_slots,
};

int gy_add_dispatcher(PyObject *module)
{
    GyDispatcherType = (PyTypeObject *)PyType_FromSpec(&dispatcher_spec);
    return GyDispatcherType == NULL ? -1
                                    : PyModule_AddObjectRef(module, "Dispatcher", (PyObject *)GyDispatcherType);
}
