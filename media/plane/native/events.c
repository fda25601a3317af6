/* What Python is told, in a circle of bytes with a lock of its own; an eventfd wakes the event loop once for many.
 *
 * Two limits keep one peer from silencing the others: what a leg may have waiting, and a last part of the circle
 * that only short notices (a switch, a key frame that is needed) may use. What finds no room is counted by the
 * caller as queue_full. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plane.h"

#define ROOM (1024 * 1024)
#define NOTICES (64 * 1024)
#define SHARE (128 * 1024)
#define LEGS (1 << 16)

/* A thread that waits lends its priority to the one that holds the lock. */
bool lock_open(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    bool ok = pthread_mutex_init(mutex, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return ok;
}

bool events_open(struct events *e)
{
    e->wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    e->bytes = malloc(ROOM);
    e->share = calloc(LEGS, sizeof *e->share);
    return lock_open(&e->lock) && e->wakeup >= 0 && e->bytes != NULL && e->share != NULL;
}

void events_close(struct events *e)
{
    if (e->wakeup >= 0)
        close(e->wakeup);
    free(e->bytes);
    free(e->share);
    pthread_mutex_destroy(&e->lock);
}

static void put(struct events *e, size_t *at, const void *data, size_t length)
{
    size_t first = length < ROOM - *at ? length : ROOM - *at;
    if (length == 0)
        return;
    memcpy(e->bytes + *at, data, first);
    memcpy(e->bytes, (const uint8_t *)data + first, length - first);
    *at = (*at + length) % ROOM;
}

static void get(const struct events *e, size_t at, void *data, size_t length)
{
    size_t first = length < ROOM - at ? length : ROOM - at;
    memcpy(data, e->bytes + at, first);
    memcpy((uint8_t *)data + first, e->bytes, length - first);
}

static uint32_t *share_of(struct events *e, uint32_t leg_index)
{
    return &e->share[leg_index % LEGS];
}

static void signal_reader(struct events *e)
{
    uint64_t one = 1;
    if (!e->is_signalled)
        e->is_signalled = write(e->wakeup, &one, sizeof one) == sizeof one;
}

bool events_tell(struct events *e, fw_event event, const uint8_t *head, size_t head_length, const uint8_t *data,
                 size_t length, fw_handle leg)
{
    size_t content = head_length + length, padding = -content & 7, size = sizeof event + content + padding;
    size_t limit = content > 0 ? ROOM - NOTICES : ROOM;
    static const uint8_t zeros[8];
    event.size = (uint32_t)size;
    event.length = (uint32_t)content;
    event.reserved = (uint32_t)(leg & 0xffffff);
    pthread_mutex_lock(&e->lock);
    uint32_t *share = share_of(e, event.reserved);
    bool fits = e->held + size <= limit && *share + size <= SHARE;
    if (fits) {
        size_t at = (e->first + e->held) % ROOM;
        put(e, &at, &event, sizeof event);
        put(e, &at, head, head_length);
        put(e, &at, data, length);
        put(e, &at, zeros, padding);
        e->held += size;
        *share += (uint32_t)size;
        signal_reader(e);
    }
    pthread_mutex_unlock(&e->lock);
    return fits;
}

size_t events_take(struct events *e, uint8_t *records, size_t room)
{
    size_t taken = 0;
    uint64_t count;
    fw_event event;
    pthread_mutex_lock(&e->lock);
    while (e->held > 0) {
        get(e, e->first, &event, sizeof event);
        if (taken + event.size > room)
            break;
        get(e, e->first, records + taken, event.size);
        *share_of(e, event.reserved) -= event.size;
        e->first = (e->first + event.size) % ROOM;
        e->held -= event.size;
        taken += event.size;
    }
    if (e->held == 0 && e->is_signalled)
        e->is_signalled = read(e->wakeup, &count, sizeof count) != sizeof count;
    pthread_mutex_unlock(&e->lock);
    return taken;
}
