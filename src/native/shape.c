#include "native.h"

/* A non-negative extent. -1 for anything else; no exception is left set. */
static int64_t extent_of(PyObject *value)
{
    long long extent;
    if (PyLong_CheckExact(value)) {
        extent = PyLong_AsLongLong(value);
    } else {
        if (PyBool_Check(value) || !PyIndex_Check(value))
            return -1;
        PyObject *index = PyNumber_Index(value);
        if (index == NULL) {
            PyErr_Clear();
            return -1;
        }
        extent = PyLong_AsLongLong(index);
        Py_DECREF(index);
    }
    if (extent < 0) {
        PyErr_Clear();
        return -1;
    }
    return extent;
}

static void fill(int64_t out[3], int64_t value) { out[0] = out[1] = out[2] = value; }

int gy_parse_extents(PyObject *value, int rank, int64_t out[3])
{
    fill(out, 1);
    if (!PyTuple_Check(value)) {
        if (rank != 1)
            return -1;
        out[2] = extent_of(value);
        return out[2] < 0 ? -1 : 0;
    }
    if (PyTuple_Size(value) != rank)
        return -1;
    for (int i = 0; i < rank; i++) {
        int64_t extent = extent_of(PyTuple_GetItem(value, i));
        if (extent < 0)
            return -1;
        out[3 - rank + i] = extent;
    }
    return 0;
}

/* A block: a tuple of the launch's rank, or an int that holds for the last axis. */
static int parse_block(PyObject *value, int rank, int64_t out[3])
{
    if (PyTuple_Check(value)) {
        if (gy_parse_extents(value, rank, out) < 0)
            return -1;
    } else {
        fill(out, 1);
        out[2] = extent_of(value);
    }
    return out[0] < 1 || out[1] < 1 || out[2] < 1 ? -1 : 0;
}

int gy_parse_key(PyObject *key, int rank, int64_t shape[3], int64_t block[3])
{
    fill(block, 0);
    if (rank < 1 || rank > 3)
        return -1;
    if (PyTuple_Check(key) && PyTuple_Size(key) == 2) {
        PyObject *first = PyTuple_GetItem(key, 0), *second = PyTuple_GetItem(key, 1);
        if (PyTuple_Check(first) || rank == 1)
            return gy_parse_extents(first, rank, shape) < 0 ? -1 : parse_block(second, rank, block);
        if (PyTuple_Check(second))
            return -1;
    }
    return gy_parse_extents(key, rank, shape);
}

PyObject *gy_extents_tuple(const int64_t extents[3], int rank)
{
    PyObject *tuple = PyTuple_New(rank);
    for (int i = 0; tuple != NULL && i < rank; i++) {
        PyObject *extent = PyLong_FromLongLong(extents[3 - rank + i]);
        if (extent == NULL || PyTuple_SetItem(tuple, i, extent) < 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}
