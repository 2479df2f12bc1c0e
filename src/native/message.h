/* Messages as Python objects: the payload in line, its leaves at fixed offsets. */
#ifndef GYRAL_MESSAGE_H
#define GYRAL_MESSAGE_H

#include "native.h"

/* A scalar of a payload. */
typedef enum gy_leaf_kind {
    GY_LEAF_F16,
    GY_LEAF_BF16,
    GY_LEAF_F32,
    GY_LEAF_F64,
    GY_LEAF_I8,
    GY_LEAF_I16,
    GY_LEAF_I32,
    GY_LEAF_I64,
    GY_LEAF_U8,
    GY_LEAF_U16,
    GY_LEAF_U32,
    GY_LEAF_U64,
    GY_LEAF_BOOL,
    GY_LEAF_REF, /* slot, then generation and route */
    GY_LEAF_KINDS,
} gy_leaf_kind;

typedef struct gy_leaf {
    gy_leaf_kind kind;
    uint32_t offset;
} gy_leaf;

/* A field, or a part of one: a leaf, or a list of parts. */
typedef struct gy_part gy_part;
struct gy_part {
    PyObject *name;
    gy_leaf leaf;
    int count; /* 0: a leaf */
    gy_part *part;
};

/* One per message type, for the life of the process, as its type is. */
typedef struct gy_layout {
    PyTypeObject *type;
    uint32_t id; /* 1, 2, ... in this process */
    uint32_t bytes;
    int fields, required; /* the first `required` have no default */
    gy_part *field;
    char *blank; /* a payload with all defaults */
    PyGetSetDef *descriptor;
} gy_layout;

typedef struct GyMessage {
    PyObject_HEAD
    const gy_layout *layout;
    char payload[];
} GyMessage;

extern PyTypeObject *GyMessageType;

/* leaf.c */
int gy_leaf_kind_of(const char *name); /* -1: none of that name */
size_t gy_leaf_bytes(gy_leaf_kind kind);
const char *gy_leaf_name(gy_leaf_kind kind);
/* -1 with an exception when the value is no such number, or out of range. */
int gy_leaf_put(const gy_leaf *leaf, char *payload, PyObject *value);
PyObject *gy_leaf_get(const gy_leaf *leaf, const char *payload);
int gy_leaf_equal(const gy_leaf *leaf, const char *one, const char *other);
int gy_part_put(const gy_part *part, char *payload, PyObject *value);
PyObject *gy_part_get(const gy_part *part, const char *payload);
int gy_part_equal(const gy_part *part, const char *one, const char *other);

/* messagetype.c */
const gy_layout *gy_layout_find(const void *type); /* of exactly this type; NULL when it is none */
int gy_layout_keep(gy_layout *layout);
/* Of this type or the first of its bases that has one. */
const gy_layout *gy_layout_of_type(PyTypeObject *type);
PyObject *gy_message_type(PyObject *module, PyObject *args, PyObject *kwargs);

/* message.c */
static inline const gy_layout *gy_layout_of(PyObject *object)
{
    const gy_layout *layout = gy_layout_find(Py_TYPE(object));
    if (layout == NULL && PyObject_TypeCheck(object, GyMessageType))
        layout = ((GyMessage *)object)->layout;
    return layout;
}
/* Fields by position, then by name, into a payload of layout->bytes rounded up to 8. */
int gy_message_fill(const gy_layout *layout, char *payload, PyObject *const *args, Py_ssize_t count);
PyObject *gy_message_new(const gy_layout *layout, const void *payload, size_t bytes);
int gy_add_message(PyObject *module);

#endif
