/* Actors as Python sees them: the mail of a system, references, and what goes wrong. */
#ifndef GYRAL_ACTOR_H
#define GYRAL_ACTOR_H

#include "mail.h"
#include "message.h"

enum { GY_TYPE_NUMBERS = 1 << TYPE_BITS };

typedef struct GyMail {
    PyObject_HEAD
    gy_mail *core;   /* NULL while it is made */
    Py_buffer view;  /* of the arena */
    Py_buffer *past; /* of arenas before it that someone may still look at */
    int past_count;
    _Atomic int inside; /* threads that look at an arena without the GIL */
    PyObject *keep;     /* what the running loops need: code and buffers */
    PyObject *accepts;  /* a dict: Accepts by the frozenset they were made of */
    PyObject *home;     /* who knows names and lines and makes slots larger, or NULL (actorhome.c) */
    const gy_layout *reply[GY_TYPE_NUMBERS];
} GyMail;

/* Which messages the actors of a class take, and their numbers; one per class. */
typedef struct GyAccepts {
    PyObject_HEAD
    uint32_t size;
    uint16_t *number; /* by the id of the layout; 0: not taken */
} GyAccepts;

typedef struct GyRef {
    PyObject_HEAD
    GyMail *mail;
    GyAccepts *accepts;
    gy_address to;
} GyRef;

extern PyTypeObject *GyMailType, *GyAcceptsType, *GyRefType;

/* actorerror.c: classes that Python sets once. */
typedef enum gy_actor_error {
    GY_ERROR_MAILBOX_FULL,
    GY_ERROR_ACTOR_STOPPED,
    GY_ERROR_ASK_TIMEOUT,
    GY_ERROR_HANDLER_FAILED,
    GY_ERROR_EXPIRED,
    GY_ERROR_DUPLICATE,
    GY_ERROR_LOOP_LOST,
    GY_ERROR_NEEDS_ROOM,
    GY_ERROR_STATE,
    GY_ACTOR_ERRORS,
} gy_actor_error;
PyObject *gy_actor_error_of(gy_actor_error which);
PyObject *gy_set_actor_errors(PyObject *module, PyObject *classes);
/* Always NULL. */
PyObject *gy_raise_post(const GyRef *ref, gy_post post);

/* actormail.c: the core of an open mail of this process, or NULL with an exception. */
gy_mail *gy_mail_shut(GyMail *mail);
static inline gy_mail *gy_mail_open(GyMail *mail)
{
    gy_mail *core = mail->core;
    if (core != NULL && atomic_load_explicit(&core->shut, memory_order_relaxed) == GY_OPEN)
        return core;
    return gy_mail_shut(mail);
}
/* Around what looks at the arena without the GIL: an arena left behind stays until all have left it. */
static inline void gy_mail_enter(GyMail *mail) { atomic_fetch_add(&mail->inside, 1); }
void gy_mail_leave(GyMail *mail);
extern PyMethodDef gy_mail_host_methods[];
int gy_add_mail(PyObject *module);

/* actorhome.c: what the system of a mail says, if there is one that does. */
/* Where and why a handler failed. */
PyObject *gy_home_why(GyMail *mail, uint32_t site);
/* An actor as people call it. */
PyObject *gy_home_name(GyMail *mail, uint32_t slot);
/* Whether slots have room for so many words now; -1 with an exception. */
int gy_home_widen(GyMail *mail, size_t words);
extern PyGetSetDef gy_mail_home_getset;

/* actorletter.c: what tell, ask and their kin are given. */
enum { GY_SMALL_PAYLOAD = 256 };
typedef struct gy_parcel {
    gy_letter letter;
    double timeout; /* seconds; negative: none was given */
    void *large;    /* payload memory to be freed */
    union {
        uint64_t align;
        char bytes[GY_SMALL_PAYLOAD];
    } small;
} gy_parcel;
/* (message) or (MessageType, *fields), then names; `asks` allows a timeout, also behind the message.
 * -1 with an exception.  Drop it in any case. */
int gy_parcel_take(gy_parcel *parcel, const GyRef *ref, PyObject *const *args, Py_ssize_t count, PyObject *names,
                   int asks);
static inline void gy_parcel_drop(gy_parcel *parcel)
{
    if (parcel->large != NULL)
        PyMem_Free(parcel->large);
}
/* The number of a message type for this actor; 0 with an exception when it has no handler for it. */
uint32_t gy_number_for(const GyRef *ref, const gy_layout *layout);

/* actormail.c: the Accepts that is given, or that of a set of message types which have numbers. */
PyObject *gy_mail_accepts(GyMail *mail, PyObject *given);

/* actorref.c */
int gy_accepts_add(GyAccepts *self, PyObject *type, long number);
int gy_ref_words(PyObject *object, uint32_t words[2]);
int gy_add_ref(PyObject *module);
/* actormany.c */
PyObject *gy_ref_tell_many(PyObject *self, PyObject *const *args, Py_ssize_t count);
/* actorask.c */
PyObject *gy_ref_ask_sync(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *gy_ref_ask_begin(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *gy_mail_ask_poll(PyObject *self, PyObject *token);
PyObject *gy_mail_ask_end(PyObject *self, PyObject *token);
PyObject *gy_mail_ask_drop(PyObject *self, PyObject *token);
/* Posts; waits, for a while, where lanes are frozen.  With an exception the answer says nothing. */
enum { GY_THAW_NS = 2000 * 1000 * 1000 };
gy_post gy_ref_post(GyRef *self, gy_mail *core, const gy_letter *letter);
/* Sleeps a little longer than the last time; -1 with an exception. */
int gy_wait_thaw(GyRef *self, int64_t *length);
/* Seconds as nanoseconds; None is for ever; -1 with an exception for what is no number. */
int64_t gy_seconds(PyObject *value);

#endif
