/* The Graph type: made by the CPU driver from packed launches, replayed by one call. */
#include "graph.h"

#include <string.h>

PyTypeObject *GyGraphType;

static void clear_node(gy_node *node)
{
    GyPlan *plan = node->plan;
    PyObject *done = node->done, *keep = node->keep;
    node->plan = NULL;
    node->done = node->keep = NULL;
    PyMem_Free(node->frame);
    node->frame = NULL;
    if (node->record.obj != NULL)
        PyBuffer_Release(&node->record);
    Py_XDECREF((PyObject *)plan);
    Py_XDECREF(done);
    Py_XDECREF(keep);
}

/* What a launch is given besides its plan. */
typedef struct given {
    PyObject *shape, *slots, *record, *done, *keep;
} given;

/* Fills an empty node; what it holds by then is the caller's to clear, on failure too. */
static int set_node(gy_node *node, GyPlan *plan, const given *launch)
{
    int64_t extents[3];
    Py_buffer slots;
    Py_INCREF((PyObject *)plan);
    node->plan = plan;
    if (gy_parse_extents(launch->shape, plan->rank, extents) < 0) {
        PyErr_Format(PyExc_ValueError, "the plan is for shapes of rank %d, not %R", plan->rank, launch->shape);
        return -1;
    }
    if (PyObject_GetBuffer(launch->slots, &slots, PyBUF_SIMPLE) < 0)
        return -1;
    size_t bytes = (size_t)plan->slot_count * sizeof(uint64_t);
    if ((size_t)slots.len != bytes)
        PyErr_Format(PyExc_TypeError, "the plan takes %d slots of 8 bytes, not %zd bytes", plan->slot_count, slots.len);
    else if ((node->frame = PyMem_Malloc(sizeof *node->frame + bytes)) == NULL)
        PyErr_NoMemory();
    else
        memcpy(node->frame->slot, slots.buf, bytes);
    PyBuffer_Release(&slots);
    if (node->frame == NULL)
        return -1;
    gy_fit fit = gy_frame_shape(node->frame, plan, extents, &node->items);
    if (fit != GY_FITS) {
        gy_raise_misfit(fit, -1, plan);
        return -1;
    }
    if (gy_record_take(plan, launch->record, &node->record, node->frame) < 0)
        return -1;
    if (launch->done != Py_None) {
        Py_INCREF(launch->done);
        node->done = launch->done;
    }
    Py_INCREF(launch->keep);
    node->keep = launch->keep;
    return 0;
}

static int add_node(GyGraph *self, PyObject *step)
{
    PyObject *plan;
    given launch;
    if (!PyTuple_Check(step)) {
        PyErr_SetString(PyExc_TypeError, "a step is a tuple (plan, shape, slots, record, done, keep)");
        return -1;
    }
    if (!PyArg_ParseTuple(step, "O!OOOOO:Graph", GyPlanType, &plan, &launch.shape, &launch.slots, &launch.record,
                          &launch.done, &launch.keep))
        return -1;
    gy_node *node = &self->node[self->count++];
    if (set_node(node, (GyPlan *)plan, &launch) < 0)
        return -1;
    if (node->plan->scratch_bytes > self->scratch_bytes)
        self->scratch_bytes = node->plan->scratch_bytes;
    return 0;
}

static int add_levels(GyGraph *self, PyObject *levels)
{
    size_t count = 0;
    Py_ssize_t level_count = PyTuple_Size(levels);
    for (Py_ssize_t i = 0; i < level_count; i++) {
        PyObject *level = PyTuple_GetItem(levels, i);
        if (!PyTuple_Check(level)) {
            PyErr_SetString(PyExc_TypeError, "a level is a tuple of steps");
            return -1;
        }
        count += (size_t)PyTuple_Size(level);
    }
    self->node = PyMem_Calloc(count + 1, sizeof *self->node);
    self->level_end = PyMem_Calloc((size_t)level_count + 1, sizeof *self->level_end);
    if (count > INT_MAX || self->node == NULL || self->level_end == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < level_count; i++) {
        PyObject *level = PyTuple_GetItem(levels, i);
        for (Py_ssize_t k = 0; k < PyTuple_Size(level); k++)
            if (add_node(self, PyTuple_GetItem(level, k)) < 0)
                return -1;
        self->level_end[self->level_count++] = self->count;
    }
    return 0;
}

static PyObject *graph_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    GyGraph *self = (GyGraph *)object;
    (void)args;
    if ((nargsf & ~GY_ARGUMENTS_OFFSET) != 0 || (names != NULL && PyTuple_Size(names) != 0)) {
        PyErr_SetString(PyExc_TypeError, "a graph takes no arguments");
        return NULL;
    }
    Py_INCREF(object);
    self->running++;
    int failed = gy_graph_run(self) < 0;
    self->running--;
    Py_DECREF(object);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *graph_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
    size_t count = (size_t)PyTuple_Size(args) + (kwargs == NULL ? 0 : (size_t)PyDict_Size(kwargs));
    return graph_vectorcall(object, NULL, count, NULL);
}

static PyObject *graph_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"levels", NULL};
    PyObject *levels;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Graph", names, &PyTuple_Type, &levels))
        return NULL;
    GyGraph *self = (GyGraph *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = graph_vectorcall;
    if (add_levels(self, levels) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *graph_replace(PyObject *object, PyObject *args)
{
    GyGraph *self = (GyGraph *)object;
    given launch;
    int number;
    if (!PyArg_ParseTuple(args, "iOOOOO:replace", &number, &launch.shape, &launch.slots, &launch.record, &launch.done,
                          &launch.keep))
        return NULL;
    if (number < 0 || number >= self->count) {
        PyErr_Format(PyExc_IndexError, "the graph has %d steps, and none of number %d", self->count, number);
        return NULL;
    }
    gy_node made = {0};
    int failed = set_node(&made, self->node[number].plan, &launch) < 0;
    if (!failed && self->running) {
        PyErr_SetString(PyExc_RuntimeError, "the graph is running; replace its arguments when it is done");
        failed = 1;
    }
    if (failed) {
        clear_node(&made);
        return NULL;
    }
    gy_node old = self->node[number];
    self->node[number] = made;
    clear_node(&old);
    Py_RETURN_NONE;
}

static int graph_traverse(PyObject *object, visitproc visit, void *arg)
{
    GyGraph *self = (GyGraph *)object;
    Py_VISIT(Py_TYPE(object));
    for (int i = 0; i < self->count; i++) {
        Py_VISIT(self->node[i].done);
        Py_VISIT(self->node[i].keep);
    }
    return 0;
}

static int graph_clear(PyObject *object)
{
    GyGraph *self = (GyGraph *)object;
    for (int i = 0; i < self->count; i++) {
        Py_CLEAR(self->node[i].done);
        Py_CLEAR(self->node[i].keep);
    }
    return 0;
}

static void graph_dealloc(PyObject *object)
{
    GyGraph *self = (GyGraph *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    for (int i = 0; i < self->count; i++)
        clear_node(&self->node[i]);
    PyMem_Free(self->node);
    PyMem_Free(self->level_end);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyMethodDef graph_methods[] = {
    {"replace", graph_replace, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef graph_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(GyGraph, vectorcall), READONLY, NULL},
    {"steps", T_INT, offsetof(GyGraph, count), READONLY, "Number of launches."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot graph_slots[] = {
    {Py_tp_doc, "The launches of a batch: call it to run them all."},
    {Py_tp_new, graph_new},
    {Py_tp_dealloc, graph_dealloc},
    {Py_tp_traverse, graph_traverse},
    {Py_tp_clear, graph_clear},
    {Py_tp_call, graph_call},
    {Py_tp_methods, graph_methods},
    {Py_tp_members, graph_members},
    {0, NULL},
};

static PyType_Spec graph_spec = {
    .name = "gyral._native.Graph",
    .basicsize = sizeof(GyGraph),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = graph_slots,
};

int gy_add_graph(PyObject *module)
{
    GyGraphType = (PyTypeObject *)PyType_FromSpec(&graph_spec);
    return GyGraphType == NULL ? -1 : PyModule_AddObjectRef(module, "Graph", (PyObject *)GyGraphType);
}
