/* The Launcher and Queue types: one device's functions, and where launches are put. */
#include "device.h"

PyTypeObject *GyLauncherType, *GyQueueType;

static int set_functions(GyLauncher *self, PyObject *functions)
{
    unsigned long long launch, get, set, record, query;
    if (!PyArg_ParseTuple(functions, "KKKKK:functions", &launch, &get, &set, &record, &query))
        return -1;
    if (launch == 0 || get == 0 || set == 0 || record == 0 || query == 0) {
        PyErr_SetString(PyExc_ValueError, "a function's address is 0");
        return -1;
    }
    self->launch = (gy_launch_function)(uintptr_t)launch;
    self->get_current = (gy_get_current)(uintptr_t)get;
    self->set_current = (gy_set_current)(uintptr_t)set;
    self->event_record = (gy_event_record)(uintptr_t)record;
    self->event_query = (gy_query)(uintptr_t)query;
    return 0;
}

static PyObject *launcher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"functions", "context", "max_grid", "failed", NULL};
    PyObject *functions, *failed;
    unsigned long long context;
    long long limit[3];
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!K(LLL)O:Launcher", names, &PyTuple_Type, &functions, &context,
                                     &limit[0], &limit[1], &limit[2], &failed))
        return NULL;
    for (int axis = 0; axis < 3; axis++)
        if (limit[axis] < 1 || limit[axis] > UINT32_MAX) {
            PyErr_SetString(PyExc_ValueError, "max_grid must be between 1 and 2**32 - 1");
            return NULL;
        }
    GyLauncher *self = (GyLauncher *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    if (set_functions(self, functions) < 0) {
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    self->context = (void *)(uintptr_t)context;
    for (int axis = 0; axis < 3; axis++)
        self->limit[axis] = limit[axis];
    Py_INCREF(failed);
    self->failed = failed;
    self->alive = 1;
    return (PyObject *)self;
}

static int launcher_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((GyLauncher *)object)->failed);
    return 0;
}

/* Nobody launches once this ran: `failed` is only read while the launcher is alive. */
static int launcher_clear(PyObject *object)
{
    ((GyLauncher *)object)->alive = 0;
    Py_CLEAR(((GyLauncher *)object)->failed);
    return 0;
}

static void launcher_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    launcher_clear(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyObject *serve_thread(PyObject *object, PyObject *queue)
{
    PyObject *held = PyThreadState_GetDict(), *before = (PyObject *)gy_thread_queue((GyLauncher *)object);
    if (queue != Py_None &&
        (!PyObject_TypeCheck(queue, GyQueueType) || ((GyQueue *)queue)->launcher != (GyLauncher *)object)) {
        PyErr_SetString(PyExc_TypeError, "serve_thread() takes a queue of this launcher, or None");
        return NULL;
    }
    before = before == NULL ? Py_None : before;
    Py_INCREF(before);
    int wrong = 0;
    if (held != NULL && queue != Py_None)
        wrong = PyDict_SetItem(held, object, queue);
    else if (held != NULL && before != Py_None)
        wrong = PyDict_DelItem(held, object);
    if (wrong < 0)
        Py_CLEAR(before);
    return before;
}

GyQueue *gy_thread_queue(GyLauncher *launcher)
{
    PyObject *held = PyThreadState_GetDict();
    PyObject *queue = held == NULL ? NULL : PyDict_GetItemWithError(held, (PyObject *)launcher);
    if (queue == NULL)
        PyErr_Clear();
    return (GyQueue *)queue;
}

static PyObject *queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"launcher", "handle", "milestone", NULL};
    PyObject *launcher;
    unsigned long long handle, milestone = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!K|K:DeviceQueue", names, GyLauncherType, &launcher, &handle,
                                     &milestone))
        return NULL;
    GyQueue *self = (GyQueue *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(launcher);
    self->launcher = (GyLauncher *)launcher;
    self->handle = (void *)(uintptr_t)handle;
    self->milestone = (void *)(uintptr_t)milestone;
    self->open = 1;
    return (PyObject *)self;
}

static PyObject *queue_handle(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr(((GyQueue *)object)->handle);
}

static PyObject *queue_milestone(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr(((GyQueue *)object)->milestone);
}

static int queue_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((GyQueue *)object)->launcher);
    return 0;
}

static int queue_clear(PyObject *object)
{
    (void)object; /* the launcher breaks every cycle, and it must stay readable until the end */
    return 0;
}

static void queue_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((GyQueue *)object)->launcher);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *queue_advance(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(++((GyQueue *)object)->serial);
}

static PyMethodDef queue_methods[] = {
    {"advance", queue_advance, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef launcher_methods[] = {
    {"serve_thread", serve_thread, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef launcher_members[] = {
    {"alive", T_INT, offsetof(GyLauncher, alive), 0, "0 sends every launch to Python."},
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef queue_members[] = {
    {"launcher", T_OBJECT_EX, offsetof(GyQueue, launcher), READONLY, "The device it belongs to."},
    {"serial", T_ULONGLONG, offsetof(GyQueue, serial), READONLY, "How much was put on it."},
    {"completed", T_ULONGLONG, offsetof(GyQueue, completed), 0, "How much of that is known to be done."},
    {"open", T_INT, offsetof(GyQueue, open), 0, "0 when it was closed."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef queue_getset[] = {
    {"handle", queue_handle, NULL, "The driver's handle.", NULL},
    {"milestone", queue_milestone, NULL, "The event that tells how far the device has come, or 0.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot launcher_slots[] = {
    {Py_tp_doc, "One device's functions, for launches from C."},
    {Py_tp_new, launcher_new},
    {Py_tp_dealloc, launcher_dealloc},
    {Py_tp_traverse, launcher_traverse},
    {Py_tp_clear, launcher_clear},
    {Py_tp_methods, launcher_methods},
    {Py_tp_members, launcher_members},
    {0, NULL},
};

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, "Base of queues that take launches from C."},
    {Py_tp_new, queue_new},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, queue_members},
    {Py_tp_getset, queue_getset},
    {0, NULL},
};

static PyType_Spec launcher_spec = {
    .name = "gyral._native.Launcher",
    .basicsize = sizeof(GyLauncher),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = launcher_slots,
};

static PyType_Spec queue_spec = {
    .name = "gyral._native.DeviceQueue",
    .basicsize = sizeof(GyQueue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = queue_slots,
};

int gy_add_device_queue(PyObject *module)
{
    GyLauncherType = (PyTypeObject *)PyType_FromSpec(&launcher_spec);
    GyQueueType = (PyTypeObject *)PyType_FromSpec(&queue_spec);
    return GyLauncherType == NULL || GyQueueType == NULL ||
                   PyModule_AddObjectRef(module, "Launcher", (PyObject *)GyLauncherType) < 0
               ? -1
               : PyModule_AddObjectRef(module, "DeviceQueue", (PyObject *)GyQueueType);
}
