/* The host's lanes: one producer, whoever holds the lock; the loop of the receiver's worker takes. */
#include <string.h>

#include "mail.h"

enum { BATCH = 32 };

void gy_mail_freeze(gy_mail *mail, int frozen)
{
    gy_mail_lock(&mail->lock);
    mail->frozen = frozen;
    gy_mail_unlock(&mail->lock);
}

/* With the lock held, for all below. */

/* How many more messages the actor's mailbox takes, looking at its end of it only when few would seem to. */
static uint32_t credits(gy_mail *mail, const gy_address *to, uint32_t priority, uint32_t wanted, gy_word **sent)
{
    size_t row = (size_t)priority * (mail->workers + 1) * mail->capacity + to->slot;
    uint32_t *seen = &mail->credit[(size_t)priority * mail->capacity + to->slot];
    uint32_t mailbox = gy_get(gy_control(mail, to->slot) + CT_MAILBOX);
    *sent = mail->arena + mail->sent_at + row;
    uint32_t queued = gy_get(*sent) - *seen;
    if (queued > mailbox || wanted > mailbox - queued) {
        *seen = gy_see(mail->arena + mail->done_at + row);
        queued = gy_get(*sent) - *seen;
    }
    return queued < mailbox ? mailbox - queued : 0;
}

static uint32_t free_slots(gy_word *lane, uint32_t wanted)
{
    uint32_t depth = gy_get(lane + LN_MASK) + 1, tail = gy_get(lane + LN_TAIL);
    uint32_t used = tail - gy_get(lane + LN_SEEN);
    if (depth - used < wanted) {
        uint32_t head = gy_see(lane + LN_HEAD);
        gy_set(lane + LN_SEEN, head);
        used = tail - head;
    }
    return depth - used;
}

static inline gy_post admit(gy_mail *mail, const gy_address *to)
{
    gy_word *control = gy_control(mail, to->slot);
    if (mail->frozen)
        return GY_FROZEN;
    uint32_t state = gy_get(control + CT_STATE);
    int live = state - CREATED <= FAILING - CREATED && gy_get(control + CT_GENERATION) == to->generation;
    return live ? GY_POSTED : GY_NOT_LIVE;
}

static inline uint64_t stamp_clock(gy_mail *mail)
{
    uint64_t now = gy_mail_now(mail) << HLC_LOGICAL_BITS, next = mail->clock + 1;
    return mail->clock = next > now ? next : now;
}

static inline void write_payload(uint32_t *to, const void *payload, size_t bytes)
{
    if (bytes == 4) {
        memcpy(to, payload, 4);
    } else if (bytes == 8) {
        memcpy(to, payload, 8);
    } else if (bytes != 0) {
        to[(bytes - 1) / 4] = 0; /* what pads the last word is the same for equal messages */
        memcpy(to, payload, bytes);
    }
}

static inline void write_letter(uint32_t *slot, const gy_address *to, const gy_letter *letter, const void *payload,
                                uint64_t clock)
{
    slot[KIND] = letter->kind | (letter->extended ? (uint32_t)EXTENDED : 0);
    slot[DEST] = to->slot;
    slot[SOURCE] = letter->source;
    slot[GENS] = to->generation | letter->source_generation << 16;
    slot[CORR] = letter->corr;
    slot[HLC_LO] = (uint32_t)clock;
    slot[HLC_HI] = (uint32_t)(clock >> 32);
    uint32_t *body = slot + HEADER_WORDS;
    if (letter->extended) {
        slot[DEADLINE_LO] = (uint32_t)letter->deadline_ms;
        slot[DEADLINE_HI] = (uint32_t)(letter->deadline_ms >> 32);
        slot[KEY_LO] = (uint32_t)letter->key;
        slot[KEY_HI] = (uint32_t)(letter->key >> 32);
        slot[CHECKSUM] = 0;
        body = slot + EXTENDED_WORDS;
    }
    write_payload(body, payload, letter->bytes);
}

static inline int fits(const gy_mail *mail, const gy_letter *letter)
{
    return (letter->extended ? EXTENDED_WORDS : HEADER_WORDS) + (letter->bytes + 3) / 4 <= mail->stride;
}

/* Without the lock. */

gy_post gy_mail_post(gy_mail *mail, const gy_address *to, const gy_letter *letter)
{
    gy_word *sent;
    if (!fits(mail, letter))
        return GY_TOO_LARGE;
    gy_mail_lock(&mail->lock);
    gy_word *lane = gy_lane(mail, to->worker, 0, letter->priority);
    gy_post result = admit(mail, to);
    if (result == GY_POSTED && credits(mail, to, letter->priority, 1, &sent) == 0)
        result = GY_MAILBOX_FULL;
    else if (result == GY_POSTED && free_slots(lane, 1) == 0)
        result = GY_LANE_FULL;
    if (result == GY_POSTED) {
        uint32_t tail = gy_get(lane + LN_TAIL);
        gy_word *slot = mail->arena + gy_get(lane + LN_SLOTS_AT) + (size_t)(tail & gy_get(lane + LN_MASK)) * mail->stride;
        write_letter((uint32_t *)slot, to, letter, letter->payload, stamp_clock(mail));
        gy_set(sent, gy_get(sent) + 1);
        gy_set(lane + LN_TAIL, tail + 1);
        gy_publish(slot + STAMP, tail + 1);
    }
    gy_mail_unlock(&mail->lock);
    if (result == GY_POSTED)
        gy_mail_notify(mail, to->worker);
    return result;
}

/* One of `data` and `letters` is given. */
static inline size_t post_batch(gy_mail *mail, const gy_address *to, const gy_letter *letters, const char *data,
                                ptrdiff_t pitch, size_t count, gy_post *why)
{
    gy_word *sent;
    uint32_t wanted = count < UINT32_MAX / 2 ? (uint32_t)count : UINT32_MAX / 2, n = wanted;
    gy_mail_lock(&mail->lock);
    gy_word *lane = gy_lane(mail, to->worker, 0, letters->priority);
    *why = admit(mail, to);
    if (*why != GY_POSTED) {
        n = 0;
    } else {
        uint32_t credit = credits(mail, to, letters->priority, wanted, &sent), room = free_slots(lane, wanted);
        if (room < n)
            n = room, *why = GY_LANE_FULL;
        if (credit < n)
            n = credit, *why = GY_MAILBOX_FULL;
    }
    if (n > 0) {
        uint64_t clock = stamp_clock(mail);
        uint32_t tail = gy_get(lane + LN_TAIL), mask = gy_get(lane + LN_MASK), stride = mail->stride;
        gy_word *slots = mail->arena + gy_get(lane + LN_SLOTS_AT);
        gy_set(sent, gy_get(sent) + n);
        gy_set(lane + LN_TAIL, tail + n);
        for (uint32_t first = 0; first < n; first += BATCH) {
            uint32_t end = n - first < BATCH ? n : first + BATCH;
            for (uint32_t k = first; k < end; k++) {
                const gy_letter *letter = data == NULL ? &letters[k] : letters;
                const void *payload = data == NULL ? letter->payload : data + (ptrdiff_t)k * pitch;
                uint32_t *slot = (uint32_t *)(slots + (size_t)((tail + k) & mask) * stride);
                write_letter(slot, to, letter, payload, clock);
            }
            for (uint32_t k = first; k < end; k++)
                gy_publish(slots + (size_t)((tail + k) & mask) * stride + STAMP, tail + k + 1);
        }
    }
    gy_mail_unlock(&mail->lock);
    if (n > 0)
        gy_mail_notify(mail, to->worker);
    return n;
}

size_t gy_mail_post_many(gy_mail *mail, const gy_address *to, const gy_letter *letter, const char *data,
                         ptrdiff_t pitch, size_t count, gy_post *why)
{
    *why = GY_TOO_LARGE;
    return fits(mail, letter) ? post_batch(mail, to, letter, data, pitch, count, why) : 0;
}

size_t gy_mail_post_letters(gy_mail *mail, const gy_address *to, const gy_letter *letters, size_t count,
                            gy_post *why)
{
    size_t fitting = 0;
    while (fitting < count && fits(mail, &letters[fitting]))
        fitting++;
    size_t posted = fitting > 0 ? post_batch(mail, to, letters, NULL, 0, fitting, why) : 0;
    if (posted == fitting && fitting < count)
        *why = GY_TOO_LARGE;
    return posted;
}

int gy_mail_pending(gy_mail *mail)
{
    int pending = 0;
    gy_mail_lock(&mail->lock);
    for (uint32_t i = 0; i < mail->lanes * mail->workers && !pending; i++) {
        gy_word *lane = mail->arena + mail->lane_at + (size_t)i * LANE_WORDS;
        pending = gy_see(lane + LN_TAIL) != gy_get(lane + LN_HEAD);
    }
    gy_mail_unlock(&mail->lock);
    return pending;
}
