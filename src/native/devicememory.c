/* The DeviceMemory type: where arrays lie, and how far the work that uses them has come. */
#include "device.h"

PyTypeObject *GyMemoryType;

static PyObject *key_of(GyQueue *queue) { return PyLong_FromVoidPtr(queue); }

int gy_memory_is_ordered(GyMemory *memory, GyQueue *queue)
{
    if (memory->queue != NULL && memory->queue != queue && memory->queue->completed < memory->serial)
        return 0;
    Py_ssize_t count = memory->marks == NULL ? 0 : PyDict_Size(memory->marks);
    if (count == 0)
        return 1;
    if (count > 1)
        return 0;
    PyObject *key = key_of(queue);
    int mine = key != NULL && PyDict_Contains(memory->marks, key) == 1;
    Py_XDECREF(key);
    PyErr_Clear();
    if (mine) /* what is put on the queue now comes behind it */
        PyDict_Clear(memory->marks);
    return mine;
}

void gy_memory_use(GyMemory *memory, GyQueue *queue)
{
    if (memory->queue != queue) {
        GyQueue *before = memory->queue;
        Py_INCREF((PyObject *)queue);
        memory->queue = queue;
        Py_XDECREF((PyObject *)before);
    }
    memory->serial = queue->serial;
}

static PyObject *memory_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"launcher", "address", "nbytes", NULL};
    PyObject *launcher;
    unsigned long long address, nbytes;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!KK:DeviceMemory", names, GyLauncherType, &launcher, &address,
                                     &nbytes))
        return NULL;
    GyMemory *self = (GyMemory *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(launcher);
    self->launcher = (GyLauncher *)launcher;
    self->address = address;
    self->nbytes = nbytes;
    return (PyObject *)self;
}

/* Turns the note of the last launch from C into a mark like any other. */
static int fold_last_use(GyMemory *self)
{
    if (self->queue == NULL)
        return 0;
    PyObject *key = key_of(self->queue);
    PyObject *mark = PyObject_CallMethod((PyObject *)self->queue, "mark_at", "K", (unsigned long long)self->serial);
    int failed = key == NULL || mark == NULL || PyDict_SetItem(self->marks, key, mark) < 0;
    Py_XDECREF(key);
    Py_XDECREF(mark);
    if (!failed)
        Py_CLEAR(self->queue);
    return failed ? -1 : 0;
}

static PyObject *get_marks(PyObject *object, void *unused)
{
    GyMemory *self = (GyMemory *)object;
    (void)unused;
    if (self->marks == NULL && (self->marks = PyDict_New()) == NULL)
        return NULL;
    if (fold_last_use(self) < 0)
        return NULL;
    Py_INCREF(self->marks);
    return self->marks;
}

static int set_marks(PyObject *object, PyObject *marks, void *unused)
{
    GyMemory *self = (GyMemory *)object;
    (void)unused;
    if (marks == NULL || !PyDict_Check(marks)) {
        PyErr_SetString(PyExc_TypeError, "marks is a dict");
        return -1;
    }
    PyObject *before = self->marks;
    Py_INCREF(marks);
    self->marks = marks;
    Py_XDECREF(before);
    Py_CLEAR(self->queue);
    return 0;
}

static int memory_traverse(PyObject *object, visitproc visit, void *arg)
{
    GyMemory *self = (GyMemory *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->launcher);
    Py_VISIT(self->queue);
    Py_VISIT(self->marks);
    return 0;
}

static int memory_clear(PyObject *object)
{
    Py_CLEAR(((GyMemory *)object)->queue);
    Py_CLEAR(((GyMemory *)object)->marks);
    return 0;
}

static void memory_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    memory_clear(object);
    Py_CLEAR(((GyMemory *)object)->launcher);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMemberDef memory_members[] = {
    {"launcher", T_OBJECT_EX, offsetof(GyMemory, launcher), READONLY, "The device it belongs to."},
    {"address", T_ULONGLONG, offsetof(GyMemory, address), READONLY, "Where it begins on the device."},
    {"nbytes", T_ULONGLONG, offsetof(GyMemory, nbytes), READONLY, "How large it is."},
    {"exposed", T_INT, offsetof(GyMemory, exposed), 0, "Not 0: work on it goes through Python."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef memory_getset[] = {
    {"marks", get_marks, set_marks, "By id() of a queue, the point behind the work there that uses it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot memory_slots[] = {
    {Py_tp_doc, "A block of device memory."},
    {Py_tp_new, memory_new},
    {Py_tp_dealloc, memory_dealloc},
    {Py_tp_traverse, memory_traverse},
    {Py_tp_clear, memory_clear},
    {Py_tp_members, memory_members},
    {Py_tp_getset, memory_getset},
    {0, NULL},
};

static PyType_Spec memory_spec = {
    .name = "gyral._native.DeviceMemory",
    .basicsize = sizeof(GyMemory),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = memory_slots,
};

int gy_add_device_memory(PyObject *module)
{
    GyMemoryType = (PyTypeObject *)PyType_FromSpec(&memory_spec);
    return GyMemoryType == NULL ? -1 : PyModule_AddObjectRef(module, "DeviceMemory", (PyObject *)GyMemoryType);
}
