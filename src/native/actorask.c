/* Asking: a message with a reply cell, and waiting for what comes of it. */
#include <sched.h>
#include <time.h>

#include "actor.h"

enum {
    SPIN_HELD_NS = 4 * 1000,      /* about what a reply from a running worker takes, and giving up the GIL costs */
    SPIN_FREE_NS = 80 * 1000,     /* about what waking a thread takes at worst; a second sleep would double it */
    SLICE_NS = 50 * 1000 * 1000,  /* between looks for Ctrl-C */
    FIRST_NAP_NS = 2 * 1000,
    LONGEST_NAP_NS = 1000 * 1000,
};

int64_t gy_seconds(PyObject *value)
{
    if (value == NULL || value == Py_None)
        return INT64_MAX;
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    return seconds > 9e9 ? INT64_MAX : seconds > 0 ? (int64_t)(seconds * 1e9) : 0;
}

static int64_t end_of(double timeout)
{
    return timeout < 0 || timeout > 9e9 ? INT64_MAX : gy_now_ns() + (int64_t)(timeout * 1e9);
}

static PyObject *raise_failed(GyMail *mail, uint32_t site)
{
    PyObject *why = gy_home_why(mail, site);
    PyObject *error = why == NULL ? NULL
                                  : PyObject_CallFunction(gy_actor_error_of(GY_ERROR_HANDLER_FAILED), "OI", why, site);
    if (error != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    Py_XDECREF(why);
    return NULL;
}

static PyObject *raise_outcome(GyMail *mail, gy_mail *core, uint32_t corr)
{
    gy_word *cell = gy_cell(core, corr);
    uint32_t kind = gy_get(cell + CE_KIND), detail = gy_get(cell + CE_DETAIL);
    switch (kind) {
    case REPLY_STOPPED:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_ACTOR_STOPPED), "the actor ended before it answered");
    case REPLY_EXPIRED:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_EXPIRED), "the message's deadline passed before its turn came");
    case REPLY_DUPLICATE:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_DUPLICATE), "a message with this key was handled before");
    case REPLY_FAILED:
        return raise_failed(mail, detail);
    default:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_LOOP_LOST),
                            "the loop ended before the actor answered; whether it handled the message is unknown");
    }
}

/* The reply in a cell that is done; gives the cell back. */
static PyObject *take_reply(GyMail *mail, gy_mail *core, uint32_t corr)
{
    gy_word *cell = gy_cell(core, corr);
    uint32_t kind = gy_get(cell + CE_KIND);
    const gy_layout *layout = mail->reply[kind & (GY_TYPE_NUMBERS - 1)];
    PyObject *reply = NULL;
    if (kind == REPLY_NONE) {
        Py_INCREF(Py_None);
        reply = Py_None;
    } else if (kind > REPLY_NONE) {
        raise_outcome(mail, core, corr);
    } else if (layout == NULL) {
        PyErr_Format(PyExc_TypeError, "the reply is message %u, which has no type here", kind & (GY_TYPE_NUMBERS - 1));
    } else {
        size_t room = (core->cell_words - CE_PAYLOAD) * sizeof(uint32_t);
        reply = gy_message_new(layout, (const void *)(cell + CE_PAYLOAD), room);
    }
    gy_cell_return(core, corr, 1);
    return reply;
}

/* Nobody waits any more: the reply that came meanwhile, or NULL with the exception that is set, else AskTimeout. */
static PyObject *give_up(GyMail *mail, gy_mail *core, uint32_t corr)
{
    int raised = PyErr_Occurred() != NULL;
    int left = gy_cell_abandon(core, corr);
    if (left == 0 && !raised)
        return take_reply(mail, core, corr);
    if (left >= 0)
        gy_cell_return(core, corr, left == 0);
    if (raised)
        return NULL;
    if (left < 0) /* the cell is lost with its writer */
        return PyErr_Format(gy_actor_error_of(GY_ERROR_LOOP_LOST), "the loop ended while it wrote the reply");
    return PyErr_Format(gy_actor_error_of(GY_ERROR_ASK_TIMEOUT),
                        "no reply came in time; whether the message was or will be handled is unknown");
}

static PyObject *wait_reply(GyMail *mail, gy_mail *core, uint32_t corr, int64_t until)
{
    int done = gy_cell_spin(gy_cell(core, corr), corr, SPIN_HELD_NS, 0), spun = 0;
    while (!done) {
        uint32_t epoch = gy_see(&core->epoch);
        gy_word *cell = gy_cell(core, corr);
        gy_mail_enter(mail);
        Py_BEGIN_ALLOW_THREADS
        done = !spun && gy_cell_spin(cell, corr, SPIN_FREE_NS, 1);
        spun = 1;
        int64_t left = until - gy_now_ns();
        if (!done && left > 0)
            gy_cell_sleep(core, cell, epoch, corr, left < SLICE_NS ? left : SLICE_NS);
        Py_END_ALLOW_THREADS
        gy_mail_leave(mail);
        done = gy_cell_done(core, corr);
        if (!done && (PyErr_CheckSignals() < 0 || gy_now_ns() >= until))
            return give_up(mail, core, corr);
    }
    return take_reply(mail, core, corr);
}

static void nap(int64_t *length)
{
    struct timespec span = {0, *length};
    nanosleep(&span, NULL);
    *length = *length * 2 < LONGEST_NAP_NS ? *length * 2 : LONGEST_NAP_NS;
}

int gy_wait_thaw(GyRef *self, int64_t *length)
{
    if (*length == 0)
        *length = FIRST_NAP_NS;
    Py_BEGIN_ALLOW_THREADS
    nap(length);
    Py_END_ALLOW_THREADS
    return PyErr_CheckSignals() < 0 || gy_mail_open(self->mail) == NULL ? -1 : 0;
}

/* Posts; has slots made larger for a letter that does not fit, once. */
static gy_post post_widening(GyRef *self, gy_mail *core, const gy_letter *letter)
{
    gy_post post = gy_mail_post(core, &self->to, letter);
    if (post == GY_TOO_LARGE) {
        size_t head = letter->extended ? EXTENDED_WORDS : HEADER_WORDS;
        if (gy_home_widen(self->mail, head + (letter->bytes + 3) / 4) == 1 && gy_mail_open(self->mail) != NULL)
            post = gy_mail_post(core, &self->to, letter);
    }
    return post;
}

gy_post gy_ref_post(GyRef *self, gy_mail *core, const gy_letter *letter)
{
    gy_post post = post_widening(self, core, letter);
    if (post != GY_FROZEN)
        return post;
    int64_t length = 0, until = gy_now_ns() + GY_THAW_NS;
    while (post == GY_FROZEN && gy_now_ns() < until) {
        if (gy_wait_thaw(self, &length) < 0)
            break;
        post = gy_mail_post(core, &self->to, letter);
    }
    return post;
}

/* Posts, waiting while the mailbox is full; 0, or -1 with an exception. */
static int post_patiently(GyRef *self, gy_mail *core, const gy_letter *letter, int64_t until)
{
    int64_t length = FIRST_NAP_NS;
    for (;;) {
        gy_post post = post_widening(self, core, letter);
        if (PyErr_Occurred())
            return -1;
        if (post == GY_POSTED)
            return 0;
        int later = post == GY_MAILBOX_FULL || post == GY_LANE_FULL || post == GY_FROZEN;
        if (!later || gy_now_ns() >= until) {
            PyObject *name = later ? gy_home_name(self->mail, self->to.slot) : NULL;
            if (!later)
                gy_raise_post(self, post);
            else if (name != NULL)
                PyErr_Format(gy_actor_error_of(GY_ERROR_ASK_TIMEOUT),
                             "the mailbox of %U had no room in time; the message was not sent", name);
            Py_XDECREF(name);
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        nap(&length);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0 || gy_mail_open(self->mail) == NULL)
            return -1;
    }
}

/* A cell, waiting while all are out; NONE with an exception. */
static uint32_t take_patiently(GyRef *self, gy_mail *core, int64_t until)
{
    int64_t length = FIRST_NAP_NS;
    uint32_t corr;
    while ((corr = gy_cell_take(core, 0)) == NONE) {
        if (gy_now_ns() >= until) {
            PyErr_Format(gy_actor_error_of(GY_ERROR_ASK_TIMEOUT), "all %u reply cells of the system are waited for",
                         core->cells);
            return NONE;
        }
        Py_BEGIN_ALLOW_THREADS
        nap(&length);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0 || gy_mail_open(self->mail) == NULL)
            return NONE;
    }
    return corr;
}

PyObject *gy_ref_ask_sync(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    GyRef *self = (GyRef *)object;
    gy_mail *core = gy_mail_open(self->mail);
    gy_parcel parcel;
    PyObject *reply = NULL;
    if (core == NULL)
        return NULL;
    if (gy_parcel_take(&parcel, self, args, count, names, 1) == 0 && gy_mail_open(self->mail) != NULL) {
        int64_t until = end_of(parcel.timeout);
        uint32_t corr = take_patiently(self, core, until);
        if (corr != NONE) {
            parcel.letter.corr = corr;
            parcel.letter.kind |= ASKED;
            if (post_patiently(self, core, &parcel.letter, until) == 0)
                reply = wait_reply(self->mail, core, corr, until);
            else
                gy_cell_return(core, corr, 1);
        }
    }
    gy_parcel_drop(&parcel);
    return reply;
}

PyObject *gy_ref_ask_begin(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    GyRef *self = (GyRef *)object;
    gy_mail *core = gy_mail_open(self->mail);
    gy_parcel parcel;
    PyObject *token = NULL;
    if (core == NULL)
        return NULL;
    if (gy_parcel_take(&parcel, self, args, count, names, 0) == 0 && gy_mail_open(self->mail) != NULL) {
        uint32_t corr = gy_cell_take(core, 1);
        gy_post post = GY_MAILBOX_FULL;
        if (corr != NONE) {
            parcel.letter.corr = corr;
            parcel.letter.kind |= ASKED;
            post = gy_ref_post(self, core, &parcel.letter);
        }
        if (post == GY_POSTED) {
            token = PyLong_FromUnsignedLong(corr);
        } else {
            if (corr != NONE)
                gy_cell_return(core, corr, 1);
            if (!PyErr_Occurred())
                gy_raise_post(self, post);
        }
    }
    gy_parcel_drop(&parcel);
    return token;
}

/* A token of this mail's, or NONE with an exception. */
static uint32_t token_of(gy_mail *core, PyObject *token)
{
    unsigned long corr = PyLong_AsUnsignedLong(token);
    if (corr == (unsigned long)-1 && PyErr_Occurred())
        return NONE;
    if (corr < NONE && (corr & ((1u << CELL_BITS) - 1)) < core->cells) {
        uint32_t state = gy_see(gy_cell(core, (uint32_t)corr) + CE_STATE);
        if (state >> 2 == corr >> CELL_BITS && (state & 3) != CELL_FREE)
            return (uint32_t)corr;
    }
    PyErr_SetString(PyExc_ValueError, "this ask has ended before");
    return NONE;
}

PyObject *gy_mail_ask_poll(PyObject *object, PyObject *token)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    uint32_t corr = core == NULL ? NONE : token_of(core, token);
    return corr == NONE ? NULL : PyBool_FromLong(gy_cell_done(core, corr));
}

PyObject *gy_mail_ask_drop(PyObject *object, PyObject *token)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    uint32_t corr = core == NULL ? NONE : token_of(core, token);
    if (corr == NONE)
        return NULL;
    int left = gy_cell_abandon(core, corr);
    if (left >= 0)
        gy_cell_return(core, corr, left == 0);
    Py_RETURN_NONE;
}

PyObject *gy_mail_ask_end(PyObject *object, PyObject *token)
{
    gy_mail *core = gy_mail_open((GyMail *)object);
    uint32_t corr = core == NULL ? NONE : token_of(core, token);
    if (corr == NONE)
        return NULL;
    return gy_cell_done(core, corr) ? take_reply((GyMail *)object, core, corr) : give_up((GyMail *)object, core, corr);
}
