/* Values of a payload's scalars. */
#include <math.h>
#include <string.h>

#include "actor.h"
#include "message.h"

static const struct {
    const char *name;
    size_t bytes;
} kinds[GY_LEAF_KINDS] = {
    {"f16", 2}, {"bf16", 2}, {"f32", 4}, {"f64", 8}, {"i8", 1},   {"i16", 2}, {"i32", 4},
    {"i64", 8}, {"u8", 1},   {"u16", 2}, {"u32", 4}, {"u64", 8},  {"bool", 1}, {"ref", 8},
};

int gy_leaf_kind_of(const char *name)
{
    for (int i = 0; i < GY_LEAF_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return i;
    return -1;
}

size_t gy_leaf_bytes(gy_leaf_kind kind) { return kinds[kind].bytes; }

const char *gy_leaf_name(gy_leaf_kind kind) { return kinds[kind].name; }

static double widen(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(fraction + 1024, exponent - 25);
    return half >> 15 ? -value : value;
}

static int put_float(gy_leaf_kind kind, char *to, PyObject *value)
{
    double wide = PyFloat_AsDouble(value);
    if (wide == -1.0 && PyErr_Occurred())
        return -1;
    int lost = 0;
    if (kind == GY_LEAF_F64) {
        memcpy(to, &wide, 8);
    } else if (kind == GY_LEAF_F32) {
        float narrow = (float)wide;
        lost = isinf(narrow) && !isinf(wide);
        if (!lost)
            memcpy(to, &narrow, 4);
    } else {
        int brain = kind == GY_LEAF_BF16;
        uint16_t narrow = brain ? gy_narrow(wide, 8, 7) : gy_narrow(wide, 5, 10);
        lost = (narrow & 0x7fff) == (brain ? 0x7f80 : 0x7c00) && !isinf(wide);
        if (!lost)
            memcpy(to, &narrow, 2);
    }
    if (lost)
        PyErr_Format(PyExc_OverflowError, "%R is too large for %s", value, kinds[kind].name);
    return lost ? -1 : 0;
}

static int out_of_range(gy_leaf_kind kind, PyObject *value)
{
    PyErr_Format(PyExc_OverflowError, "%R does not fit %s", value, kinds[kind].name);
    return -1;
}

static int put_integer(gy_leaf_kind kind, char *to, PyObject *value)
{
    int bits = (int)kinds[kind].bytes * 8;
    if (kind >= GY_LEAF_U8) {
        PyObject *index = PyNumber_Index(value);
        if (index == NULL)
            return -1;
        unsigned long long number = PyLong_AsUnsignedLongLong(index);
        Py_DECREF(index);
        if ((number == (unsigned long long)-1 && PyErr_Occurred()) || (bits < 64 && number >> bits != 0)) {
            if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError))
                return -1;
            return out_of_range(kind, value);
        }
        memcpy(to, &number, kinds[kind].bytes); /* little-endian, as everything native here */
        return 0;
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (overflow || (bits < 64 && (number < -(1LL << (bits - 1)) || number >= 1LL << (bits - 1))))
        return out_of_range(kind, value);
    memcpy(to, &number, kinds[kind].bytes);
    return 0;
}

static int put_ref(char *to, PyObject *value)
{
    uint32_t words[2] = {0, 0};
    if (value != Py_None && !gy_ref_words(value, words)) {
        PyErr_Format(PyExc_TypeError, "a reference is an actor's Ref or None, not %R", value);
        return -1;
    }
    memcpy(to, words, sizeof words);
    return 0;
}

int gy_leaf_put(const gy_leaf *leaf, char *payload, PyObject *value)
{
    char *to = payload + leaf->offset;
    if (leaf->kind <= GY_LEAF_F64)
        return put_float(leaf->kind, to, value);
    if (leaf->kind == GY_LEAF_REF)
        return put_ref(to, value);
    if (leaf->kind != GY_LEAF_BOOL)
        return put_integer(leaf->kind, to, value);
    int truth = PyObject_IsTrue(value);
    *to = truth > 0;
    return truth < 0 ? -1 : 0;
}

static double float_at(gy_leaf_kind kind, const char *from)
{
    double wide;
    float single;
    uint16_t half;
    if (kind == GY_LEAF_F64)
        return memcpy(&wide, from, 8), wide;
    if (kind == GY_LEAF_F32)
        return memcpy(&single, from, 4), single;
    memcpy(&half, from, 2);
    if (kind == GY_LEAF_F16)
        return widen(half);
    uint32_t bits = (uint32_t)half << 16;
    return memcpy(&single, &bits, 4), single;
}

PyObject *gy_leaf_get(const gy_leaf *leaf, const char *payload)
{
    const char *from = payload + leaf->offset;
    uint64_t bits = 0;
    uint32_t words[2];
    if (leaf->kind <= GY_LEAF_F64)
        return PyFloat_FromDouble(float_at(leaf->kind, from));
    if (leaf->kind == GY_LEAF_BOOL)
        return PyBool_FromLong(*from != 0);
    if (leaf->kind == GY_LEAF_REF) {
        memcpy(words, from, sizeof words);
        return Py_BuildValue("II", words[0], words[1]);
    }
    size_t bytes = kinds[leaf->kind].bytes;
    memcpy(&bits, from, bytes);
    if (leaf->kind >= GY_LEAF_U8)
        return PyLong_FromUnsignedLongLong(bits);
    int unused = 64 - (int)bytes * 8;
    return PyLong_FromLongLong((int64_t)(bits << unused) >> unused);
}

int gy_leaf_equal(const gy_leaf *leaf, const char *one, const char *other)
{
    one += leaf->offset, other += leaf->offset;
    if (leaf->kind <= GY_LEAF_F64)
        return float_at(leaf->kind, one) == float_at(leaf->kind, other);
    return memcmp(one, other, kinds[leaf->kind].bytes) == 0;
}

int gy_part_put(const gy_part *part, char *payload, PyObject *value)
{
    if (part->count == 0)
        return gy_leaf_put(&part->leaf, payload, value);
    Py_ssize_t size = PySequence_Size(value);
    if (size < 0)
        return -1;
    if (size != part->count) {
        PyErr_Format(PyExc_TypeError, "%U has %d parts, not %zd", part->name, part->count, size);
        return -1;
    }
    for (int i = 0; i < part->count; i++) {
        PyObject *item = PySequence_GetItem(value, i);
        int failed = item == NULL || gy_part_put(&part->part[i], payload, item) < 0;
        Py_XDECREF(item);
        if (failed)
            return -1;
    }
    return 0;
}

PyObject *gy_part_get(const gy_part *part, const char *payload)
{
    if (part->count == 0)
        return gy_leaf_get(&part->leaf, payload);
    PyObject *all = PyTuple_New(part->count);
    for (int i = 0; all != NULL && i < part->count; i++) {
        PyObject *item = gy_part_get(&part->part[i], payload);
        if (item == NULL || PyTuple_SetItem(all, i, item) < 0)
            Py_CLEAR(all);
    }
    return all;
}

int gy_part_equal(const gy_part *part, const char *one, const char *other)
{
    int same = part->count > 0 || gy_leaf_equal(&part->leaf, one, other);
    for (int i = 0; i < part->count; i++)
        same = same && gy_part_equal(&part->part[i], one, other);
    return same;
}
