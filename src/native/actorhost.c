/* What a host does with a running system: pause, watch, wait for events, and serve batched devices. */
#include <string.h>

#include "actor.h"

enum { SLICE_NS = 50 * 1000 * 1000, LONG_SLICE_NS = 400 * 1000 * 1000 };

static uint32_t worker_of(gy_mail *core, PyObject *value)
{
    if (value == NULL || value == Py_None)
        return NONE;
    long worker = PyLong_AsLong(value);
    if (worker >= 0 && worker < (long)core->workers)
        return (uint32_t)worker;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "there is no worker %ld among %u", worker, core->workers);
    return NONE;
}

/* Waits, in slices, without the GIL; 1 when they stand, 0 when time is up, -1 with an exception. */
static int wait_standing(gy_mail *core, uint32_t worker, int64_t timeout)
{
    int64_t until = timeout == INT64_MAX ? INT64_MAX : gy_now_ns() + timeout;
    for (;;) {
        int64_t left = until - gy_now_ns();
        int standing;
        Py_BEGIN_ALLOW_THREADS
        standing = gy_mail_standing(core, worker, left < SLICE_NS ? left : SLICE_NS);
        Py_END_ALLOW_THREADS
        if (standing)
            return 1;
        if (PyErr_CheckSignals() < 0)
            return -1;
        if (left <= 0)
            return 0;
    }
}

static PyObject *mail_pause(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *timeout = Py_None, *which = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "|OO:pause", &timeout, &which))
        return NULL;
    int64_t ns = gy_seconds(timeout);
    uint32_t worker = worker_of(core, which);
    if (ns < 0 || PyErr_Occurred())
        return NULL;
    if (which == Py_None)
        gy_mail_freeze(core, 1);
    gy_mail_command(core, worker, YIELD);
    int standing = wait_standing(core, worker, ns);
    return standing < 0 ? NULL : PyBool_FromLong(standing);
}

static PyObject *mail_resume(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *which = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "|O:resume", &which))
        return NULL;
    uint32_t worker = worker_of(core, which);
    if (PyErr_Occurred())
        return NULL;
    gy_mail_command(core, worker, RUN);
    if (which == Py_None)
        gy_mail_freeze(core, 0);
    Py_RETURN_NONE;
}

static PyObject *mail_abort(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *which, *timeout = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "O|O:abort", &which, &timeout))
        return NULL;
    int64_t ns = gy_seconds(timeout);
    uint32_t worker = worker_of(core, which);
    if (ns < 0 || PyErr_Occurred())
        return NULL;
    if (worker == NONE)
        return PyErr_Format(PyExc_TypeError, "abort takes the number of a worker");
    gy_word *block = core->worker[worker].block;
    uint32_t before = atomic_load(block + WK_COMMAND);
    /* The next handler must not find the word set: the worker stands before it is cleared. */
    gy_mail_command(core, worker, YIELD);
    atomic_store(block + WK_ABORT, 1);
    int standing = wait_standing(core, worker, ns);
    if (standing == 1) {
        atomic_store(block + WK_ABORT, 0);
        if (before == RUN)
            gy_mail_command(core, worker, RUN);
    }
    return standing < 0 ? NULL : PyBool_FromLong(standing);
}

static PyObject *mail_wake(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *which = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "|O:wake", &which))
        return NULL;
    uint32_t worker = worker_of(core, which);
    if (PyErr_Occurred())
        return NULL;
    gy_mail_barrier(core);
    for (uint32_t w = 0; w < core->workers; w++)
        if (worker == NONE || worker == w)
            gy_mail_wake(core, w);
    Py_RETURN_NONE;
}

static PyObject *mail_tick(PyObject *object, PyObject *now)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    unsigned long long ms = PyLong_AsUnsignedLongLong(now);
    if (core == NULL || (ms == (unsigned long long)-1 && PyErr_Occurred()))
        return NULL;
    if (core->ticking || core->remote)
        return PyErr_Format(gy_actor_error_of(GY_ERROR_STATE), "a ticker publishes the time of this system");
    /* From now on time is what it is told. */
    if (!core->manual)
        atomic_store(&core->now_ms, 0);
    core->manual = 1;
    gy_mail_tick(core, ms);
    Py_RETURN_NONE;
}

static PyObject *mail_workers(PyObject *object, PyObject *unused)
{
    static const char *const stages[] = {"away", "running", "standing", "ended", "given up"};
    gy_mail *core = gy_mail_open((GyMail *)object);
    (void)unused;
    PyObject *all = core == NULL ? NULL : PyList_New(core->workers);
    for (uint32_t w = 0; all != NULL && w < core->workers; w++) {
        gy_actor_worker *worker = &core->worker[w];
        uint32_t stage = atomic_load(&worker->news->stage), parked = gy_get(worker->block + WK_PARKED);
        PyObject *row = Py_BuildValue(
            "{s:s,s:I,s:N,s:I,s:I}", "stage", stage == GY_RUNNING && parked ? "parked" : stages[stage], "parks",
            atomic_load(&worker->news->parks), "hung", PyBool_FromLong(atomic_load(&worker->news->hung) != 0),
            "hangs", atomic_load(&worker->news->hangs), "stalls", atomic_load(&worker->news->stalls));
        if (row == NULL || PyList_SetItem(all, w, row) < 0)
            Py_CLEAR(all);
    }
    return all;
}

/* Events. */

static PyObject *mail_wait_events(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *timeout = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "|O:wait_events", &timeout))
        return NULL;
    int64_t ns = gy_seconds(timeout);
    if (ns < 0)
        return NULL;
    int64_t until = ns == INT64_MAX ? INT64_MAX : gy_now_ns() + ns, slice = SLICE_NS;
    for (;;) {
        int64_t left = until - gy_now_ns();
        uint32_t rung;
        Py_BEGIN_ALLOW_THREADS
        rung = gy_mail_listen(core, left < slice ? left : slice);
        Py_END_ALLOW_THREADS
        slice = slice < LONG_SLICE_NS ? 2 * slice : LONG_SLICE_NS; /* who waits for long shall cost little */
        if (rung == 0 && PyErr_CheckSignals() < 0)
            return NULL;
        if (rung != 0 || left <= 0 || atomic_load(&core->shut) != GY_OPEN)
            return PyLong_FromUnsignedLong(rung);
    }
}

static PyObject *event_tuple(const gy_mail *core, const uint32_t *entry)
{
    const uint32_t *message = entry + EV_MESSAGE;
    uint32_t kind = message[KIND];
    size_t words = (kind & EXTENDED ? EXTENDED_WORDS : HEADER_WORDS) + (kind >> TYPE_BITS & MAX_PAYLOAD_WORDS);
    size_t most = core->stride + EVENT_HEAD_WORDS - EV_MESSAGE;
    return Py_BuildValue("IIIIy#", entry[EV_CODE], entry[EV_ACTOR], entry[EV_GENERATION], entry[EV_DETAIL],
                         (const char *)message, (Py_ssize_t)((words < most ? words : most) * sizeof *message));
}

static PyObject *mail_take_events(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    Py_ssize_t most = 1024;
    if (core == NULL || !PyArg_ParseTuple(args, "|n:take_events", &most))
        return NULL;
    uint32_t *entry = PyMem_Malloc((core->stride + EVENT_HEAD_WORDS) * sizeof *entry);
    PyObject *all = entry == NULL ? PyErr_NoMemory() : PyList_New(0);
    Py_ssize_t count = 0;
    int found = 1;
    while (all != NULL && found) {
        found = 0;
        for (uint32_t w = 0; all != NULL && w < core->workers && count < most; w++) {
            if (!gy_mail_take_event(core, w, entry))
                continue;
            PyObject *event = event_tuple(core, entry);
            if (event == NULL || PyList_Append(all, event) < 0)
                Py_CLEAR(all);
            Py_XDECREF(event);
            count++;
            found = 1;
        }
    }
    PyMem_Free(entry);
    return all;
}

static PyObject *mail_wake_host(PyObject *object, PyObject *unused)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    (void)unused;
    if (core == NULL)
        return NULL;
    gy_mail_ring(core, GY_RING_HOST);
    Py_RETURN_NONE;
}

static PyObject *mail_deliver(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    Py_buffer view;
    unsigned int priority = 0;
    if (core == NULL || !PyArg_ParseTuple(args, "y*|I:deliver", &view, &priority))
        return NULL;
    const uint32_t *words = view.buf;
    size_t count = (size_t)view.len / sizeof *words, head = HEADER_WORDS;
    int sound = count >= head && (uintptr_t)words % sizeof *words == 0 && priority < core->priorities;
    if (sound && words[KIND] & EXTENDED)
        head = EXTENDED_WORDS;
    sound = sound && count >= head + (words[KIND] >> TYPE_BITS & MAX_PAYLOAD_WORDS) && words[DEST] < core->capacity;
    PyObject *result = NULL;
    if (!sound) {
        PyErr_SetString(PyExc_ValueError, "this is no message for an actor of this system");
    } else {
        gy_letter letter = {.kind = words[KIND] & ~(uint32_t)ASKED,
                            .priority = priority,
                            .source = words[SOURCE],
                            .source_generation = words[GENS] >> 16,
                            .payload = words + head,
                            .bytes = (words[KIND] >> TYPE_BITS & MAX_PAYLOAD_WORDS) * sizeof *words,
                            .extended = head == EXTENDED_WORDS};
        if (letter.extended) {
            letter.deadline_ms = words[DEADLINE_LO] | (uint64_t)words[DEADLINE_HI] << 32;
            letter.key = words[KEY_LO] | (uint64_t)words[KEY_HI] << 32;
        }
        gy_address to = {words[DEST], words[GENS] & 0xFFFF, words[DEST] % core->workers};
        result = PyBool_FromLong(gy_mail_post(core, &to, &letter) == GY_POSTED);
    }
    PyBuffer_Release(&view);
    return result;
}

/* Batched devices: no threads; the host runs supersteps. */

static PyObject *mail_work_pending(PyObject *object, PyObject *unused)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    (void)unused;
    return core == NULL ? NULL : PyBool_FromLong(gy_mail_pending(core));
}

static PyObject *mail_wait_work(PyObject *object, PyObject *args)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    PyObject *timeout = Py_None;
    if (core == NULL || !PyArg_ParseTuple(args, "|O:wait_work", &timeout))
        return NULL;
    int64_t ns = gy_seconds(timeout);
    if (ns < 0)
        return NULL;
    int64_t until = ns == INT64_MAX ? INT64_MAX : gy_now_ns() + ns;
    int pending, woken = 0;
    for (;;) {
        int64_t left = until - gy_now_ns();
        gy_word *parked = core->worker[0].block + WK_PARKED;
        gy_mail_enter((GyMail *)object);
        Py_BEGIN_ALLOW_THREADS
        atomic_store(parked, 1);
        gy_barrier_heavy();
        pending = gy_mail_pending(core);
        if (!pending && left > 0) {
            gy_futex_wait(parked, 1, left < SLICE_NS ? left : SLICE_NS, core->shared);
            woken = atomic_load(parked) == 0;
        }
        atomic_store(parked, 0);
        Py_END_ALLOW_THREADS
        gy_mail_leave((GyMail *)object);
        pending = pending || gy_mail_pending(core);
        if (pending || woken || left <= 0)
            return PyBool_FromLong(pending);
        if (PyErr_CheckSignals() < 0 || gy_mail_open((GyMail *)object) == NULL)
            return NULL;
    }
}

static PyObject *mail_merge_cells(PyObject *object, PyObject *copy)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    Py_buffer view;
    if (core == NULL || PyObject_GetBuffer(copy, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    size_t bytes = (size_t)core->cells * core->cell_words * sizeof(uint32_t);
    int fits = (size_t)view.len >= bytes && (uintptr_t)view.buf % sizeof(uint32_t) == 0;
    if (fits)
        gy_cell_merge(core, view.buf);
    else
        PyErr_Format(PyExc_ValueError, "a copy of the cells has %zu bytes, not %zd", bytes, view.len);
    PyBuffer_Release(&view);
    if (!fits)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *mail_wake_waiters(PyObject *object, PyObject *unused)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    (void)unused;
    if (core == NULL)
        return NULL;
    gy_cell_wake_waiters(core);
    Py_RETURN_NONE;
}

static PyObject *mail_end_asks(PyObject *object, PyObject *unused)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    (void)unused;
    if (core == NULL)
        return NULL;
    gy_cell_end_all(core, REPLY_LOST);
    Py_RETURN_NONE;
}

PyMethodDef gy_mail_host_methods[] = {
    {"pause", mail_pause, METH_VARARGS, NULL},
    {"resume", mail_resume, METH_VARARGS, NULL},
    {"abort", mail_abort, METH_VARARGS, NULL},
    {"wake", mail_wake, METH_VARARGS, NULL},
    {"tick", mail_tick, METH_O, NULL},
    {"workers", mail_workers, METH_NOARGS, NULL},
    {"wait_events", mail_wait_events, METH_VARARGS, NULL},
    {"take_events", mail_take_events, METH_VARARGS, NULL},
    {"wake_host", mail_wake_host, METH_NOARGS, NULL},
    {"deliver", mail_deliver, METH_VARARGS, NULL},
    {"work_pending", mail_work_pending, METH_NOARGS, NULL},
    {"wait_work", mail_wait_work, METH_VARARGS, NULL},
    {"merge_cells", mail_merge_cells, METH_O, NULL},
    {"wake_waiters", mail_wake_waiters, METH_NOARGS, NULL},
    {"end_asks", mail_end_asks, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
