/* Making message types, and finding the layout of one by its type. */
#include <stdlib.h>
#include <string.h>

#include "message.h"

enum { MAX_BYTES = 64 * 1024, MAX_FIELDS = 255, MAX_LEAVES = 16 * 1024, MAX_DEPTH = 16 };

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

/* A row of what message_type() is given: what is left of a dotted name, and a leaf. */
typedef struct row {
    const char *name;
    gy_leaf leaf;
} row;

/* Parts of rows that begin alike; rows of one part stand together. */
static int build(gy_part **parts, int *count, row *rows, int size, int depth)
{
    *parts = calloc((size_t)size + 1, sizeof **parts);
    if (*parts == NULL || depth > MAX_DEPTH) {
        PyErr_SetString(*parts == NULL ? PyExc_MemoryError : PyExc_ValueError, "a message nests 16 deep at most");
        return -1;
    }
    for (int at = 0; at < size;) {
        gy_part *part = &(*parts)[(*count)++];
        size_t length = strcspn(rows[at].name, ".");
        int end = at + 1, nested = rows[at].name[length] == '.';
        part->name = PyUnicode_FromStringAndSize(rows[at].name, (Py_ssize_t)length);
        if (part->name == NULL)
            return -1;
        PyUnicode_InternInPlace(&part->name);
        if (!nested) {
            part->leaf = rows[at].leaf;
        } else {
            while (end < size && strncmp(rows[end].name, rows[at].name, length + 1) == 0)
                end++;
            for (int i = end - 1; i >= at; i--)
                rows[i].name += length + 1;
            if (build(&part->part, &part->count, rows + at, end - at, depth + 1) < 0)
                return -1;
        }
        at = end;
    }
    return 0;
}

/* (name, offset, kind) */
static int parse_row(row *row, PyObject *given, uint32_t bytes)
{
    const char *kind;
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "a leaf is (name, offset, kind)");
        return -1;
    }
    if (!PyArg_ParseTuple(given, "sIs;a leaf is (name, offset, kind)", &row->name, &row->leaf.offset, &kind))
        return -1;
    int found = gy_leaf_kind_of(kind);
    if (found < 0 || row->leaf.offset + gy_leaf_bytes((gy_leaf_kind)found) > bytes) {
        PyErr_Format(PyExc_ValueError, "leaf %s: there is no kind %s, or it lies outside the %u bytes", row->name, kind,
                     bytes);
        return -1;
    }
    row->leaf.kind = (gy_leaf_kind)found;
    return 0;
}

static int parse_rows(gy_layout *layout, PyObject *given)
{
    PyObject *tuple = PySequence_Tuple(given);
    if (tuple == NULL)
        return -1;
    Py_ssize_t size = PyTuple_Size(tuple);
    row *rows = size > MAX_LEAVES ? NULL : calloc((size_t)size + 1, sizeof *rows);
    int failed = rows == NULL;
    if (failed)
        PyErr_Format(PyExc_ValueError, "a message has at most %d leaves", MAX_LEAVES);
    for (Py_ssize_t i = 0; !failed && i < size; i++)
        failed = parse_row(&rows[i], PyTuple_GetItem(tuple, i), layout->bytes) < 0;
    failed = failed || build(&layout->field, &layout->fields, rows, (int)size, 0) < 0;
    if (!failed && layout->fields > MAX_FIELDS) {
        PyErr_Format(PyExc_ValueError, "a message has at most %d fields", MAX_FIELDS);
        failed = 1;
    }
    free(rows);
    Py_DECREF(tuple);
    return failed ? -1 : 0;
}

/* By field; those without are zero. */
static int parse_defaults(gy_layout *layout, PyObject *defaults)
{
    if (defaults == Py_None)
        return 0;
    for (int i = 0; i < layout->fields; i++) {
        PyObject *value = PyDict_GetItemWithError(defaults, layout->field[i].name);
        if (value == NULL && PyErr_Occurred())
            return -1;
        if (value != NULL && gy_part_put(&layout->field[i], layout->blank, value) < 0)
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
        PyObject *row = Py_BuildValue("OIs", name, part->leaf.offset, gy_leaf_name(part->leaf.kind));
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
    if (parse_rows(layout, fields) < 0 || parse_defaults(layout, defaults) < 0 ||
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
