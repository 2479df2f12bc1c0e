/* What a mail asks of the system it serves: words for people, and room for messages.
 *
 * The home is any object with `why(site)`, `named(slot)` and `widen(words)`; without one, numbers must do. */
#include "actor.h"

/* What a method of the home says; NULL without an exception when there is none, or it gives no text. */
static PyObject *text_of(GyMail *mail, const char *method, uint32_t number)
{
    if (mail->home == NULL)
        return NULL;
    PyObject *text = PyObject_CallMethod(mail->home, method, "I", number);
    /* The error that these words are for is told without them, and not replaced. */
    if (text == NULL)
        PyErr_Clear();
    else if (!PyUnicode_Check(text))
        Py_CLEAR(text);
    return text;
}

PyObject *gy_home_why(GyMail *mail, uint32_t site)
{
    PyObject *text = text_of(mail, "why", site);
    return text != NULL ? text : PyUnicode_FromString("a check failed in the handler");
}

PyObject *gy_home_name(GyMail *mail, uint32_t slot)
{
    PyObject *text = text_of(mail, "named", slot);
    return text != NULL ? text : PyUnicode_FromFormat("actor %u", slot);
}

int gy_home_widen(GyMail *mail, size_t words)
{
    if (mail->home == NULL)
        return 0;
    PyObject *done = PyObject_CallMethod(mail->home, "widen", "n", (Py_ssize_t)words);
    int result = done == NULL ? -1 : PyObject_IsTrue(done);
    Py_XDECREF(done);
    return result;
}

static PyObject *get_home(PyObject *object, void *unused)
{
    (void)unused;
    PyObject *home = ((GyMail *)object)->home;
    if (home == NULL)
        home = Py_None;
    Py_INCREF(home);
    return home;
}

static int set_home(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    GyMail *mail = (GyMail *)object;
    PyObject *before = mail->home;
    Py_XINCREF(value);
    mail->home = value == Py_None ? NULL : value;
    if (value == Py_None)
        Py_DECREF(value);
    Py_XDECREF(before);
    return 0;
}

PyGetSetDef gy_mail_home_getset = {
    "home", get_home, set_home, "What says why(site) and named(slot) in words, and makes room by widen(words).", NULL};
