/* What may send a launch through Python: the epoch of the process's settings, a per-thread bypass
 * count, and a context variable that holds the options and device in scope. */
#include <dlfcn.h>

#include "native.h"

typedef int (*context_get)(PyObject *variable, PyObject *otherwise, PyObject **value);

static unsigned long epoch;
static _Thread_local long bypass;
static PyObject *scope_variable;
static context_get scope_get;

unsigned long gy_epoch(void) { return epoch; }

static int scope_open(void)
{
    PyObject *value = NULL;
    if (scope_get != NULL) {
        if (scope_get(scope_variable, Py_None, &value) < 0)
            value = NULL;
    } else {
        value = PyObject_CallMethod(scope_variable, "get", "O", Py_None);
    }
    if (value == NULL)
        PyErr_Clear();
    int open = value != Py_None;
    Py_XDECREF(value);
    return open;
}

int gy_fast_path(void) { return bypass == 0 && (scope_variable == NULL || !scope_open()); }

static PyObject *get_epoch(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromUnsignedLong(epoch);
}

static PyObject *set_epoch(PyObject *module, PyObject *value)
{
    (void)module;
    unsigned long next = PyLong_AsUnsignedLong(value);
    if (next == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    epoch = next;
    Py_RETURN_NONE;
}

static PyObject *set_bypass(PyObject *module, PyObject *value)
{
    (void)module;
    long next = PyLong_AsLong(value);
    if (next == -1 && PyErr_Occurred())
        return NULL;
    bypass = next;
    Py_RETURN_NONE;
}

static PyObject *get_bypass(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(bypass);
}

static PyObject *watch_scope(PyObject *module, PyObject *variable)
{
    (void)module;
    if (variable != Py_None) {
        PyObject *value = PyObject_CallMethod(variable, "get", "O", Py_None);
        if (value == NULL)
            return NULL;
        Py_DECREF(value);
        /* Not in the limited API, though every CPython exports it; without it `get` is called. */
        PyObject *type = (PyObject *)Py_TYPE(variable), *name = PyObject_GetAttrString(type, "__name__");
        if (name == NULL)
            return NULL;
        int context_variable = PyUnicode_CompareWithASCIIString(name, "ContextVar") == 0;
        Py_DECREF(name);
        scope_get = context_variable ? (context_get)dlsym(RTLD_DEFAULT, "PyContextVar_Get") : NULL;
        Py_INCREF(variable);
    }
    PyObject *before = scope_variable;
    scope_variable = variable == Py_None ? NULL : variable;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

PyMethodDef gy_scope_methods[] = {
    {"epoch", get_epoch, METH_NOARGS, NULL},
    {"set_epoch", set_epoch, METH_O, NULL},
    {"bypass", get_bypass, METH_NOARGS, NULL},
    {"set_bypass", set_bypass, METH_O, NULL},
    {"watch_scope", watch_scope, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
