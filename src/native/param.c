#include <string.h>

#include "device.h"

typedef struct scalar_name {
    const char *name;
    int kind;
    int size;
} scalar_name;

static const scalar_name NAMES[] = {
    {"f16", GY_FLOAT, 2},  {"f32", GY_FLOAT, 4},    {"f64", GY_FLOAT, 8},    {"bf16", GY_BRAIN, 2},
    {"i8", GY_SIGNED, 1},  {"i16", GY_SIGNED, 2},   {"i32", GY_SIGNED, 4},   {"i64", GY_SIGNED, 8},
    {"u8", GY_UNSIGNED, 1}, {"u16", GY_UNSIGNED, 2}, {"u32", GY_UNSIGNED, 4}, {"u64", GY_UNSIGNED, 8},
    {"bool", GY_BOOL, 1},
};

static int find_scalar(const char *name, gy_param *param)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(NAMES[i].name, name) == 0) {
            param->kind = NAMES[i].kind;
            param->itemsize = NAMES[i].size;
            return 1;
        }
    }
    return 0;
}

static int three_way(PyObject *value, int *out)
{
    if (value == Py_None)
        *out = -1;
    else if ((*out = PyObject_IsTrue(value)) < 0)
        return -1;
    return 0;
}

static int parse_inner(PyObject *inner, gy_param *param)
{
    Py_ssize_t count = PyTuple_Size(inner);
    if (count < 0)
        return -1;
    if (count > GY_MAX_INNER) {
        PyErr_Format(PyExc_ValueError, "an element has at most %d inner axes, not %zd", GY_MAX_INNER, count);
        return -1;
    }
    param->inner_rank = (int)count;
    param->element = param->itemsize;
    for (Py_ssize_t i = 0; i < count; i++) {
        param->inner[i] = PyLong_AsLongLong(PyTuple_GetItem(inner, i));
        if (param->inner[i] < 1 || param->inner[i] > 65536) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "an inner extent must be between 1 and 65536");
            return -1;
        }
        param->element *= param->inner[i];
    }
    return 0;
}

static int parse_array(PyObject *description, gy_param *param)
{
    const char *tag, *format;
    long long itemsize, align;
    int rank, writes;
    PyObject *inner, *unit;
    if (!PyArg_ParseTuple(description, "ssLiO!OLp:array parameter", &tag, &format, &itemsize, &rank, &PyTuple_Type,
                          &inner, &unit, &align, &writes))
        return -1;
    param->is_array = 1;
    if (!find_scalar(format, param)) {
        if (strncmp(format, "T{", 2) != 0) {
            PyErr_Format(PyExc_ValueError, "element format '%s' is neither a dtype name nor a struct format", format);
            return -1;
        }
        param->kind = GY_STRUCT;
        param->itemsize = itemsize;
        param->format = PyMem_Malloc(strlen(format) + 1);
        if (param->format == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        strcpy(param->format, format);
    }
    if (itemsize != param->itemsize || itemsize < 1 || itemsize > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "itemsize %lld does not fit element format '%s'", itemsize, format);
        return -1;
    }
    if (align < 1 || (align & (align - 1)) != 0) {
        PyErr_Format(PyExc_ValueError, "alignment must be a power of two, not %lld", align);
        return -1;
    }
    if (rank < 0 || rank > GY_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "array rank must be between 0 and %d, not %d", GY_MAX_RANK, rank);
        return -1;
    }
    param->rank = rank;
    param->align = align;
    param->writes = writes;
    return three_way(unit, &param->unit) < 0 ? -1 : parse_inner(inner, param);
}

static int parse_scalar(PyObject *description, gy_param *param)
{
    const char *tag, *dtype, *accepts;
    PyObject *types;
    if (!PyArg_ParseTuple(description, "sssO!:scalar parameter", &tag, &dtype, &accepts, &PyTuple_Type, &types))
        return -1;
    if (!find_scalar(dtype, param)) {
        PyErr_Format(PyExc_ValueError, "'%s' is not the name of a scalar dtype", dtype);
        return -1;
    }
    for (; *accepts != '\0'; accepts++) {
        switch (*accepts) {
        case 'f': param->accepts |= GY_ACCEPTS_FLOAT; break;
        case 'i': param->accepts |= GY_ACCEPTS_INT; break;
        case 'b': param->accepts |= GY_ACCEPTS_BOOL; break;
        default:
            PyErr_Format(PyExc_ValueError, "accepts holds 'f', 'i' and 'b', not '%c'", *accepts);
            return -1;
        }
    }
    Py_ssize_t count = PyTuple_Size(types);
    if (count > GY_MAX_SCALAR_TYPES) {
        PyErr_Format(PyExc_ValueError, "at most %d scalar types, not %zd", GY_MAX_SCALAR_TYPES, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *type = PyTuple_GetItem(types, i);
        if (!PyType_Check(type)) {
            PyErr_SetString(PyExc_TypeError, "scalar types must be types");
            return -1;
        }
        Py_INCREF(type);
        param->type[param->type_count++] = type;
    }
    return 0;
}

/* An array in device memory: its elements are compared as the types they are. */
static int parse_device(PyObject *description, gy_param *param)
{
    const char *tag;
    long long itemsize, align;
    int rank, writes;
    PyObject *elem, *unit;
    if (!PyArg_ParseTuple(description, "sOLiOLp:device parameter", &tag, &elem, &itemsize, &rank, &unit, &align,
                          &writes))
        return -1;
    if (itemsize < 1 || itemsize > INT32_MAX || align < 1 || (align & (align - 1)) != 0 || rank < 0 ||
        rank > GY_DEVICE_RANK) {
        PyErr_Format(PyExc_ValueError, "no array of rank %d, itemsize %lld and alignment %lld fits a device plan", rank,
                     itemsize, align);
        return -1;
    }
    param->is_array = 1;
    param->itemsize = param->element = itemsize;
    param->rank = rank;
    param->align = align;
    param->writes = writes;
    if (three_way(unit, &param->unit) < 0)
        return -1;
    Py_INCREF(elem);
    param->elem = elem;
    return 0;
}

int gy_param_parse(PyObject *description, gy_param *param)
{
    memset(param, 0, sizeof *param);
    if (!PyTuple_Check(description) || PyTuple_Size(description) < 1) {
        PyErr_SetString(PyExc_TypeError, "a parameter is described by a tuple ('array', ...) or ('scalar', ...)");
        return -1;
    }
    PyObject *tag = PyTuple_GetItem(description, 0);
    if (PyUnicode_Check(tag) && PyUnicode_CompareWithASCIIString(tag, "array") == 0)
        return parse_array(description, param);
    if (PyUnicode_Check(tag) && PyUnicode_CompareWithASCIIString(tag, "scalar") == 0)
        return parse_scalar(description, param);
    if (PyUnicode_Check(tag) && PyUnicode_CompareWithASCIIString(tag, "device") == 0)
        return parse_device(description, param);
    PyErr_Format(PyExc_ValueError, "a parameter is 'array', 'scalar' or 'device', not %R", tag);
    return -1;
}

void gy_param_clear(gy_param *param)
{
    PyMem_Free(param->format);
    param->format = NULL;
    Py_CLEAR(param->elem);
    for (int i = 0; i < param->type_count; i++)
        Py_CLEAR(param->type[i]);
    param->type_count = 0;
}
