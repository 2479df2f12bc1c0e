/* Running a packed frame: on which threads, and with or without the GIL.
 *
 * Each plan carries a running estimate of the nanoseconds per work item.  Giving up the GIL costs
 * up to 26 us beside a busy Python thread and a hand-over to a worker a few us, so short launches
 * stay on the calling thread with the GIL held; a launch whose cost is not known yet starts small
 * and looks at the clock. */
#include <pthread.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "native.h"

#include "clock.h"
#include "pool.h"
#include "scratch.h"

enum {
    UNTIMED_NS = 2 * 1000, /* two clock reads cost 40 ns: below this only some launches are timed */
    TIME_EVERY = 16,
    SUSPECT_RATIO = 4,
};

typedef struct released {
    PyThreadState *state;
} released;

/* Python runs signal handlers on its main thread alone, so no other thread need stop to ask.  (Nor
 * may a daemon thread touch the interpreter while workers use its stack: a finalizing interpreter
 * ends such a thread on the spot.) */
static int handles_signals(void)
{
#if defined(__linux__)
    return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
    return pthread_main_np();
#else
    return 1;
#endif
}

/* Called without the GIL about every 50 ms: runs Python's signal handlers. */
static int poll_signals(void *context)
{
    released *here = context;
    PyEval_RestoreThread(here->state);
    int raised = PyErr_Occurred() != NULL || PyErr_CheckSignals() < 0;
    here->state = PyEval_SaveThread();
    return raised;
}

/* Follows the cost of a plan.  One sample far above the estimate may be a preempted thread, so it
 * takes a second one to believe it. */
void gy_learn(GyPlan *plan, double ns, double items)
{
    double sample = ns / items;
    if (!plan->measured) {
        plan->ns_per_item = sample;
        plan->measured = 1;
    } else if (sample > plan->ns_per_item * SUSPECT_RATIO) {
        if (plan->suspect > 0) {
            plan->ns_per_item = sample < plan->suspect ? sample : plan->suspect;
            plan->suspect = 0;
        } else {
            plan->suspect = sample;
        }
    } else {
        plan->suspect = 0;
        plan->ns_per_item += (sample - plan->ns_per_item) / 4;
    }
}

static void *take_scratch(const GyPlan *plan, gy_scratch **here)
{
    *here = gy_scratch_here();
    void *scratch = *here == NULL ? NULL : gy_scratch_take(*here, plan->scratch_bytes);
    if (scratch == NULL)
        PyErr_NoMemory();
    return scratch;
}

/* With the GIL held: the whole launch when its cost is known to be small, else items in doubling
 * steps until GY_KEEP_GIL_NS have passed.  Returns how far it came, or -1. */
static int64_t run_held(GyPlan *plan, const gy_frame *frame, int64_t items)
{
    gy_scratch *here = NULL;
    void *scratch = NULL;
    if (plan->scratch_bytes > 0 && (scratch = take_scratch(plan, &here)) == NULL)
        return -1;
    int64_t done = 0;
    if (plan->measured) {
        int timed = plan->ns_per_item * (double)items > UNTIMED_NS || plan->suspect > 0 ||
                    ++plan->runs % TIME_EVERY == 0;
        int64_t began = timed ? gy_now_ns() : 0;
        plan->entry(frame, 0, items, scratch);
        if (timed)
            gy_learn(plan, (double)(gy_now_ns() - began), (double)items);
        done = items;
    } else {
        int64_t began = gy_now_ns(), took = 0;
        for (int64_t step = 1; done < items && took < GY_KEEP_GIL_NS; step *= 2) {
            int64_t stop = items - done > step ? done + step : items;
            plan->entry(frame, done, stop, scratch);
            done = stop;
            took = gy_now_ns() - began;
        }
        gy_learn(plan, (double)took, (double)done);
    }
    if (here != NULL)
        gy_scratch_give(here, scratch);
    return done;
}

int gy_run_work(gy_work *work, gy_outcome *outcome)
{
    released here;
    work->poll = handles_signals() ? poll_signals : NULL;
    work->poll_context = &here;
    here.state = PyEval_SaveThread();
    gy_status status = gy_pool_run(work, outcome);
    PyEval_RestoreThread(here.state);
    if (status == GY_NO_MEMORY)
        PyErr_NoMemory();
    else if (status == GY_FORKED && !PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError,
                        "the process was forked in the middle of this launch; its result in the child is incomplete");
    return PyErr_Occurred() ? -1 : 0;
}

static int run_released(GyPlan *plan, const gy_frame *frame, int64_t begin, int64_t end, int threads)
{
    gy_outcome outcome;
    gy_work work = {
        .entry = plan->entry,
        .frame = frame,
        .begin = begin,
        .end = end,
        .scratch_bytes = plan->scratch_bytes,
        .ns_per_item = plan->ns_per_item,
        .threads = threads,
    };
    int result = gy_run_work(&work, &outcome);
    if (outcome.items > 0)
        gy_learn(plan, (double)outcome.busy_ns, (double)outcome.items);
    return result;
}

int gy_run(GyPlan *plan, const gy_frame *frame, int64_t items, int threads)
{
    if (items == 0)
        return 0;
    int64_t done = 0;
    Py_INCREF((PyObject *)plan);
    if (threads <= 1 && plan->ns_per_item * (double)items < GY_KEEP_GIL_NS)
        done = run_held(plan, frame, items);
    int result = done < 0 ? -1 : 0;
    if (done >= 0 && done < items)
        result = run_released(plan, frame, done, items, threads);
    Py_DECREF((PyObject *)plan);
    return result;
}
