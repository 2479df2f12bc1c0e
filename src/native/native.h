/* What the Python-facing files share: the object layouts and the calls between them. */
#ifndef GYRAL_NATIVE_H
#define GYRAL_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdint.h>

#include "abi.h"
#include "share.h"

/* Both are part of the stable ABI and honoured by 3.11, whose limited headers do not show them yet. */
#ifndef Py_TPFLAGS_HAVE_VECTORCALL
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
typedef PyObject *(*vectorcallfunc)(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names);
#endif
#define GY_ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))

enum { GY_MAX_RANK = 8, GY_MAX_INNER = 4, GY_MAX_SCALAR_TYPES = 4 };

enum { GY_ACCEPTS_FLOAT = 1, GY_ACCEPTS_INT = 2, GY_ACCEPTS_BOOL = 4 };

typedef enum gy_kind {
    GY_FLOAT = 'f',
    GY_BRAIN = 'g', /* bf16: no buffer format; arrays of it come packed */
    GY_SIGNED = 'i',
    GY_UNSIGNED = 'u',
    GY_BOOL = 'b',
    GY_STRUCT = 's',
} gy_kind;

typedef struct gy_param {
    int is_array;
    int kind;
    int64_t itemsize;
    /* arrays */
    int rank;       /* launch-visible axes */
    int inner_rank; /* trailing fixed, contiguous axes: the components of a Vec element */
    int64_t inner[GY_MAX_INNER];
    int64_t element; /* bytes: itemsize times the inner extents */
    int64_t align;
    int unit;   /* last axis contiguous: 1 required, 0 refused, -1 either */
    int writes;
    char *format;   /* struct elements: the whole buffer format */
    PyObject *elem; /* arrays in device memory: the element type, NULL for those of the buffer protocol */
    /* scalars */
    int accepts;
    int type_count;
    PyObject *type[GY_MAX_SCALAR_TYPES];
} gy_param;

typedef struct GyLauncher GyLauncher; /* device.h */

/* One specialisation: the machine code and what its arguments must look like. */
typedef struct GyPlan {
    PyObject_HEAD
    PyObject *code;
    gy_entry entry;
    gy_param *param;
    int param_count, slot_count, array_count;
    int rank;
    int64_t item[3], block[3];
    int64_t requested[3]; /* the block a launch must have asked for; all 0: none */
    int index_bits;       /* 32, 64, or 0 for either */
    int noalias;          /* 1: no written array may overlap another; 0: one must; -1: either */
    int64_t counts[2];    /* fewest and most threads of a launch; most -1: any number */
    int record;
    size_t scratch_bytes;
    double ns_per_item;
    double suspect; /* a sample far above the estimate, waiting for a second opinion */
    int measured;
    unsigned runs;
    /* on other devices than the CPU: `code` is the program, `item` the block */
    GyLauncher *launcher;
    void *function;
    unsigned shared_bytes;
    unsigned coarse; /* elements of the last axis that one thread of the block does */
    int folded;       /* its code is for grids over the device's limit alone, else for all others */
    int64_t reach[3]; /* the largest shape within the limit */
} GyPlan;

typedef struct GyDispatcher GyDispatcher;

typedef struct GyLaunch {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    GyDispatcher *dispatcher;
    int64_t shape[3];
    int64_t block[3]; /* all 0 when the launch asked for none */
} GyLaunch;

enum { GY_RECENT_LAUNCHES = 4, GY_MAX_PLANS = 32 };

struct GyDispatcher {
    PyObject_HEAD
    int rank; /* 0 until known: every key then goes to Python */
    unsigned long epoch;
    int plan_count;
    int oldest;
    GyLaunch *recent[GY_RECENT_LAUNCHES];
    GyPlan *plan[GY_MAX_PLANS]; /* most recently used first */
};

/* The bytes an array argument may touch. */
typedef struct gy_range {
    uintptr_t begin, end;
} gy_range;

/* The packed arguments of one launch and the buffers that back them. */
enum { GY_SMALL_SLOTS = 96, GY_SMALL_VIEWS = 12 };
typedef struct gy_call {
    gy_frame *frame;
    Py_buffer *view;
    gy_range *range;
    int view_count, range_count;
    int64_t items;
    union {
        gy_frame frame;
        char bytes[sizeof(gy_frame) + GY_SMALL_SLOTS * sizeof(uint64_t)];
    } small_frame;
    Py_buffer small_view[GY_SMALL_VIEWS];
    gy_range small_range[GY_SMALL_VIEWS];
} gy_call;

typedef enum gy_fit {
    GY_FITS = 0,
    GY_MISFIT_COUNT,
    GY_MISFIT_TYPE,
    GY_MISFIT_BUFFER,
    GY_MISFIT_FORMAT,
    GY_MISFIT_RANK,
    GY_MISFIT_INNER,
    GY_MISFIT_READONLY,
    GY_MISFIT_ALIGNMENT,
    GY_MISFIT_STRIDE,
    GY_MISFIT_VALUE,
    GY_MISFIT_WIDTH,
    GY_MISFIT_OVERLAP,
    GY_MISFIT_SHAPE,
    GY_MISFIT_COUNTS,
    GY_MISFIT_GRID,
    GY_MISFIT_MEMORY,
} gy_fit;

extern PyTypeObject *GyCodeType, *GyPlanType, *GyBoundType, *GyLaunchType, *GyDispatcherType, *GyGraphType;

/* code.c */
PyObject *gy_load(PyObject *module, PyObject *args);
gy_entry gy_code_entry(PyObject *code);

/* plan.c: what both kinds of plan are made of */
int gy_plan_extents(PyObject *value, const char *name, int64_t out[3]);
int gy_plan_params(GyPlan *self, PyObject *params);
int gy_plan_choices(GyPlan *self, PyObject *index_bits, PyObject *noalias);
int gy_plan_counts(GyPlan *self, PyObject *counts);
int gy_plan_shape(const GyPlan *self, PyObject *shape, int64_t out[3]);
void gy_plan_dealloc(PyObject *object);

/* param.c */
int gy_param_parse(PyObject *description, gy_param *param);
void gy_param_clear(gy_param *param);

/* narrow.c: `value` rounded to nearest even in a binary format of up to 16 bits. */
uint16_t gy_narrow(double value, int exponent_bits, int fraction_bits);

/* fit.c */
int gy_register_array_type(PyObject *type);
int gy_call_init(gy_call *call, const GyPlan *plan);
gy_fit gy_call_fit(gy_call *call, const GyPlan *plan, const int64_t shape[3], PyObject *const *args,
                   Py_ssize_t count, int *which);
/* Init and fit in one, for a tuple: its items, to be freed, or NULL with an exception. Clear the call in any case. */
PyObject **gy_call_take(gy_call *call, const GyPlan *plan, const int64_t shape[3], PyObject *args);
void gy_call_clear(gy_call *call);
gy_fit gy_frame_shape(gy_frame *frame, const GyPlan *plan, const int64_t shape[3], int64_t *items);

/* misfit.c */
void gy_raise_misfit(gy_fit fit, int which, const GyPlan *plan);

/* shape.c */
int gy_parse_key(PyObject *key, int rank, int64_t shape[3], int64_t block[3]);
int gy_parse_extents(PyObject *value, int rank, int64_t out[3]);
PyObject *gy_extents_tuple(const int64_t extents[3], int rank);

/* run.c: both run with the GIL held on entry and return; -1 with an exception set. */
enum { GY_KEEP_GIL_NS = 20 * 1000 };
int gy_run(GyPlan *plan, const gy_frame *frame, int64_t items, int threads);
/* Gives up the GIL and shares the work over the pool; fills in who polls. */
int gy_run_work(gy_work *work, gy_outcome *outcome);
void gy_learn(GyPlan *plan, double ns, double items);

/* record.c */
int gy_record_take(const GyPlan *plan, PyObject *object, Py_buffer *view, gy_frame *frame);

/* bound.c */
PyObject *gy_bind(GyPlan *plan, const int64_t shape[3], PyObject *args, PyObject *record);

/* launch.c, dispatcher.c */
GyLaunch *gy_launch_new(GyDispatcher *dispatcher, const int64_t shape[3], const int64_t block[3]);
void gy_drop_plans(GyDispatcher *dispatcher);

/* scope.c */
int gy_fast_path(void);
unsigned long gy_epoch(void);
extern PyMethodDef gy_scope_methods[];

/* each type's own file: makes the type and adds it to the module */
int gy_add_code(PyObject *module);
int gy_add_plan(PyObject *module);
int gy_add_bound(PyObject *module);
int gy_add_launch(PyObject *module);
int gy_add_dispatcher(PyObject *module);
int gy_add_device_queue(PyObject *module);
int gy_add_device_memory(PyObject *module);
int gy_add_device_array(PyObject *module);
int gy_add_device_plan(PyObject *module);
int gy_add_device_bound(PyObject *module);
int gy_add_graph(PyObject *module);

/* machine.c */
PyObject *gy_topology_py(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *gy_set_topology_py(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *gy_host_key(PyObject *module, PyObject *unused);

#endif
