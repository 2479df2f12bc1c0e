/* Making message types, and finding the layout of one by its type. */
#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { MAX_BYTES = 64 * 1024, MAX_FIELDS = 255, MAX_PARTS = 4096, MAX_DEPTH = 16 };

/* Open addressing; only grows, as types stay.  Changed with the GIL held. */
static gy_layout **table;
static size_t table_size, table_count;

static size_t place_of(const void *type, size_t size)
{
    return (size_t)(((uint64_t)(uintptr_t)type >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 40) & (size - 1);
}

const gy_layout *gy_layout_find(const void *type)
{
    if (table_size == 0)
        return NULL;
    for (size_t at = place_of(type, table_size);; at = (at + 1) & (table_size - 1)) {
        const gy_layout *found = table[at];
        if (found == NULL || (const void *)found->type == type)
            return found;
    }
}

static void put(gy_layout **into, size_t size, gy_layout *layout)
{
    size_t at = place_of(layout->type, size);
    while (into[at] != NULL)
        at = (at + 1) & (size - 1);
    into[at] = layout;
}

int gy_layout_keep(gy_layout *layout)
{
    if (table_count * 2 >= table_size) {
        size_t size = table_size == 0 ? 64 : table_size * 2;
        gy_layout **larger = calloc(size, sizeof *larger);
        if (larger == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; i < table_size; i++)
            if (table[i] != NULL)
                put(larger, size, table[i]);
        free(table);
        table = larger;
        table_size = size;
    }
    put(table, table_size, layout);
    layout->id = (uint32_t)++table_count;
    return 0;
}

const gy_layout *gy_layout_of_type(PyTypeObject *type)
{
    for (; type != NULL; type = (PyTypeObject *)PyType_GetSlot(type, Py_tp_base)) {
        const gy_layout *found = gy_layout_find(type);
        if (found != NULL || type == GyMessageType)
            return found;
    }
    return NULL;
}

static PyObject *field_get(PyObject *object, void *part)
{
    return gy_part_get(part, ((GyMessage *)object)->payload);
}

static int field_set(PyObject *object, PyObject *value, void *part)
{
    if (value != NULL)
        return gy_part_put(part, ((GyMessage *)object)->payload, value);
    PyErr_Format(PyExc_AttributeError, "field %R cannot be deleted", ((gy_part *)part)->name);
    return -1;
}

static void free_part(gy_part *part)
{
    Py_XDECREF(part->name);
    for (int i = 0; i < part->count; i++)
        free_part(&part->part[i]);
    free(part->part);
}

static void free_layout(gy_layout *layout)
{
    for (int i = 0; i < layout->fields; i++)
        free_part(&layout->field[i]);
    free(layout->field);
    free(layout->blank);
    free(layout->descriptor);
    free(layout);
}

static int parse_parts(gy_part **parts, int *count, PyObject *list, uint32_t bytes, int depth);

/* (name, kind, offset) or (name, [part, ...]) */
static int parse_part(gy_part *part, PyObject *given, uint32_t bytes, int depth)
{
    PyObject *name, *kind;
    unsigned int offset = 0;
    if (!PyTuple_Check(given) || !PyArg_ParseTuple(given, "UO|I;a field is (name, kind, offset) or (name, parts)",
                                                   &name, &kind, &offset))
        return -1;
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name);
    part->name = name;
    if (!PyUnicode_Check(kind))
        return parse_parts(&part->part, &part->count, kind, bytes, depth + 1);
    const char *text = PyUnicode_AsUTF8AndSize(kind, NULL);
    int found = text == NULL ? -1 : gy_leaf_kind_of(text);
    if (found < 0 || offset + gy_leaf_bytes((gy_leaf_kind)found) > bytes) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "field %R: no kind %R, or it lies outside the %u bytes", name, kind, bytes);
        return -1;
    }
    part->leaf = (gy_leaf){(gy_leaf_kind)found, offset};
    return 0;
}

static int parse_parts(gy_part **parts, int *count, PyObject *list, uint32_t bytes, int depth)
{
    Py_ssize_t size = PySequence_Size(list);
    if (size < 0)
        return -1;
    if (depth > MAX_DEPTH || size > (depth == 0 ? MAX_FIELDS : MAX_PARTS) || (depth > 0 && size == 0)) {
        PyErr_SetString(PyExc_ValueError, "a message has up to 255 fields, of 1 to 4096 parts, 16 deep");
        return -1;
    }
    *parts = calloc((size_t)size + 1, sizeof **parts);
    if (*parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PySequence_GetItem(list, i);
        *count = (int)i + 1;
        int failed = item == NULL || parse_part(&(*parts)[i], item, bytes, depth) < 0;
        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return 0;
}

/* Defaults of the last fields, in their order. */
static int parse_defaults(gy_layout *layout, PyObject *defaults)
{
    Py_ssize_t size = defaults == Py_None ? 0 : PySequence_Size(defaults);
    if (size < 0)
        return -1;
    if (size > layout->fields) {
        PyErr_SetString(PyExc_ValueError, "there are more defaults than fields");
        return -1;
    }
    layout->required = layout->fields - (int)size;
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PySequence_GetItem(defaults, i);
        int failed = item == NULL || gy_part_put(&layout->field[layout->required + i], layout->blank, item) < 0;
        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return 0;
}

static int add_leaves(PyObject *list, const gy_part *part, PyObject *prefix)
{
    PyObject *name = prefix == NULL ? PyUnicode_FromFormat("%U", part->name)
                                    : PyUnicode_FromFormat("%U.%U", prefix, part->name);
    if (name == NULL)
        return -1;
    int failed = 0;
    if (part->count == 0) {
        PyObject *row = Py_BuildValue("OsI", name, gy_leaf_name(part->leaf.kind), part->leaf.offset);
        failed = row == NULL || PyList_Append(list, row) < 0;
        Py_XDECREF(row);
    }
    for (int i = 0; !failed && i < part->count; i++)
        failed = add_leaves(list, &part->part[i], name) < 0;
    Py_DECREF(name);
    return failed ? -1 : 0;
}

/* __match_args__ and __gyral_leaves__. */
static int describe(const gy_layout *layout)
{
    PyObject *names = PyTuple_New(layout->fields), *list = PyList_New(0), *leaves = NULL;
    int failed = names == NULL || list == NULL;
    for (int i = 0; !failed && i < layout->fields; i++) {
        Py_INCREF(layout->field[i].name);
        failed = PyTuple_SetItem(names, i, layout->field[i].name) < 0 ||
                 add_leaves(list, &layout->field[i], NULL) < 0;
    }
    failed = failed || (leaves = PyList_AsTuple(list)) == NULL ||
             PyObject_SetAttrString((PyObject *)layout->type, "__match_args__", names) < 0 ||
             PyObject_SetAttrString((PyObject *)layout->type, "__gyral_leaves__", leaves) < 0;
    Py_XDECREF(names);
    Py_XDECREF(list);
    Py_XDECREF(leaves);
    return failed ? -1 : 0;
}

static int make_type(gy_layout *layout, const char *name, const char *doc)
{
    layout->descriptor = calloc((size_t)layout->fields + 1, sizeof *layout->descriptor);
    if (layout->descriptor == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < layout->fields; i++) {
        const char *text = PyUnicode_AsUTF8AndSize(layout->field[i].name, NULL);
        if (text == NULL)
            return -1;
        layout->descriptor[i] = (PyGetSetDef){text, field_get, field_set, NULL, &layout->field[i]};
    }
    PyType_Slot slots[] = {{Py_tp_doc, (void *)doc}, {Py_tp_getset, layout->descriptor}, {0, NULL}};
    PyType_Spec spec = {
        .name = name,
        .basicsize = (int)(sizeof(GyMessage) + ((size_t)layout->bytes + 7) / 8 * 8),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    layout->type = (PyTypeObject *)PyType_FromSpecWithBases(&spec, (PyObject *)GyMessageType);
    return layout->type == NULL ? -1 : 0;
}

PyObject *gy_message_type(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "fields", "nbytes", "doc", "defaults", NULL};
    const char *name, *doc = "";
    PyObject *fields, *defaults = Py_None;
    unsigned int bytes;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sOI|sO:message_type", names, &name, &fields, &bytes, &doc,
                                     &defaults))
        return NULL;
    if (bytes > MAX_BYTES - 4)
        return PyErr_Format(PyExc_ValueError, "a message holds up to %d bytes, not %u", MAX_BYTES - 4, bytes);
    gy_layout *layout = calloc(1, sizeof *layout);
    char *kept = strdup(name); /* types before Python 3.12 keep the pointer */
    if (layout == NULL || kept == NULL || (layout->blank = calloc(1, (size_t)bytes + 8)) == NULL) {
        free(kept);
        free(layout);
        return PyErr_NoMemory();
    }
    layout->bytes = bytes;
    if (parse_parts(&layout->field, &layout->fields, fields, bytes, 0) < 0 || parse_defaults(layout, defaults) < 0 ||
        make_type(layout, kept, doc) < 0) {
        free_layout(layout);
        free(kept);
        return NULL;
    }
    /* From here on the type may be used, so that the layout stays whatever happens. */
    if (gy_layout_keep(layout) < 0 || describe(layout) < 0)
        return NULL;
    PyObject *type = (PyObject *)layout->type;
    Py_INCREF(type);
    return type;
}
