/* Several host threads tell, ask and pause workers whose loop is written here in C.  Every message must be
 * handled once and in its sender's order, every ask answered by its own reply.  Built with a sanitizer it is
 * the race and memory test of the mail.  Exits 0 when all is well, 1 with a message. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mail.h"

enum { WORKERS = 2, CAPACITY = 8, SENDERS = 3, DEPTH = 64, STRIDE = 16, MAILBOX = 20, CELLS = 4 };
enum { OUT_DEPTH = 16, EVENT_STRIDE = EVENT_HEAD_WORDS + STRIDE, CELL_WORDS = CE_PAYLOAD + STRIDE };
enum { PASSED = 1 << 20 }; /* in the second word: told by a worker to another */

static int rounds = 2000;
static uint32_t last[CAPACITY][SENDERS]; /* touched by the actor's worker alone */
static uint32_t passed[CAPACITY];
static _Atomic unsigned handled, events_left;

static void fail(const char *what)
{
    fprintf(stderr, "mail_stress: %s\n", what);
    _exit(1);
}

static uint32_t place(uint32_t *at, uint32_t words)
{
    uint32_t begin = *at;
    *at += (words + LINE - 1) / LINE * LINE;
    return begin;
}

static uint32_t *make_arena(size_t *words)
{
    uint32_t at = 0, lanes = WORKERS * (WORKERS + 1), sources = WORKERS + 1, regions[9];
    uint32_t sizes[9] = {SYSTEM_WORDS,
                         WORKERS * WORKER_WORDS,
                         (lanes + WORKERS) * LANE_WORDS,
                         CELLS * CELL_WORDS,
                         CAPACITY * CONTROL_WORDS,
                         sources * CAPACITY,
                         sources * CAPACITY,
                         lanes * DEPTH * STRIDE,
                         WORKERS * OUT_DEPTH * EVENT_STRIDE};
    for (int i = 0; i < 9; i++)
        regions[i] = place(&at, sizes[i]);
    uint32_t *a = aligned_alloc(64, (at * sizeof(uint32_t) + 63) / 64 * 64);
    if (a == NULL)
        fail("no memory");
    memset(a, 0, at * sizeof(uint32_t));
    a[SYS_MAGIC] = MAGIC, a[SYS_VERSION] = VERSION, a[SYS_WORKERS] = WORKERS, a[SYS_PRIORITIES] = 1;
    a[SYS_CAPACITY] = CAPACITY, a[SYS_STRIDE] = STRIDE, a[SYS_CELL_WORDS] = CELL_WORDS, a[SYS_CELLS] = CELLS;
    a[SYS_WORKER_AT] = regions[1], a[SYS_LANE_AT] = regions[2], a[SYS_OUT_AT] = regions[2] + lanes * LANE_WORDS;
    a[SYS_CELL_AT] = regions[3], a[SYS_CONTROL_AT] = regions[4], a[SYS_SENT_AT] = regions[5];
    a[SYS_DONE_AT] = regions[6];
    for (uint32_t i = 0; i < lanes + WORKERS; i++) {
        uint32_t *lane = a + regions[2] + i * LANE_WORDS, depth = i < lanes ? DEPTH : OUT_DEPTH;
        uint32_t stride = i < lanes ? STRIDE : EVENT_STRIDE;
        uint32_t slots = i < lanes ? regions[7] + i * DEPTH * STRIDE : regions[8] + (i - lanes) * OUT_DEPTH * stride;
        lane[LN_SLOTS_AT] = slots, lane[LN_MASK] = depth - 1;
        /* Positions come round to 0 in the middle of the test. */
        lane[LN_TAIL] = lane[LN_SEEN] = lane[LN_HEAD] = 0u - 100u;
        for (uint32_t k = 0; k < depth; k++) {
            uint32_t position = 0u - 100u - 1 - k;
            a[slots + (position & (depth - 1)) * stride + STAMP] = position + 1;
        }
    }
    for (uint32_t i = 0; i < CAPACITY; i++) {
        uint32_t *control = a + regions[4] + i * CONTROL_WORDS;
        control[CT_STATE] = ACTIVE, control[CT_GENERATION] = 1, control[CT_MAILBOX] = MAILBOX;
    }
    *words = at;
    return a;
}

/* The stand-in for a compiled loop. */

typedef struct loop_frame {
    gy_frame frame;
    gy_mail *mail;
} loop_frame;

static void answer(gy_mail *mail, gy_word *block, const uint32_t *slot)
{
    gy_word *cell = gy_cell(mail, slot[CORR]);
    uint32_t armed = slot[CORR] >> CELL_BITS << 2 | CELL_ARMED, seen = armed;
    if (!atomic_compare_exchange_strong(cell + CE_STATE, &seen, armed + 1))
        return;
    gy_set(cell + CE_KIND, slot[KIND] & 0xFFF);
    uint32_t *payload = (uint32_t *)cell + CE_PAYLOAD;
    payload[0] = slot[HEADER_WORDS], payload[1] = slot[HEADER_WORDS + 1];
    gy_publish(cell + CE_STATE, armed + 2);
    if (gy_see(cell + CE_WAITER) != 0)
        gy_set(block + WK_WAKE, gy_get(block + WK_WAKE) | 1u << 30);
}

/* Tells the next actor, which lives at the other worker; dropped when its lane is full. */
static void pass(gy_mail *mail, uint32_t w, const uint32_t *slot)
{
    uint32_t dest = (slot[DEST] + 1) % CAPACITY, other = dest % WORKERS;
    gy_word *lane = gy_lane(mail, other, w + 1, 0), *block = mail->worker[w].block;
    uint32_t tail = gy_get(lane + LN_TAIL);
    if (tail - gy_see(lane + LN_HEAD) > gy_get(lane + LN_MASK))
        return;
    uint32_t *to = (uint32_t *)(mail->arena + gy_get(lane + LN_SLOTS_AT) + (tail & gy_get(lane + LN_MASK)) * STRIDE);
    memcpy(to + 1, slot + 1, (STRIDE - 1) * sizeof *to);
    to[DEST] = dest, to[KIND] &= 0xFFF, to[HEADER_WORDS + 1] = PASSED;
    gy_set(lane + LN_TAIL, tail + 1);
    gy_publish((gy_word *)to + STAMP, tail + 1);
    if (gy_see(mail->worker[other].block + WK_PARKED) != 0)
        gy_set(block + WK_WAKE, gy_get(block + WK_WAKE) | 1u << other);
}

static void record(gy_mail *mail, uint32_t w, const uint32_t *slot)
{
    gy_word *lane = mail->arena + mail->out_at + w * LANE_WORDS, *block = mail->worker[w].block;
    uint32_t tail = gy_get(lane + LN_TAIL);
    if (tail - gy_see(lane + LN_HEAD) > gy_get(lane + LN_MASK))
        return;
    gy_word *to = mail->arena + gy_get(lane + LN_SLOTS_AT) + (tail & gy_get(lane + LN_MASK)) * EVENT_STRIDE;
    memcpy((uint32_t *)to + EV_MESSAGE, slot, STRIDE * sizeof *slot);
    gy_set(to + EV_CODE, EVENT_INBOX);
    gy_set(lane + LN_TAIL, tail + 1);
    gy_publish(to + EV_STAMP, tail + 1);
    atomic_fetch_add(&events_left, 1);
    gy_set(block + WK_WAKE, gy_get(block + WK_WAKE) | 1u << 31);
}

static void take(gy_mail *mail, uint32_t w, uint32_t source, const uint32_t *slot)
{
    uint32_t sender = slot[HEADER_WORDS], number = slot[HEADER_WORDS + 1], dest = slot[DEST];
    if (dest % WORKERS != w)
        fail("a message came to another's worker");
    if (source != 0) {
        passed[dest]++;
    } else {
        if (number != ++last[dest][sender])
            fail("a sender's messages came out of order, twice or not at all");
        if (number % 5 == 0)
            pass(mail, w, slot);
        if (number % 7 == 0)
            record(mail, w, slot);
        atomic_fetch_add(&handled, 1);
    }
    if (slot[KIND] & ASKED)
        answer(mail, mail->worker[w].block, slot);
    gy_word *done = mail->arena + mail->done_at + source * CAPACITY + dest;
    gy_publish(done, gy_get(done) + 1);
}

static void GY_ABI run_loop(const gy_frame *frame, int64_t begin, int64_t end, void *scratch)
{
    gy_mail *mail = ((const loop_frame *)frame)->mail;
    uint32_t w = (uint32_t)begin, idle = 0;
    gy_word *block = mail->worker[w].block;
    (void)end, (void)scratch;
    while (idle < 20 && gy_see(block + WK_COMMAND) == RUN && gy_get(block + WK_WAKE) == 0) {
        idle++;
        for (uint32_t source = 0; source <= WORKERS; source++) {
            gy_word *lane = gy_lane(mail, w, source, 0);
            uint32_t head = gy_get(lane + LN_HEAD), batch = 0;
            for (; batch < 16; batch++, head++) {
                size_t at = gy_get(lane + LN_SLOTS_AT) + (size_t)(head & gy_get(lane + LN_MASK)) * STRIDE;
                if (gy_see(mail->arena + at + STAMP) != head + 1)
                    break;
                take(mail, w, source, (uint32_t *)(mail->arena + at));
                gy_publish(lane + LN_HEAD, head + 1);
                idle = 0;
            }
        }
        gy_set(block + WK_HEARTBEAT, gy_get(block + WK_HEARTBEAT) + 1);
    }
}

/* The host. */

static void post(gy_mail *mail, uint32_t dest, gy_letter *letter)
{
    gy_address to = {dest, 1, dest % WORKERS};
    for (;;) {
        gy_post result = gy_mail_post(mail, &to, letter);
        if (result == GY_POSTED)
            return;
        if (result != GY_MAILBOX_FULL && result != GY_LANE_FULL && result != GY_FROZEN)
            fail("a message was refused");
        sched_yield();
    }
}

static void ask(gy_mail *mail, uint32_t dest, gy_letter letter, const uint32_t *payload)
{
    uint32_t corr;
    while ((corr = gy_cell_take(mail, 0)) == NONE)
        sched_yield();
    letter.corr = corr, letter.kind |= ASKED;
    post(mail, dest, &letter);
    gy_word *cell = gy_cell(mail, corr);
    if (payload[1] % 11 == 0) { /* this one does not wait */
        int left = gy_cell_abandon(mail, corr);
        gy_cell_return(mail, corr, left == 0);
        return;
    }
    if (!gy_cell_spin(cell, corr, 2000, 1))
        while (!gy_cell_done(mail, corr))
            gy_cell_sleep(mail, cell, gy_see(&mail->epoch), corr, INT64_C(1000000000));
    if (memcmp((uint32_t *)cell + CE_PAYLOAD, payload, 8) != 0)
        fail("an ask got another's reply");
    gy_cell_return(mail, corr, 1);
}

typedef struct sender {
    gy_mail *mail;
    uint32_t number;
} sender;

static void *sender_main(void *argument)
{
    sender *self = argument;
    uint32_t sent[CAPACITY] = {0};
    for (int i = 0; i < rounds; i++) {
        uint32_t dest = ((uint32_t)i * 7 + self->number) % CAPACITY, payload[2] = {self->number, ++sent[dest]};
        gy_letter letter = {.kind = 1 | 2 << TYPE_BITS, .source = HOST, .source_generation = 1, .payload = payload,
                            .bytes = sizeof payload};
        if (i % 3 == 0)
            ask(self->mail, dest, letter, payload);
        else
            post(self->mail, dest, &letter);
    }
    return NULL;
}

static void *listener_main(void *argument)
{
    gy_mail *mail = argument;
    uint32_t entry[EVENT_STRIDE];
    unsigned taken = 0;
    while (!atomic_load(&mail->ending) || taken < atomic_load(&events_left)) {
        gy_mail_listen(mail, 1000000);
        for (uint32_t w = 0; w < WORKERS; w++)
            while (gy_mail_take_event(mail, w, entry)) {
                taken++;
                if (entry[EV_MESSAGE + HEADER_WORDS + 1] % 7 != 0)
                    fail("a record is not of its message");
            }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    size_t words;
    if (argc > 1)
        rounds = atoi(argv[1]);
    uint32_t *arena = make_arena(&words);
    if (gy_mail_refusal(arena, words) != NULL)
        fail(gy_mail_refusal(arena, words));
    gy_mail *mail = gy_mail_new(arena, 0);
    if (argc > 2 && strcmp(argv[2], "fences") == 0)
        gy_barrier_asymmetric = 0;
    loop_frame frame = {.mail = mail};
    for (uint32_t w = 0; w < WORKERS; w++)
        mail->worker[w].entry = run_loop, mail->worker[w].frame = &frame.frame;
    gy_options options = {.spin_ns = 20000, .hang_ms = 10000, .stall_ms = 1000, .ticker = 1};
    if (gy_mail_start(mail, &options) != 0)
        fail("no threads");
    pthread_t thread[SENDERS], listener;
    sender each[SENDERS];
    pthread_create(&listener, NULL, listener_main, mail);
    for (uint32_t i = 0; i < SENDERS; i++) {
        each[i] = (sender){mail, i};
        pthread_create(&thread[i], NULL, sender_main, &each[i]);
    }
    for (int i = 0; i < 20; i++) {
        gy_mail_freeze(mail, 1);
        gy_mail_command(mail, NONE, YIELD);
        if (!gy_mail_standing(mail, NONE, INT64_C(20000000000)))
            fail("the workers do not stand");
        unsigned before = atomic_load(&handled);
        sched_yield();
        if (atomic_load(&handled) != before)
            fail("a standing worker handled a message");
        gy_mail_command(mail, NONE, RUN);
        gy_mail_freeze(mail, 0);
        usleep(2000);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(thread[i], NULL);
    while (atomic_load(&handled) < (unsigned)(SENDERS * rounds))
        sched_yield();
    gy_mail_end(mail);
    if (!gy_mail_ended(mail, INT64_C(20000000000)))
        fail("the workers do not end");
    gy_mail_join(mail);
    pthread_join(listener, NULL);
    gy_mail_free(mail);
    free(arena);
    puts("ok");
    return 0;
}
