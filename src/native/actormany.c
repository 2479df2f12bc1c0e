/* Telling many messages at once: the elements of a buffer, or a list. */
#include "actor.h"

/* How many were accepted, unless none could be for a reason other than room. */
static PyObject *accepted(const GyRef *self, size_t count, gy_post why)
{
    if (count == 0 && (why == GY_NOT_LIVE || why == GY_TOO_LARGE))
        return gy_raise_post(self, why);
    return PyLong_FromSize_t(count);
}

/* Whether to try again, a while after the first time that lanes were found frozen. */
static int thaws(GyRef *self, int64_t *length, int64_t *until)
{
    if (*until == 0)
        *until = gy_now_ns() + GY_THAW_NS;
    return gy_now_ns() < *until && gy_wait_thaw(self, length) == 0;
}

static PyObject *tell_buffer(GyRef *self, gy_mail *core, PyObject *object, const gy_layout *layout)
{
    Py_buffer view;
    uint32_t number = gy_number_for(self, layout);
    if (number == 0 || PyObject_GetBuffer(object, &view, PyBUF_STRIDED_RO) < 0)
        return NULL;
    PyObject *result = NULL;
    if (view.ndim != 1 || (size_t)view.itemsize != layout->bytes) {
        PyErr_Format(PyExc_TypeError, "%R has %u bytes; an array of them has one axis, not %d, of such elements, not %zd",
                     layout->type, layout->bytes, view.ndim, view.itemsize);
    } else {
        gy_letter letter = {.kind = number | (layout->bytes + 3) / 4 << TYPE_BITS,
                            .source = HOST,
                            .source_generation = HOST_GENERATION,
                            .bytes = layout->bytes};
        gy_post why = GY_POSTED;
        size_t count = 0;
        int64_t length = 0, until = 0;
        do {
            if (view.shape[0] > 0)
                count = gy_mail_post_many(core, &self->to, &letter, view.buf, view.strides[0], (size_t)view.shape[0],
                                          &why);
        } while (why == GY_FROZEN && thaws(self, &length, &until));
        if (!PyErr_Occurred())
            result = accepted(self, count, why);
    }
    PyBuffer_Release(&view);
    return result;
}

static PyObject *tell_list(GyRef *self, gy_mail *core, PyObject *list)
{
    PyObject *items = PySequence_Tuple(list);
    if (items == NULL)
        return NULL;
    Py_ssize_t size = PyTuple_Size(items);
    gy_letter *letters = PyMem_Calloc((size_t)size + 1, sizeof *letters);
    PyObject *result = letters == NULL ? PyErr_NoMemory() : NULL;
    Py_ssize_t ready = 0;
    for (; letters != NULL && ready < size; ready++) {
        PyObject *item = PyTuple_GetItem(items, ready);
        const gy_layout *layout = gy_layout_of(item);
        uint32_t number = layout == NULL ? 0 : gy_number_for(self, layout);
        if (number == 0) {
            if (layout == NULL)
                PyErr_Format(PyExc_TypeError, "item %zd is no message: %R", ready, item);
            break;
        }
        letters[ready] = (gy_letter){.kind = number | (layout->bytes + 3) / 4 << TYPE_BITS,
                                     .source = HOST,
                                     .source_generation = HOST_GENERATION,
                                     .payload = ((GyMessage *)item)->payload,
                                     .bytes = layout->bytes};
    }
    /* A list with anything wrong in it sends nothing. */
    if (letters != NULL && ready == size && gy_mail_open(self->mail) != NULL) {
        gy_post why = GY_POSTED;
        size_t count = 0;
        int64_t length = 0, until = 0;
        do {
            if (size > 0)
                count = gy_mail_post_letters(core, &self->to, letters, (size_t)size, &why);
        } while (why == GY_FROZEN && thaws(self, &length, &until));
        if (!PyErr_Occurred())
            result = accepted(self, count, why);
    }
    PyMem_Free(letters);
    Py_DECREF(items);
    return result;
}

PyObject *gy_ref_tell_many(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    GyRef *self = (GyRef *)object;
    gy_mail *core = gy_mail_open(self->mail);
    if (core == NULL)
        return NULL;
    if (count == 1)
        return tell_list(self, core, args[0]);
    const gy_layout *layout = count == 2 && PyType_Check(args[1]) ? gy_layout_of_type((PyTypeObject *)args[1]) : NULL;
    if (layout == NULL) {
        PyErr_SetString(PyExc_TypeError, "tell_many takes a list of messages, or an array and its message type");
        return NULL;
    }
    return tell_buffer(self, core, args[0], layout);
}
