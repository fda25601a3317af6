/* The forwarder as a whole: its beginning and end, and the seams for tests. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api.h"

#define LEGS_MAX (1 << 14)
#define SOURCES_MAX (LEGS_MAX * FW_SOURCES)
#define SLOTS_MAX (1 << 20)

static const char *const REASON_NAMES[REASONS] = {
    [STRANGER] = "stranger", [BAD_STUN] = "bad_stun", [TOO_LONG] = "too_long", [UNKNOWN_KIND] = "unknown_kind",
    [NO_KEYS] = "no_keys", [FLOOD] = "flood", [AUTH] = "auth", [REPLAY] = "replay", [MALFORMED] = "malformed",
    [UNKNOWN_SSRC] = "unknown_ssrc", [NOT_PERMITTED] = "not_permitted", [PAYLOAD_TYPE] = "payload_type",
    [PADDING] = "padding", [LATE] = "late", [BLOCKED] = "blocked", [BUDGET] = "budget", [QUEUE_FULL] = "queue_full",
};
_Static_assert(REASONS == FW_REASONS, "fanout.h counts the reasons");

const char *fw_reason(int number)
{
    return number >= 0 && number < REASONS ? REASON_NAMES[number] : NULL;
}

int unlock_and_send(fw *f, int result)
{
    if (f->own.count == 0)
        return unlock(f, result);
    pthread_mutex_unlock(&f->lock);
    batch_send(f, &f->own);
    lock(f);
    batch_account(f, &f->own);
    return unlock(f, result);
}

static bool watch_stop(fw *f)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = FW_PORTS};
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return f->epoll >= 0 && f->stop >= 0 && epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->stop, &event) == 0;
}

fw *fw_new(void)
{
    fw *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->epoll = f->stop = f->events.wakeup = -1;
    f->captured_end = &f->captured;
    bucket_set(&f->strays, STRAYS_RATE, STRAYS_RATE, true, 0);
    f->legs.limit = LEGS_MAX;
    f->sources.limit = SOURCES_MAX;
    f->layers.limit = SOURCES_MAX * FW_LAYERS;
    f->slots.limit = SLOTS_MAX;
    bool ok = lock_open(&f->lock);
    ok = directory_open(&f->addresses) && ok;
    ok = directory_open(&f->ufrags) && ok;
    ok = events_open(&f->events) && ok;
    ok = batch_open(&f->own) && ok;
    if (ok && watch_stop(f))
        return f;
    fw_free(f);
    return NULL;
}

static void drop_captured(fw *f)
{
    while (f->captured != NULL) {
        struct captured *next = f->captured->next;
        free(f->captured);
        f->captured = next;
    }
    f->captured_end = &f->captured;
}

void fw_free(fw *f)
{
    fw_stop(f);
    for (uint32_t i = 0; i < f->legs.size; i++)
        if (f->legs.entries[i].item != NULL)
            fw_remove_leg(f, ((struct leg *)f->legs.entries[i].item)->handle);
    drop_captured(f);
    pool_close(&f->legs);
    pool_close(&f->sources);
    pool_close(&f->layers);
    pool_close(&f->slots);
    directory_close(&f->addresses);
    directory_close(&f->ufrags);
    events_close(&f->events);
    batch_close(&f->own);
    if (f->epoll >= 0)
        close(f->epoll);
    if (f->stop >= 0)
        close(f->stop);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fw_wakeup(fw *f)
{
    return f->events.wakeup;
}

size_t fw_take(fw *f, void *records, size_t room)
{
    return events_take(&f->events, records, room);
}

void fw_strangers(fw *f, uint64_t *drops)
{
    lock(f);
    memcpy(drops, f->strangers, sizeof f->strangers);
    unlock(f, 0);
}

/* ---- for tests */

void fw_feed(fw *f, int port, const fw_address *from, const uint8_t *data, size_t length, double now)
{
    uint8_t copy[MAX_DATAGRAM + 1];
    size_t kept = length < sizeof copy ? length : sizeof copy;
    memcpy(copy, data, kept);
    lock(f);
    receive(f, &f->own, port, from, copy, kept, now);
    unlock_and_send(f, 0);
}

void fw_capture(fw *f, int on)
{
    lock(f);
    f->is_capturing = on != 0;
    drop_captured(f);
    unlock(f, 0);
}

int fw_captured(fw *f, int *port, fw_address *to, uint8_t *data, size_t room)
{
    struct captured *first = f->captured;
    if (first == NULL || first->length > room)
        return 0;
    int length = (int)first->length;
    *port = first->port;
    *to = first->to;
    memcpy(data, first->data, first->length);
    f->captured = first->next;
    if (f->captured == NULL)
        f->captured_end = &f->captured;
    free(first);
    return length;
}

void fw_refuse(fw *f, int datagrams)
{
    atomic_store(&f->refuse, datagrams);
}
