/* Waiting for a device: its driver is asked again and again, without the GIL, and signals are heard. */
#include <sched.h>
#include <time.h>

#include "device.h"

#include "clock.h"

enum {
    SPIN_NS = 20 * 1000,          /* about what a short kernel takes: no other thread is let in */
    YIELD_NS = 200 * 1000,        /* below this the CPU is only offered to others */
    LONGEST_NAP_NS = 500 * 1000,  /* naps grow with the time waited, so that they add three percent at most */
    SIGNALS_NS = 50 * 1000 * 1000 /* between looks for Ctrl-C */
};

static void pause_after(int64_t waited)
{
    if (waited < SPIN_NS)
        return;
    if (waited < YIELD_NS) {
        sched_yield();
        return;
    }
    int64_t nap = waited / 32;
    struct timespec request = {0, nap < LONGEST_NAP_NS ? nap : LONGEST_NAP_NS};
    nanosleep(&request, NULL);
}

/* Asks until the answer is not `pending`, or until the clock shows `until`. */
static int ask(gy_query query, void *handle, int pending, int64_t began, int64_t until)
{
    for (;;) {
        int code = query(handle);
        int64_t now = gy_now_ns();
        if (code != pending || now >= until)
            return code;
        pause_after(now - began);
    }
}

PyObject *gy_await_py(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"query", "handle", "pending", "seconds", NULL};
    unsigned long long query, handle;
    int pending;
    PyObject *seconds = Py_None;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KKi|O:await_device", names, &query, &handle, &pending, &seconds))
        return NULL;
    double limit = seconds == Py_None ? -1 : PyFloat_AsDouble(seconds);
    if (PyErr_Occurred())
        return NULL;
    gy_query ask_driver = (gy_query)(uintptr_t)query;
    void *of = (void *)(uintptr_t)handle;
    int code = ask_driver(of);
    int64_t began = gy_now_ns();
    int64_t end = seconds == Py_None || limit > 9e9 ? INT64_MAX : began + (int64_t)((limit > 0 ? limit : 0) * 1e9);
    while (code == pending && gy_now_ns() < end) {
        int64_t slice = gy_now_ns() + SIGNALS_NS, until = slice < end ? slice : end;
        Py_BEGIN_ALLOW_THREADS
        code = ask(ask_driver, of, pending, began, until);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0)
            return NULL;
    }
    return PyLong_FromLong(code);
}
