/* What goes wrong between a host and its actors, in classes that Python sets once. */
#include "actor.h"

static const char *const names[GY_ACTOR_ERRORS] = {
    "MailboxFull", "ActorStopped", "AskTimeout", "HandlerFailed", "MessageExpired", "DuplicateMessage",
    "LoopLost",    "NeedsRoom",    "StateError",
};
static PyObject *classes[GY_ACTOR_ERRORS];

PyObject *gy_actor_error_of(gy_actor_error which)
{
    return classes[which] != NULL ? classes[which] : PyExc_RuntimeError;
}

PyObject *gy_set_actor_errors(PyObject *module, PyObject *given)
{
    (void)module;
    PyObject *found[GY_ACTOR_ERRORS];
    for (int i = 0; i < GY_ACTOR_ERRORS; i++) {
        found[i] = PyDict_Check(given) ? PyDict_GetItemString(given, names[i]) : NULL;
        if (found[i] == NULL || !PyExceptionClass_Check(found[i]))
            return PyErr_Format(PyExc_TypeError, "%s must be an exception class", names[i]);
    }
    for (int i = 0; i < GY_ACTOR_ERRORS; i++) {
        PyObject *before = classes[i];
        Py_INCREF(found[i]);
        classes[i] = found[i];
        Py_XDECREF(before);
    }
    Py_RETURN_NONE;
}

static PyObject *raise_named(const GyRef *ref, gy_post post, PyObject *name)
{
    static const char *const states[] = {"free",    "created",  "active", "paused",
                                         "failing", "draining", "failed", "terminated"};
    gy_word *control = gy_control(ref->mail->core, ref->to.slot);
    switch (post) {
    case GY_MAILBOX_FULL:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_MAILBOX_FULL),
                            "the mailbox of %U is full: %u messages wait; send later, or `await send`", name,
                            gy_get(control + CT_MAILBOX));
    case GY_LANE_FULL:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_MAILBOX_FULL),
                            "the lane to the worker of %U is full; send later, or `await send`", name);
    case GY_FROZEN:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_MAILBOX_FULL),
                            "the system of %U stands still: nothing is sent until it goes on", name);
    case GY_TOO_LARGE:
        return PyErr_Format(gy_actor_error_of(GY_ERROR_NEEDS_ROOM),
                            "the message, with what was asked of it, is larger than a slot of the system");
    default:
        break;
    }
    uint32_t state = gy_get(control + CT_STATE);
    if (gy_get(control + CT_GENERATION) != ref->to.generation)
        return PyErr_Format(gy_actor_error_of(GY_ERROR_ACTOR_STOPPED),
                            "actor %u has ended; another lives in its place, or will", ref->to.slot);
    return PyErr_Format(gy_actor_error_of(GY_ERROR_ACTOR_STOPPED), "%U takes no messages: it is %s", name,
                        state <= TERMINATED ? states[state] : "unknown");
}

PyObject *gy_raise_post(const GyRef *ref, gy_post post)
{
    PyObject *name = gy_home_name(ref->mail, ref->to.slot);
    PyObject *raised = name == NULL ? NULL : raise_named(ref, post, name);
    Py_XDECREF(name);
    return raised;
}
