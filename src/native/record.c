/* The record buffer of kernels that check or print. */
#include "native.h"

int gy_record_take(const GyPlan *plan, PyObject *object, Py_buffer *view, gy_frame *frame)
{
    view->obj = NULL;
    int given = object != NULL && object != Py_None;
    if (given != plan->record) {
        PyErr_SetString(PyExc_ValueError, given ? "this plan writes no records" : "this plan needs a record buffer");
        return -1;
    }
    if (!given)
        return 0;
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) < 0)
        return -1;
    const int64_t *word = view->buf;
    int64_t words = view->len / (Py_ssize_t)sizeof *word;
    const char *wrong = NULL;
    if ((uintptr_t)view->buf % sizeof *word != 0)
        wrong = "a record buffer is aligned to 8 bytes";
    else if (words < GY_RECORD_HEADER_WORDS)
        wrong = "a record buffer holds at least 10 words";
    else if (word[7] < 0 || word[9] < 0 ||
             (word[9] > 0 && word[7] > (words - GY_RECORD_HEADER_WORDS) / word[9]))
        wrong = "the record buffer is shorter than its print capacity says";
    if (wrong != NULL) {
        PyErr_SetString(PyExc_ValueError, wrong);
        PyBuffer_Release(view);
        view->obj = NULL;
        return -1;
    }
    frame->record = view->buf;
    return 0;
}
