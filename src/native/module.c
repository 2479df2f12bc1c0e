#include "actor.h"
#include "device.h"
#include "pool.h"

static PyObject *register_array_type(PyObject *module, PyObject *type)
{
    (void)module;
    if (gy_register_array_type(type) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *threads(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(gy_pool_threads());
}

static PyObject *workers(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(gy_pool_workers());
}

static PyObject *set_threads(PyObject *module, PyObject *value)
{
    (void)module;
    long count = value == Py_None ? 0 : PyLong_AsLong(value);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (count < (value != Py_None) || count > GY_MAX_CPUS) {
        PyErr_Format(PyExc_ValueError, "threads must be between 1 and %d, not %ld", GY_MAX_CPUS, count);
        return NULL;
    }
    gy_pool_set_threads((int)count);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"load", gy_load, METH_VARARGS, NULL},
    {"register_array_type", register_array_type, METH_O, NULL},
    {"threads", threads, METH_NOARGS, NULL},
    {"set_threads", set_threads, METH_O, NULL},
    {"workers", workers, METH_NOARGS, NULL},
    {"topology", (PyCFunction)(void (*)(void))gy_topology_py, METH_VARARGS | METH_KEYWORDS, NULL},
    {"set_topology", (PyCFunction)(void (*)(void))gy_set_topology_py, METH_VARARGS | METH_KEYWORDS, NULL},
    {"host_key", gy_host_key, METH_NOARGS, NULL},
    {"encode_launches", gy_encode_py, METH_VARARGS, NULL},
    {"await_device", (PyCFunction)(void (*)(void))gy_await_py, METH_VARARGS | METH_KEYWORDS, NULL},
    {"message_type", (PyCFunction)(void (*)(void))gy_message_type, METH_VARARGS | METH_KEYWORDS, NULL},
    {"set_actor_errors", gy_set_actor_errors, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gyral._native",
    .m_doc = "Machine code images, the thread pool, the launch path of the CPU device, and the host side of actors.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || PyModule_AddFunctions(module, gy_scope_methods) < 0 || gy_add_code(module) < 0 ||
        gy_add_plan(module) < 0 || gy_add_bound(module) < 0 || gy_add_launch(module) < 0 ||
        gy_add_dispatcher(module) < 0 || gy_add_device_queue(module) < 0 ||
        gy_add_device_memory(module) < 0 || gy_add_device_array(module) < 0 || gy_add_device_plan(module) < 0 ||
        gy_add_device_bound(module) < 0 || gy_add_graph(module) < 0 || gy_add_message(module) < 0 ||
        gy_add_mail(module) < 0 || gy_add_ref(module) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
