/* The launches of one batch on the CPU, and running them. */
#ifndef GYRAL_GRAPH_H
#define GYRAL_GRAPH_H

#include "native.h"

/* One launch, checked and packed. `done`, when given, is called behind it with the GIL held. `keep` is what its
 * arguments point into. */
typedef struct gy_node {
    GyPlan *plan;
    gy_frame *frame;
    int64_t items;
    Py_buffer record;
    PyObject *done, *keep;
} gy_node;

/* Nodes stand in levels: those of one level are independent of each other and wait for the levels before. */
typedef struct GyGraph {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    gy_node *node;
    int count;
    int *level_end; /* one past the last node of each level */
    int level_count;
    size_t scratch_bytes; /* the most that any node asks for */
    unsigned runs;
    int suspect; /* the last run took far longer than its estimate, so the next one times each node */
    int running;
} GyGraph;

/* Runs all nodes; with the GIL held on entry and return. -1 with an exception set. */
int gy_graph_run(GyGraph *graph);

#endif
