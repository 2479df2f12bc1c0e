/* The mail of a system of actors: its arena, its loops, and their commands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actor.h"

enum { SLICE_NS = 50 * 1000 * 1000, GRACE_NS = 1000 * 1000 * 1000, LAST_GRACE_NS = 200 * 1000 * 1000 };

PyTypeObject *GyMailType;

gy_mail *gy_mail_shut(GyMail *mail)
{
    if (mail->core == NULL || atomic_load(&mail->core->shut) == GY_CLOSED)
        PyErr_SetString(gy_actor_error_of(GY_ERROR_STATE), "the system of actors is closed");
    else
        PyErr_SetString(gy_actor_error_of(GY_ERROR_STATE),
                        "the system of actors belongs to the process that this one was forked from; make one here");
    return NULL;
}

/* An arena's buffer; -1 with an exception. */
static int take_arena(PyObject *arena, Py_buffer *view)
{
    if (PyObject_GetBuffer(arena, view, PyBUF_WRITABLE) < 0)
        return view->obj = NULL, -1;
    const char *refusal = gy_mail_refusal(view->buf, (size_t)view->len / sizeof(uint32_t));
    if (refusal == NULL)
        return 0;
    PyErr_SetString(PyExc_ValueError, refusal);
    PyBuffer_Release(view);
    return -1;
}

static PyObject *mail_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"arena", "route", "shared", NULL};
    PyObject *arena;
    unsigned int route = 0;
    int shared = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|Ip:Mail", names, &arena, &route, &shared))
        return NULL;
    if (shared && !gy_futex_shares())
        return PyErr_Format(PyExc_OSError, "processes cannot wait for one another's memory on this system");
    GyMail *self = (GyMail *)PyType_GenericAlloc(type, 0);
    if (self != NULL && take_arena(arena, &self->view) == 0) {
        uint32_t *words = self->view.buf;
        if (route != 0)
            words[SYS_ROUTE] = route;
        self->core = gy_mail_new(words, shared);
        if (self->core == NULL)
            PyErr_NoMemory();
    }
    if (self != NULL && self->core == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void release_past(GyMail *self)
{
    for (int i = 0; i < self->past_count; i++)
        PyBuffer_Release(&self->past[i]);
    PyMem_Free(self->past);
    self->past = NULL;
    self->past_count = 0;
}

void gy_mail_leave(GyMail *mail)
{
    if (atomic_fetch_sub(&mail->inside, 1) == 1 && mail->past_count > 0)
        release_past(mail);
}

static PyObject *mail_rebind(PyObject *object, PyObject *arena)
{
    GyMail *self = (GyMail *)object;
    gy_mail *core = gy_mail_open(self);
    Py_buffer view;
    if (core == NULL || take_arena(arena, &view) < 0)
        return NULL;
    const uint32_t *words = view.buf;
    Py_buffer *past = PyMem_Realloc(self->past, ((size_t)self->past_count + 1) * sizeof *past);
    int done = 0;
    if (past == NULL) {
        PyErr_NoMemory();
    } else if ((self->past = past, core->started)) {
        PyErr_SetString(gy_actor_error_of(GY_ERROR_STATE), "the loops run; stop them before their arena is replaced");
    } else if (words[SYS_WORKERS] != core->workers || words[SYS_PRIORITIES] != core->priorities ||
               words[SYS_CELLS] != core->cells || words[SYS_CAPACITY] < core->capacity) {
        PyErr_SetString(PyExc_ValueError, "an arena is replaced by one of as many workers, priorities and reply cells, "
                                          "and no fewer slots");
    } else if (gy_mail_rebind(core, view.buf) < 0) {
        PyErr_NoMemory();
    } else {
        done = 1;
    }
    if (!done) {
        PyBuffer_Release(&view);
        return NULL;
    }
    past[self->past_count++] = self->view;
    self->view = view;
    if (atomic_load(&self->inside) == 0)
        release_past(self);
    Py_RETURN_NONE;
}

static void free_workers(gy_mail *core)
{
    for (uint32_t w = 0; w < core->workers; w++) {
        gy_actor_worker *worker = &core->worker[w];
        /* A thread that never came back still runs on these. */
        if (atomic_load(&worker->news->stage) != GY_AWAY)
            continue;
        free(worker->frame);
        free(worker->scratch);
        worker->frame = NULL;
        worker->scratch = NULL;
    }
}

/* Ends the threads; whether all ended.  Lets go of what they ran on when they did. */
static int finish(GyMail *self, int64_t grace_ns, int polls)
{
    gy_mail *core = self->core;
    int64_t until = grace_ns == INT64_MAX ? INT64_MAX : gy_now_ns() + grace_ns;
    int ended = 0, interrupted = 0, aborted = 0;
    if (core->remote) {
        gy_mail_attend(core, 0);
        return 1;
    }
    gy_mail_end(core);
    while (!ended && !interrupted) {
        int64_t left = until - gy_now_ns();
        if (left <= 0 && aborted)
            break;
        if (left <= 0) {
            /* Handlers look at it at each turn of their loops. */
            for (uint32_t w = 0; w < core->workers; w++)
                atomic_store(core->worker[w].block + WK_ABORT, 1);
            aborted = 1;
            until = gy_now_ns() + LAST_GRACE_NS;
            continue;
        }
        Py_BEGIN_ALLOW_THREADS
        ended = gy_mail_ended(core, left < SLICE_NS ? left : SLICE_NS);
        Py_END_ALLOW_THREADS
        interrupted = polls && PyErr_CheckSignals() < 0;
    }
    if (interrupted)
        return -1;
    gy_mail_join(core);
    for (uint32_t w = 0; w < core->workers; w++)
        if (atomic_load(&core->worker[w].news->stage) == GY_AWAY)
            gy_set(core->worker[w].block + WK_ABORT, 0);
    free_workers(core);
    if (ended)
        Py_CLEAR(self->keep);
    return ended;
}

static void mail_dealloc(PyObject *object)
{
    GyMail *self = (GyMail *)object;
    PyTypeObject *type = Py_TYPE(object);
    gy_mail *core = self->core;
    int leaked = 0;
    if (core != NULL) {
        int ours = atomic_load(&core->shut) != GY_FORKED_CHILD;
        if (core->started && ours && !core->leaked)
            finish(self, GRACE_NS, 0);
        leaked = core->leaked || (core->started && !ours);
        gy_mail_free(core);
    }
    Py_XDECREF(self->accepts);
    Py_XDECREF(self->home);
    if (!leaked) {
        release_past(self);
        Py_XDECREF(self->keep);
        if (self->view.obj != NULL)
            PyBuffer_Release(&self->view);
    }
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* (code, frame, scratch bytes) */
static int take_worker(gy_actor_worker *worker, PyObject *given)
{
    PyObject *code;
    Py_buffer frame;
    Py_ssize_t scratch;
    if (!PyTuple_Check(given) ||
        !PyArg_ParseTuple(given, "O!y*n;a worker is (code, frame, scratch bytes)", GyCodeType, &code, &frame, &scratch)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a worker is (code, frame, scratch bytes)");
        return -1;
    }
    int failed = 0;
    if ((size_t)frame.len < sizeof(gy_frame) || scratch < 0) {
        PyErr_Format(PyExc_ValueError, "a frame has %zu bytes and more, not %zd", sizeof(gy_frame), frame.len);
        failed = 1;
    } else {
        worker->entry = gy_code_entry(code);
        worker->frame = malloc((size_t)frame.len);
        if (worker->frame == NULL || posix_memalign(&worker->scratch, 64, (size_t)scratch + 64) != 0) {
            PyErr_NoMemory();
            failed = 1;
        } else {
            memcpy(worker->frame, frame.buf, (size_t)frame.len);
        }
    }
    PyBuffer_Release(&frame);
    return failed ? -1 : 0;
}

static int take_workers(gy_mail *core, PyObject *workers)
{
    Py_ssize_t count = PyTuple_Size(workers);
    if (count != (Py_ssize_t)core->workers) {
        PyErr_Format(PyExc_ValueError, "the arena has %u workers, and %zd were given", core->workers, count);
        return -1;
    }
    for (uint32_t w = 0; w < core->workers; w++)
        if (take_worker(&core->worker[w], PyTuple_GetItem(workers, w)) < 0)
            return -1;
    return 0;
}

static int seconds_as_ms(PyObject *value, uint64_t *ms)
{
    int64_t ns = gy_seconds(value);
    *ms = ns == INT64_MAX ? UINT64_MAX / 2 : (uint64_t)ns / 1000000;
    return ns < 0 ? -1 : 0;
}

static PyObject *mail_start(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"workers", "keep", "spin_us", "stall", "hang_after", "ticker", "pin", NULL};
    GyMail *self = (GyMail *)object;
    PyObject *workers, *keep = Py_None, *stall = NULL, *hang = Py_None, *tuple, *result = NULL;
    double spin = 50;
    int ticker = 1, pin = 0;
    gy_options options = {0};
    gy_mail *core = gy_mail_open(self);
    if (core == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|O$dOOpp:start", names, &workers, &keep, &spin,
                                                     &stall, &hang, &ticker, &pin))
        return NULL;
    options = (gy_options){.spin_ns = (int64_t)(spin * 1e3), .stall_ms = 1000, .ticker = ticker, .pin = pin};
    if ((stall != NULL && seconds_as_ms(stall, &options.stall_ms) < 0) ||
        (hang != Py_None && seconds_as_ms(hang, &options.hang_ms) < 0))
        return NULL;
    if (core->started)
        return PyErr_Format(gy_actor_error_of(GY_ERROR_STATE), "the loops run already");
    if (core->leaked)
        return PyErr_Format(gy_actor_error_of(GY_ERROR_STATE), "a loop of this arena never came back; make another");
    if ((tuple = PySequence_Tuple(workers)) == NULL)
        return NULL;
    if (take_workers(core, tuple) == 0) {
        Py_XDECREF(self->keep);
        self->keep = Py_BuildValue("OO", tuple, keep);
        gy_mail_command(core, NONE, RUN);
        int error = gy_mail_start(core, &options);
        if (error == 0) {
            gy_mail_freeze(core, 0);
            Py_INCREF(Py_None);
            result = Py_None;
        } else {
            finish(self, GRACE_NS, 0);
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
        }
    } else {
        free_workers(core);
    }
    Py_DECREF(tuple);
    return result;
}

static PyObject *mail_attend(PyObject *object, PyObject *runs)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    int yes = PyObject_IsTrue(runs);
    if (core == NULL || yes < 0)
        return NULL;
    if (!core->shared || (yes && core->started))
        return PyErr_Format(gy_actor_error_of(GY_ERROR_STATE), "loops run in another process where the arena is "
                                                               "shared, and only once at a time");
    gy_mail_attend(core, yes);
    Py_RETURN_NONE;
}

static PyObject *mail_stop(PyObject *object, PyObject *args)
{
    GyMail *self = (GyMail *)object;
    PyObject *timeout = Py_None;
    gy_mail *core = gy_mail_open(self);
    if (core == NULL || !PyArg_ParseTuple(args, "|O:stop", &timeout))
        return NULL;
    int64_t grace = gy_seconds(timeout);
    if (grace < 0)
        return NULL;
    if (!core->started)
        Py_RETURN_TRUE;
    int ended = finish(self, grace, 1);
    return ended < 0 ? NULL : PyBool_FromLong(ended);
}

static PyObject *mail_renew(PyObject *object, PyObject *unused)
{
    GyMail *self = (GyMail *)object;
    gy_mail *core = gy_mail_open(self);
    (void)unused;
    if (core == NULL)
        return NULL;
    if (!core->leaked)
        Py_RETURN_NONE;
    if (gy_mail_renew(core) < 0)
        return PyErr_NoMemory();
    /* What a thread runs on that never came back is never let go: its code, its memory, its arena. */
    self->keep = NULL;
    Py_XINCREF(self->view.obj);
    Py_RETURN_NONE;
}

static PyObject *mail_close(PyObject *object, PyObject *unused)
{
    GyMail *self = (GyMail *)object;
    gy_mail *core = self->core;
    (void)unused;
    if (core != NULL && atomic_load(&core->shut) == GY_OPEN) {
        if (core->started && !core->leaked && finish(self, GRACE_NS, 1) < 0)
            return NULL;
        gy_cell_end_all(core, REPLY_LOST);
        atomic_store(&core->shut, GY_CLOSED);
    }
    Py_RETURN_NONE;
}

static PyObject *mail_number(PyObject *object, PyObject *args)
{
    PyObject *type;
    int number;
    if (!PyArg_ParseTuple(args, "O!i:number", &PyType_Type, &type, &number))
        return NULL;
    const gy_layout *layout = gy_layout_of_type((PyTypeObject *)type);
    if (layout == NULL || number < 1 || number >= GY_TYPE_NUMBERS)
        return PyErr_Format(PyExc_ValueError, "%R is no message type, or its number %d is not from 1 to %d", type,
                            number, GY_TYPE_NUMBERS - 1);
    ((GyMail *)object)->reply[number] = layout;
    Py_RETURN_NONE;
}

static long number_of(const GyMail *mail, const gy_layout *layout)
{
    for (long number = 1; number < GY_TYPE_NUMBERS; number++)
        if (mail->reply[number] == layout)
            return number;
    return 0;
}

PyObject *gy_mail_accepts(GyMail *mail, PyObject *given)
{
    PyObject *made = NULL, *types, *type;
    if (PyObject_TypeCheck(given, GyAcceptsType)) {
        Py_INCREF(given);
        return given;
    }
    if (mail->accepts == NULL && (mail->accepts = PyDict_New()) == NULL)
        return NULL;
    made = PyDict_GetItemWithError(mail->accepts, given);
    if (made != NULL || PyErr_Occurred()) {
        Py_XINCREF(made);
        return made;
    }
    if ((types = PyObject_GetIter(given)) == NULL)
        return NULL;
    made = PyType_GenericAlloc(GyAcceptsType, 0);
    while (made != NULL && (type = PyIter_Next(types)) != NULL) {
        const gy_layout *layout = PyType_Check(type) ? gy_layout_of_type((PyTypeObject *)type) : NULL;
        long number = layout == NULL ? 0 : number_of(mail, layout);
        if (number == 0)
            PyErr_Format(PyExc_ValueError, "%R has no number in this system", type);
        if (number == 0 || gy_accepts_add((GyAccepts *)made, (PyObject *)layout->type, number) < 0)
            Py_CLEAR(made);
        Py_DECREF(type);
    }
    Py_DECREF(types);
    if (made != NULL && (PyErr_Occurred() || PyDict_SetItem(mail->accepts, given, made) < 0))
        Py_CLEAR(made);
    return made;
}

static PyObject *mail_clock(PyObject *object, void *unused)
{
    (void)unused;
    gy_mail *core = gy_mail_open((GyMail *)object);
    return core == NULL ? NULL : PyLong_FromUnsignedLongLong(core->clock);
}

static int mail_set_clock(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    gy_mail *core = gy_mail_open((GyMail *)object);
    uint64_t clock = value == NULL ? 0 : PyLong_AsUnsignedLongLong(value);
    if (core == NULL || (clock == UINT64_MAX && PyErr_Occurred()))
        return -1;
    gy_mail_lock(&core->lock);
    if (clock > core->clock)
        core->clock = clock;
    gy_mail_unlock(&core->lock);
    return 0;
}

static PyObject *mail_running(PyObject *object, void *unused)
{
    (void)unused;
    const gy_mail *core = ((GyMail *)object)->core;
    return PyBool_FromLong(core != NULL && core->started && atomic_load(&core->shut) == GY_OPEN);
}

static PyObject *mail_route(PyObject *object, void *unused)
{
    (void)unused;
    gy_mail *core = gy_mail_open((GyMail *)object);
    return core == NULL ? NULL : PyLong_FromUnsignedLong(core->route);
}

static PyGetSetDef mail_getset[] = {
    {"clock", mail_clock, mail_set_clock, "The last clock stamp given out; may be set forward.", NULL},
    {"route", mail_route, NULL, "The number of the system in references.", NULL},
    {"running", mail_running, NULL, "Whether loops were started and not all stopped.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef mail_methods[] = {
    {"start", (PyCFunction)(void (*)(void))mail_start, METH_VARARGS | METH_KEYWORDS, NULL},
    {"stop", mail_stop, METH_VARARGS, NULL},
    {"attend", mail_attend, METH_O, NULL},
    {"close", mail_close, METH_NOARGS, NULL},
    {"rebind", mail_rebind, METH_O, NULL},
    {"renew", mail_renew, METH_NOARGS, NULL},
    {"number", mail_number, METH_VARARGS, NULL},
    {"ask_poll", gy_mail_ask_poll, METH_O, NULL},
    {"ask_end", gy_mail_ask_end, METH_O, NULL},
    {"ask_drop", gy_mail_ask_drop, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot mail_slots[] = {
    {Py_tp_doc, "The host's end of one system of actors: lanes, reply cells, events and worker threads."},
    {Py_tp_new, mail_new},
    {Py_tp_dealloc, mail_dealloc},
    {Py_tp_methods, mail_methods},
    {Py_tp_getset, mail_getset},
    {0, NULL},
};

static PyType_Spec mail_spec = {
    .name = "gyral._native.Mail",
    .basicsize = sizeof(GyMail),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = mail_slots,
};

/* The rest of the methods stand in files of their own. */
static int add_methods(PyMethodDef *methods)
{
    for (PyMethodDef *each = methods; each->ml_name != NULL; each++) {
        PyObject *method = PyDescr_NewMethod(GyMailType, each);
        int failed = method == NULL || PyObject_SetAttrString((PyObject *)GyMailType, each->ml_name, method) < 0;
        Py_XDECREF(method);
        if (failed)
            return -1;
    }
    return 0;
}

int gy_add_mail(PyObject *module)
{
    GyMailType = (PyTypeObject *)PyType_FromSpec(&mail_spec);
    if (GyMailType == NULL || add_methods(gy_mail_host_methods) < 0)
        return -1;
    PyObject *home = PyDescr_NewGetSet(GyMailType, &gy_mail_home_getset);
    int failed = home == NULL || PyObject_SetAttrString((PyObject *)GyMailType, "home", home) < 0;
    Py_XDECREF(home);
    if (failed)
        return -1;
    return PyModule_AddObjectRef(module, "Mail", (PyObject *)GyMailType);
}
