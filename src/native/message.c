/* Instances of message types: made from values, read and written by field, compared, copied, shown. */
#include "message.h"

#include <string.h>

PyTypeObject *GyMessageType;

static size_t stored_bytes(const gy_layout *layout) { return ((size_t)layout->bytes + 7) / 8 * 8; }

static const char *name_of(PyTypeObject *type, PyObject **holder)
{
    *holder = PyObject_GetAttrString((PyObject *)type, "__name__");
    const char *name = *holder == NULL ? NULL : PyUnicode_AsUTF8AndSize(*holder, NULL);
    if (name == NULL)
        PyErr_Clear();
    return name == NULL ? "message" : name;
}

static int refuse_count(const gy_layout *layout, Py_ssize_t count)
{
    PyObject *holder;
    const char *name = name_of(layout->type, &holder);
    if (count > layout->fields)
        PyErr_Format(PyExc_TypeError, "%s has %d fields, and %zd values were given", name, layout->fields, count);
    else
        PyErr_Format(PyExc_TypeError, "%s needs a value for %R", name, layout->field[count].name);
    Py_XDECREF(holder);
    return -1;
}

int gy_message_fill(const gy_layout *layout, char *payload, PyObject *const *args, Py_ssize_t count)
{
    if (count > layout->fields || count < layout->required)
        return refuse_count(layout, count);
    memcpy(payload, layout->blank, stored_bytes(layout));
    for (Py_ssize_t i = 0; i < count; i++)
        if (gy_part_put(&layout->field[i], payload, args[i]) < 0)
            return -1;
    return 0;
}

static int field_named(const gy_layout *layout, PyObject *name)
{
    for (int i = 0; i < layout->fields; i++)
        if (layout->field[i].name == name)
            return i;
    for (int i = 0; i < layout->fields; i++)
        if (PyUnicode_Compare(layout->field[i].name, name) == 0)
            return i;
    return -1;
}

static int fill_by_name(const gy_layout *layout, char *payload, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count = PyTuple_Size(args), at = 0;
    unsigned char given[256] = {0};
    PyObject *key, *value, *holder;
    if (count > layout->fields)
        return refuse_count(layout, count);
    memcpy(payload, layout->blank, stored_bytes(layout));
    for (Py_ssize_t i = 0; i < count; i++) {
        given[i] = 1;
        if (gy_part_put(&layout->field[i], payload, PyTuple_GetItem(args, i)) < 0)
            return -1;
    }
    while (PyDict_Next(kwargs, &at, &key, &value)) {
        int field = field_named(layout, key);
        if (field < 0 || given[field]) {
            PyErr_Format(PyExc_TypeError, field < 0 ? "%s has no field %R" : "%s was given %R twice",
                         name_of(layout->type, &holder), key);
            Py_XDECREF(holder);
            return -1;
        }
        given[field] = 1;
        if (gy_part_put(&layout->field[field], payload, value) < 0)
            return -1;
    }
    for (int i = 0; i < layout->required; i++)
        if (!given[i])
            return refuse_count(layout, i);
    return 0;
}

static PyObject *message_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const gy_layout *layout = gy_layout_of_type(type);
    if (layout == NULL) {
        PyErr_SetString(PyExc_TypeError, "Message is the base of message types and has no instances of its own");
        return NULL;
    }
    GyMessage *self = (GyMessage *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    self->layout = layout;
    int failed;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        failed = fill_by_name(layout, self->payload, args, kwargs);
    } else {
        enum { FEW = 8 };
        PyObject *few[FEW];
        Py_ssize_t count = PyTuple_Size(args);
        if (count <= FEW) {
            for (Py_ssize_t i = 0; i < count; i++)
                few[i] = PyTuple_GetItem(args, i);
            failed = gy_message_fill(layout, self->payload, few, count);
        } else {
            PyObject *none = PyDict_New();
            failed = none == NULL ? -1 : fill_by_name(layout, self->payload, args, none);
            Py_XDECREF(none);
        }
    }
    if (failed < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

PyObject *gy_message_new(const gy_layout *layout, const void *payload, size_t bytes)
{
    GyMessage *self = (GyMessage *)PyType_GenericAlloc(layout->type, 0);
    if (self == NULL)
        return NULL;
    self->layout = layout;
    memcpy(self->payload, payload, bytes < layout->bytes ? bytes : layout->bytes);
    return (PyObject *)self;
}

static void message_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (((GyMessage *)object)->layout != NULL && ((GyMessage *)object)->layout->type == type)
        PyObject_Free(object);
    else
        ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *values_of(const GyMessage *self)
{
    PyObject *all = PyTuple_New(self->layout->fields);
    for (int i = 0; all != NULL && i < self->layout->fields; i++) {
        PyObject *value = gy_part_get(&self->layout->field[i], self->payload);
        if (value == NULL || PyTuple_SetItem(all, i, value) < 0)
            Py_CLEAR(all);
    }
    return all;
}

static PyObject *message_repr(PyObject *object)
{
    const GyMessage *self = (GyMessage *)object;
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    PyObject *text = name == NULL ? NULL : PyUnicode_FromFormat("%U(", name);
    Py_XDECREF(name);
    for (int i = 0; text != NULL && i < self->layout->fields; i++) {
        PyObject *field = self->layout->field[i].name, *value = PyObject_GetAttr(object, field);
        PyObject *longer =
            value == NULL ? NULL : PyUnicode_FromFormat("%U%s%U=%R", text, i > 0 ? ", " : "", field, value);
        Py_XDECREF(value);
        Py_DECREF(text);
        text = longer;
    }
    PyObject *whole = text == NULL ? NULL : PyUnicode_FromFormat("%U)", text);
    Py_XDECREF(text);
    return whole;
}

static PyObject *message_compare(PyObject *one, PyObject *other, int how)
{
    const gy_layout *layout = gy_layout_of(one);
    if ((how != Py_EQ && how != Py_NE) || layout == NULL || layout != gy_layout_of(other))
        Py_RETURN_NOTIMPLEMENTED;
    int same = 1;
    for (int i = 0; same && i < layout->fields; i++)
        same = gy_part_equal(&layout->field[i], ((GyMessage *)one)->payload, ((GyMessage *)other)->payload);
    return PyBool_FromLong(same == (how == Py_EQ));
}

static PyObject *message_reduce(PyObject *object, PyObject *unused)
{
    (void)unused;
    PyObject *values = values_of((GyMessage *)object);
    return values == NULL ? NULL : Py_BuildValue("ON", Py_TYPE(object), values);
}

static int message_buffer(PyObject *object, Py_buffer *view, int flags)
{
    GyMessage *self = (GyMessage *)object;
    return PyBuffer_FillInfo(view, object, self->payload, (Py_ssize_t)self->layout->bytes, 0, flags);
}

static PyMethodDef message_methods[] = {
    {"__reduce__", message_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The base of message types; message_type() makes them."},
    {Py_tp_new, message_new},
    {Py_tp_dealloc, message_dealloc},
    {Py_tp_repr, message_repr},
    {Py_tp_richcompare, message_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_methods, message_methods},
    {Py_bf_getbuffer, message_buffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "gyral._native.Message",
    .basicsize = sizeof(GyMessage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int gy_add_message(PyObject *module)
{
    GyMessageType = (PyTypeObject *)PyType_FromSpec(&spec);
    return GyMessageType == NULL ? -1 : PyModule_AddObjectRef(module, "Message", (PyObject *)GyMessageType);
}
