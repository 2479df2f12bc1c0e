/* The arguments of tell and ask: a message, or its type and fields, and options by name. */
#include <string.h>

#include "actor.h"

uint32_t gy_number_for(const GyRef *ref, const gy_layout *layout)
{
    const GyAccepts *accepts = ref->accepts;
    if (layout->id < accepts->size && accepts->number[layout->id] != 0)
        return accepts->number[layout->id];
    PyErr_Format(PyExc_TypeError, "actor %u has no handler for %R", ref->to.slot, layout->type);
    return 0;
}

static int take_key(gy_letter *letter, PyObject *value)
{
    PyObject *index = PyNumber_Index(value);
    if (index == NULL)
        return -1;
    letter->key = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    return letter->key == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

static int take_deadline(gy_letter *letter, const GyRef *ref, PyObject *value)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0 && seconds < 1e9)) {
        PyErr_Format(PyExc_ValueError, "deadline is in seconds from now, 0 to 1e9, not %R", value);
        return -1;
    }
    letter->deadline_ms = gy_mail_now(ref->mail->core) + (uint64_t)(seconds * 1e3);
    return 0;
}

static int take_priority(gy_letter *letter, const GyRef *ref, PyObject *value)
{
    long priority = PyLong_AsLong(value), most = (long)ref->mail->core->priorities - 1;
    if (priority == -1 && PyErr_Occurred())
        return -1;
    if (priority < 0 || priority > most) {
        PyErr_Format(PyExc_ValueError, "priority is from 0 to %ld in this system, not %ld", most, priority);
        return -1;
    }
    letter->priority = (uint32_t)priority;
    return 0;
}

static int take_named(gy_parcel *parcel, const GyRef *ref, PyObject *name, PyObject *value, int asks)
{
    gy_letter *letter = &parcel->letter;
    if (asks && PyUnicode_CompareWithASCIIString(name, "timeout") == 0) {
        if (value == Py_None)
            return 0;
        parcel->timeout = PyFloat_AsDouble(value);
        return parcel->timeout == -1.0 && PyErr_Occurred() ? -1 : 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "priority") == 0)
        return value == Py_None ? 0 : take_priority(letter, ref, value);
    int key = PyUnicode_CompareWithASCIIString(name, "key") == 0;
    if (!key && PyUnicode_CompareWithASCIIString(name, "deadline") != 0) {
        PyErr_Format(PyExc_TypeError, "there is no option %R", name);
        return -1;
    }
    if (value == Py_None)
        return 0;
    letter->extended = 1;
    return key ? take_key(letter, value) : take_deadline(letter, ref, value);
}

static int take_fields(gy_parcel *parcel, const gy_layout *layout, PyObject *const *args, Py_ssize_t count)
{
    char *payload = parcel->small.bytes;
    if (layout->bytes > GY_SMALL_PAYLOAD) {
        payload = parcel->large = PyMem_Malloc((size_t)layout->bytes + 8);
        if (payload == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    parcel->letter.payload = payload;
    return gy_message_fill(layout, payload, args, count);
}

int gy_parcel_take(gy_parcel *parcel, const GyRef *ref, PyObject *const *args, Py_ssize_t count, PyObject *names,
                   int asks)
{
    gy_letter *letter = &parcel->letter;
    *letter = (gy_letter){.source = HOST, .source_generation = HOST_GENERATION};
    parcel->large = NULL;
    parcel->timeout = -1;
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "a message, or its type and fields, is to be given");
        return -1;
    }
    const gy_layout *layout = gy_layout_of(args[0]);
    if (layout != NULL) {
        letter->payload = ((GyMessage *)args[0])->payload;
        if (asks && count == 2 && args[1] != Py_None) {
            parcel->timeout = PyFloat_AsDouble(args[1]);
            if (parcel->timeout == -1.0 && PyErr_Occurred())
                return -1;
        } else if (count > 1 + asks) {
            PyErr_SetString(PyExc_TypeError, "behind a message stand options by name alone");
            return -1;
        }
    } else {
        layout = gy_layout_find(args[0]);
        if (layout == NULL && PyType_Check(args[0]))
            layout = gy_layout_of_type((PyTypeObject *)args[0]);
        if (layout == NULL) {
            PyErr_Format(PyExc_TypeError, "%R is neither a message nor a message type", args[0]);
            return -1;
        }
        if (take_fields(parcel, layout, args + 1, count - 1) < 0)
            return -1;
    }
    uint32_t number = gy_number_for(ref, layout);
    if (number == 0)
        return -1;
    letter->bytes = layout->bytes;
    letter->kind = number | (layout->bytes + 3) / 4 << TYPE_BITS;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < named; i++)
        if (take_named(parcel, ref, PyTuple_GetItem(names, i), args[count + i], asks) < 0)
            return -1;
    return 0;
}
