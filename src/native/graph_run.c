/* Running a batch: short levels back to back on the calling thread, long ones over the pool.
 *
 * The nodes of a level may run at once. A level worth sharing is cut into slices of about equal cost, over
 * all its nodes, and the slices are what the pool hands out. */
#include "graph.h"

#include "clock.h"
#include "pool.h"
#include "scratch.h"

enum {
    TIME_EVERY = 16,
    SUSPECT_RATIO = 4,
    SLICES_PER_THREAD = 16,
    SHORTEST_SLICE_NS = 4 * 1000, /* below this taking a slice shows */
    ASK_SIGNALS_NS = 10 * 1000 * 1000,
};

typedef struct slice {
    int node;
    int64_t begin, end;
} slice;

typedef struct shared {
    const gy_node *node;
    const slice *slice;
    _Atomic int64_t *took; /* per node */
} shared;

static double cost(const gy_node *node) { return node->plan->ns_per_item * (double)node->items; }

static int is_plain(const gy_node *node) { return node->plan->measured && node->done == NULL && !node->plan->record; }

static int level_begin(const GyGraph *graph, int level) { return level == 0 ? 0 : graph->level_end[level - 1]; }

/* The estimate of a level, or -1 when a node of it is to be run by itself: unmeasured, or with something to
 * say to Python. */
static double level_cost(const GyGraph *graph, int level)
{
    double sum = 0;
    for (int i = level_begin(graph, level); i < graph->level_end[level]; i++) {
        if (!is_plain(&graph->node[i]))
            return -1;
        sum += cost(&graph->node[i]);
    }
    return sum;
}

static void run_node(const gy_node *node, void *scratch, int64_t *took)
{
    int64_t began = took == NULL ? 0 : gy_now_ns();
    if (node->items > 0)
        node->plan->entry(node->frame, 0, node->items, scratch);
    if (took != NULL)
        *took = gy_now_ns() - began;
}

/* The nodes first..last-1 without the GIL, which is taken back now and then to run signal handlers. */
static int run_released(GyGraph *graph, int first, int last, void *scratch, int64_t *took)
{
    double since = 0;
    int failed = 0;
    PyThreadState *state = PyEval_SaveThread();
    for (int i = first; i < last && !failed; i++) {
        run_node(&graph->node[i], scratch, took == NULL ? NULL : &took[i - first]);
        since += cost(&graph->node[i]);
        if (since > ASK_SIGNALS_NS) {
            PyEval_RestoreThread(state);
            failed = PyErr_CheckSignals() < 0;
            state = PyEval_SaveThread();
            since = 0;
        }
    }
    PyEval_RestoreThread(state);
    return failed ? -1 : 0;
}

static void learn_all(GyGraph *graph, int first, int last, const int64_t *took)
{
    for (int i = first; i < last; i++)
        if (graph->node[i].items > 0)
            gy_learn(graph->node[i].plan, (double)took[i - first], (double)graph->node[i].items);
}

/* Short levels, one node after another on this thread. */
static int run_here(GyGraph *graph, int first, int last, double estimate)
{
    int64_t few[32], *took = NULL;
    gy_scratch *here = NULL;
    void *scratch = NULL;
    int result = 0, timed = graph->suspect || ++graph->runs % TIME_EVERY == 0;
    if (timed)
        took = last - first <= 32 ? few : PyMem_Malloc((size_t)(last - first) * sizeof *took);
    if (graph->scratch_bytes > 0 && (here = gy_scratch_here()) != NULL)
        scratch = gy_scratch_take(here, graph->scratch_bytes);
    if ((timed && took == NULL) || (graph->scratch_bytes > 0 && scratch == NULL)) {
        PyErr_NoMemory();
        result = -1;
    } else {
        int64_t began = gy_now_ns();
        if (estimate < GY_KEEP_GIL_NS) {
            for (int i = first; i < last; i++)
                run_node(&graph->node[i], scratch, took == NULL ? NULL : &took[i - first]);
        } else {
            result = run_released(graph, first, last, scratch, took);
        }
        graph->suspect = (double)(gy_now_ns() - began) > estimate * SUSPECT_RATIO && !timed;
        if (took != NULL && result == 0)
            learn_all(graph, first, last, took);
    }
    if (scratch != NULL)
        gy_scratch_give(here, scratch);
    if (took != few)
        PyMem_Free(took);
    return result;
}

static void GY_ABI run_slices(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    const shared *all = (const void *)frame;
    for (int64_t k = begin; k < end; k++) {
        const slice *part = &all->slice[k];
        const gy_node *node = &all->node[part->node];
        int64_t began = gy_now_ns();
        node->plan->entry(node->frame, part->begin, part->end, scratch);
        atomic_fetch_add_explicit(&all->took[part->node], gy_now_ns() - began, memory_order_relaxed);
    }
}

/* How many slices a node is cut into. */
static int64_t parts_of(const gy_node *node, double slice_ns)
{
    double parts = cost(node) / slice_ns + 1;
    return parts < (double)node->items ? (int64_t)parts : node->items;
}

static int64_t cut(const gy_node *node, int number, double slice_ns, slice *out)
{
    int64_t parts = parts_of(node, slice_ns), each = parts == 0 ? 0 : node->items / parts;
    int64_t rest = parts == 0 ? 0 : node->items % parts, begin = 0;
    for (int64_t k = 0; k < parts; k++) {
        int64_t end = begin + each + (k < rest);
        out[k] = (slice){.node = number, .begin = begin, .end = end};
        begin = end;
    }
    return parts;
}

/* A level of several nodes that is worth more than one thread. */
static int run_shared(GyGraph *graph, int first, int last, double total)
{
    double slice_ns = total / ((double)gy_pool_threads() * SLICES_PER_THREAD);
    if (slice_ns < SHORTEST_SLICE_NS)
        slice_ns = SHORTEST_SLICE_NS;
    int64_t count = 0;
    for (int i = first; i < last; i++)
        count += parts_of(&graph->node[i], slice_ns);
    size_t nodes = (size_t)(last - first);
    _Atomic int64_t *took = PyMem_Calloc(nodes, sizeof *took);
    slice *slices = PyMem_Malloc((size_t)(count + 1) * sizeof *slices);
    int result = -1;
    if (took == NULL || slices == NULL) {
        PyErr_NoMemory();
    } else {
        slice *next = slices;
        for (int i = first; i < last; i++)
            next += cut(&graph->node[i], i - first, slice_ns, next);
        shared all = {.node = &graph->node[first], .slice = slices, .took = took};
        gy_work work = {
            .entry = run_slices,
            .frame = (const gy_frame *)&all,
            .begin = 0,
            .end = count,
            .scratch_bytes = graph->scratch_bytes,
            .ns_per_item = total / (double)(count > 0 ? count : 1),
        };
        gy_outcome outcome;
        result = gy_run_work(&work, &outcome);
        for (int i = first; i < last && outcome.items == count; i++)
            if (graph->node[i].items > 0)
                gy_learn(graph->node[i].plan, (double)took[i - first], (double)graph->node[i].items);
    }
    PyMem_Free((void *)took);
    PyMem_Free(slices);
    return result;
}

/* The nodes of a level as launches of their own. */
static int run_singly(GyGraph *graph, int first, int last)
{
    for (int i = first; i < last; i++) {
        gy_node *node = &graph->node[i];
        if (gy_run(node->plan, node->frame, node->items, 0) < 0)
            return -1;
        if (node->done != NULL) {
            PyObject *answer = PyObject_CallNoArgs(node->done);
            if (answer == NULL)
                return -1;
            Py_DECREF(answer);
        }
    }
    return 0;
}

int gy_graph_run(GyGraph *graph)
{
    int level = 0;
    while (level < graph->level_count) {
        int first = level_begin(graph, level), last = first;
        double sum = 0, next = 0;
        for (; level < graph->level_count; level++) {
            next = level_cost(graph, level);
            if (next < 0 || next >= GY_KEEP_GIL_NS)
                break;
            sum += next;
            last = graph->level_end[level];
        }
        if (last > first && run_here(graph, first, last, sum) < 0)
            return -1;
        if (level == graph->level_count)
            break;
        first = last;
        last = graph->level_end[level++];
        int failed = next < 0 || last - first == 1 ? run_singly(graph, first, last)
                                                   : run_shared(graph, first, last, next);
        if (failed < 0)
            return -1;
    }
    return 0;
}
