/* References to actors: telling is here, asking in actorask.c, whole arrays in actormany.c. */
#include <string.h>

#include "actor.h"

PyTypeObject *GyRefType, *GyAcceptsType;

int gy_ref_words(PyObject *object, uint32_t words[2])
{
    if (!PyObject_TypeCheck(object, GyRefType)) {
        unsigned int slot, generation;
        if (!PyTuple_Check(object) || !PyArg_ParseTuple(object, "II", &slot, &generation)) {
            PyErr_Clear();
            return 0;
        }
        words[0] = slot;
        words[1] = generation;
        return 1;
    }
    const GyRef *ref = (GyRef *)object;
    words[0] = ref->to.slot;
    words[1] = ref->to.generation | (ref->mail->core != NULL ? ref->mail->core->route << 16 : 0);
    return 1;
}

static PyObject *ref_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mail", "slot", "gen", "accepts", NULL};
    PyObject *mail, *given;
    unsigned int slot, generation;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!IIO:Ref", names, GyMailType, &mail, &slot, &generation, &given))
        return NULL;
    gy_mail *core = gy_mail_open((GyMail *)mail);
    if (core == NULL)
        return NULL;
    if (slot >= core->capacity || generation > 0xFFFF)
        return PyErr_Format(PyExc_ValueError, "there is no actor %u of generation %u among %u", slot, generation,
                            core->capacity);
    PyObject *accepts = gy_mail_accepts((GyMail *)mail, given);
    GyRef *self = accepts == NULL ? NULL : (GyRef *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_XDECREF(accepts);
        return NULL;
    }
    Py_INCREF(mail);
    self->mail = (GyMail *)mail;
    self->accepts = (GyAccepts *)accepts;
    self->to = (gy_address){slot, generation, slot % core->workers};
    return (PyObject *)self;
}

static void ref_dealloc(PyObject *object)
{
    GyRef *self = (GyRef *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF((PyObject *)self->mail);
    Py_XDECREF((PyObject *)self->accepts);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *ref_tell(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    GyRef *self = (GyRef *)object;
    gy_mail *core = gy_mail_open(self->mail);
    gy_parcel parcel;
    if (core == NULL)
        return NULL;
    if (gy_parcel_take(&parcel, self, args, count, names, 0) < 0) {
        gy_parcel_drop(&parcel);
        return NULL;
    }
    /* Converting the fields may have run any code. */
    gy_post post = gy_mail_open(self->mail) != NULL ? gy_ref_post(self, core, &parcel.letter) : GY_NOT_LIVE;
    gy_parcel_drop(&parcel);
    if (post != GY_POSTED)
        return PyErr_Occurred() ? NULL : gy_raise_post(self, post);
    Py_RETURN_NONE;
}

static PyObject *ref_slot(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(((GyRef *)object)->to.slot);
}

static PyObject *ref_generation(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(((GyRef *)object)->to.generation);
}

static PyObject *ref_mail(PyObject *object, void *unused)
{
    (void)unused;
    PyObject *mail = (PyObject *)((GyRef *)object)->mail;
    Py_INCREF(mail);
    return mail;
}

static Py_hash_t ref_hash(PyObject *object)
{
    const GyRef *self = (GyRef *)object;
    uint64_t mixed = ((uint64_t)self->to.generation << 32 | self->to.slot) * UINT64_C(0x9E3779B97F4A7C15);
    Py_hash_t hash = (Py_hash_t)(mixed ^ (uintptr_t)self->mail >> 4);
    return hash == -1 ? -2 : hash;
}

static PyObject *ref_compare(PyObject *one, PyObject *other, int how)
{
    if ((how != Py_EQ && how != Py_NE) || !PyObject_TypeCheck(one, GyRefType) || !PyObject_TypeCheck(other, GyRefType))
        Py_RETURN_NOTIMPLEMENTED;
    const GyRef *a = (GyRef *)one, *b = (GyRef *)other;
    int same = a->mail == b->mail && a->to.slot == b->to.slot && a->to.generation == b->to.generation;
    return PyBool_FromLong(same == (how == Py_EQ));
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef ref_methods[] = {
    {"tell", FAST(ref_tell), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"tell_many", FAST(gy_ref_tell_many), METH_FASTCALL, NULL},
    {"ask_sync", FAST(gy_ref_ask_sync), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"ask_begin", FAST(gy_ref_ask_begin), METH_FASTCALL | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ref_getset[] = {
    {"slot", ref_slot, NULL, "The actor's slot.", NULL},
    {"gen", ref_generation, NULL, "The generation of the slot that the actor is.", NULL},
    {"mail", ref_mail, NULL, "The mail it goes by.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ref_slots[] = {
    {Py_tp_doc, "An actor to send messages to."},
    {Py_tp_new, ref_new},
    {Py_tp_dealloc, ref_dealloc},
    {Py_tp_methods, ref_methods},
    {Py_tp_getset, ref_getset},
    {Py_tp_hash, ref_hash},
    {Py_tp_richcompare, ref_compare},
    {0, NULL},
};

static PyType_Spec ref_spec = {
    .name = "gyral._native.Ref",
    .basicsize = sizeof(GyRef),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = ref_slots,
};

int gy_accepts_add(GyAccepts *self, PyObject *type, long value)
{
    const gy_layout *layout = gy_layout_find(type);
    if (layout == NULL || value < 1 || value >= GY_TYPE_NUMBERS) {
        PyErr_Format(PyExc_ValueError, "%R is no message type, or its number %ld is not from 1 to %d", type, value,
                     GY_TYPE_NUMBERS - 1);
        return -1;
    }
    if (layout->id >= self->size) {
        uint32_t size = layout->id + 16;
        uint16_t *larger = PyMem_Realloc(self->number, size * sizeof *larger);
        if (larger == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memset(larger + self->size, 0, (size - self->size) * sizeof *larger);
        self->number = larger;
        self->size = size;
    }
    self->number[layout->id] = (uint16_t)value;
    return 0;
}

static int accepts_fill(GyAccepts *self, PyObject *numbers)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(numbers, &at, &key, &value)) {
        long number = PyLong_AsLong(value);
        if ((number == -1 && PyErr_Occurred()) || gy_accepts_add(self, key, number) < 0)
            return -1;
    }
    return 0;
}

static PyObject *accepts_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"numbers", NULL};
    PyObject *numbers;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Accepts", names, &PyDict_Type, &numbers))
        return NULL;
    GyAccepts *self = (GyAccepts *)PyType_GenericAlloc(type, 0);
    if (self != NULL && accepts_fill(self, numbers) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* What all references that share it take from now on. */
static PyObject *accepts_replace(PyObject *object, PyObject *numbers)
{
    GyAccepts *self = (GyAccepts *)object;
    if (!PyDict_Check(numbers))
        return PyErr_Format(PyExc_TypeError, "the numbers of messages are a dict, not %R", numbers);
    GyAccepts made = {.size = 0, .number = NULL};
    if (accepts_fill(&made, numbers) < 0) {
        PyMem_Free(made.number);
        return NULL;
    }
    PyMem_Free(self->number);
    self->number = made.number;
    self->size = made.size;
    Py_RETURN_NONE;
}

static void accepts_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyMem_Free(((GyAccepts *)object)->number);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef accepts_methods[] = {
    {"replace", accepts_replace, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot accepts_slots[] = {
    {Py_tp_doc, "The messages that a class of actors takes, and their numbers."},
    {Py_tp_new, accepts_new},
    {Py_tp_methods, accepts_methods},
    {Py_tp_dealloc, accepts_dealloc},
    {0, NULL},
};

static PyType_Spec accepts_spec = {
    .name = "gyral._native.Accepts",
    .basicsize = sizeof(GyAccepts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = accepts_slots,
};

int gy_add_ref(PyObject *module)
{
    GyAcceptsType = (PyTypeObject *)PyType_FromSpec(&accepts_spec);
    GyRefType = (PyTypeObject *)PyType_FromSpec(&ref_spec);
    if (GyAcceptsType == NULL || GyRefType == NULL ||
        PyModule_AddObjectRef(module, "Accepts", (PyObject *)GyAcceptsType) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "Ref", (PyObject *)GyRefType);
}
