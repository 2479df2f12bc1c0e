/* Machine code mapped for execution: written once, then read and execute only. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "native.h"

enum { MAX_IMAGE = 256 * 1024 * 1024 };

typedef struct GyCode {
    PyObject_HEAD
    void *memory;
    size_t mapped;
    Py_ssize_t size;
    Py_ssize_t entry;
} GyCode;

PyTypeObject *GyCodeType;

gy_entry gy_code_entry(PyObject *code)
{
    const GyCode *self = (const GyCode *)code;
    return (gy_entry)(uintptr_t)((char *)self->memory + self->entry);
}

static int map_image(GyCode *code, const Py_buffer *image)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = ((size_t)image->len + page - 1) / page * page;
    void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    memcpy(memory, image->buf, (size_t)image->len);
    __builtin___clear_cache((char *)memory, (char *)memory + mapped);
    if (mprotect(memory, mapped, PROT_READ | PROT_EXEC) != 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        munmap(memory, mapped);
        return -1;
    }
    code->memory = memory;
    code->mapped = mapped;
    return 0;
}

PyObject *gy_load(PyObject *module, PyObject *args)
{
    Py_buffer image;
    Py_ssize_t entry;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*n:load", &image, &entry))
        return NULL;
    PyObject *result = NULL;
    if (image.len == 0 || image.len > MAX_IMAGE)
        PyErr_Format(PyExc_ValueError, "a code image holds 1 to %d bytes, not %zd", MAX_IMAGE, image.len);
    else if (entry < 0 || entry >= image.len)
        PyErr_Format(PyExc_ValueError, "entry %zd lies outside the image of %zd bytes", entry, image.len);
    else {
        GyCode *code = PyObject_New(GyCode, GyCodeType);
        if (code != NULL) {
            code->memory = NULL;
            code->size = image.len;
            code->entry = entry;
            if (map_image(code, &image) < 0)
                Py_CLEAR(code);
        }
        result = (PyObject *)code;
    }
    PyBuffer_Release(&image);
    return result;
}

static void code_dealloc(PyObject *object)
{
    GyCode *self = (GyCode *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->memory != NULL)
        munmap(self->memory, self->mapped);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *code_address(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr((void *)(uintptr_t)gy_code_entry(object));
}

static PyObject *code_size(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((GyCode *)object)->size);
}

static PyObject *code_entry(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((GyCode *)object)->entry);
}

static PyObject *code_image(PyObject *object, void *unused)
{
    const GyCode *self = (const GyCode *)object;
    (void)unused;
    return PyBytes_FromStringAndSize(self->memory, self->size);
}

static PyGetSetDef code_getset[] = {
    {"address", code_address, NULL, "Address of the entry, for the life of this object.", NULL},
    {"size", code_size, NULL, "Bytes in the image.", NULL},
    {"entry", code_entry, NULL, "Offset of the entry in the image.", NULL},
    {"image", code_image, NULL, "The image, as it can be loaded again.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot code_slots[] = {
    {Py_tp_doc, "Machine code mapped read-execute; unmapped with its last reference. Made by load()."},
    {Py_tp_dealloc, code_dealloc},
    {Py_tp_getset, code_getset},
    {0, NULL},
};

static PyType_Spec code_spec = {
    .name = "gyral._native.Code",
    .basicsize = sizeof(GyCode),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = code_slots,
};

int gy_add_code(PyObject *module)
{
    GyCodeType = (PyTypeObject *)PyType_FromSpec(&code_spec);
    return GyCodeType == NULL ? -1 : PyModule_AddObjectRef(module, "Code", (PyObject *)GyCodeType);
}
