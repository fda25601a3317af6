/* The thread: datagrams in by the batch, datagrams out by the batch, and never a wait with the lock held. */
#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "plane.h"

#define ROOM_IN (MAX_DATAGRAM + 4) /* what is longer shows as longer */

/* ---- out */

bool batch_open(struct batch *batch)
{
    *batch = (struct batch){.out = malloc(OUT_CAPACITY * sizeof *batch->out)};
    return batch->out != NULL;
}

void batch_close(struct batch *batch)
{
    free(batch->out);
    batch->out = NULL;
}

/* Batches are sent between packets (see pump_socket); only one packet to very many receivers fills one up. */
struct outgoing *batch_next(fw *f, struct batch *batch)
{
    if (batch->count == OUT_CAPACITY) {
        batch_send(f, batch);
        batch_account(f, batch);
    }
    return &batch->out[batch->count];
}

static void capture(fw *f, const struct batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        const struct outgoing *out = &batch->out[i];
        struct captured *copy = malloc(sizeof *copy + out->length);
        if (copy == NULL)
            return;
        *copy = (struct captured){.to = out->to, .port = out->port, .length = out->length};
        memcpy(copy->data, out->data, out->length);
        *f->captured_end = copy;
        f->captured_end = &copy->next;
    }
}

struct sending { /* what goes out by one socket */
    int count;
    int which[OUT_CAPACITY]; /* in the batch */
    struct mmsghdr heads[OUT_CAPACITY];
    struct iovec pieces[OUT_CAPACITY];
    struct sockaddr_in6 to[OUT_CAPACITY];
};

static int transmit(fw *f, int port, struct mmsghdr *heads, int count)
{
    if (atomic_load_explicit(&f->refuse, memory_order_relaxed) > 0) {
        atomic_fetch_sub(&f->refuse, 1);
        errno = EAGAIN;
        return -1;
    }
    return sendmmsg(f->sockets[port], heads, (unsigned)count, MSG_DONTWAIT);
}

static void fail(struct batch *batch, int which)
{
    batch->failed[batch->failed_count++] = which;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* Sends from `from` on. Returns where the kernel would take no more, or the count. What it refuses for another
 * reason (no route, a firewall) fails alone. */
static int push(fw *f, int port, struct batch *batch, struct sending *sending, int from)
{
    while (from < sending->count) {
        int sent = transmit(f, port, sending->heads + from, sending->count - from);
        if (sent > 0)
            from += sent;
        else if (sent < 0 && is_full(errno))
            return from;
        else if (sent == 0 || errno != EINTR)
            fail(batch, sending->which[from++]);
    }
    return from;
}

/* The kernel's buffer is full: video is lost at once, audio is offered once more. */
static void push_audio_again(fw *f, int port, struct batch *batch, struct sending *sending, int from)
{
    for (int i = from; i < sending->count; i++) {
        int which = sending->which[i];
        if (batch->out[which].is_video || transmit(f, port, sending->heads + i, 1) != 1)
            fail(batch, which);
    }
}

static void collect(const fw *f, int port, const struct batch *batch, struct sending *sending)
{
    sending->count = 0;
    for (int i = 0; i < batch->count; i++) {
        struct outgoing *out = &batch->out[i];
        if (out->port != port)
            continue;
        int n = sending->count++;
        sending->which[n] = i;
        sending->pieces[n] = (struct iovec){out->data, out->length};
        sending->heads[n].msg_hdr = (struct msghdr){
            .msg_name = &sending->to[n],
            .msg_namelen = address_to(&sending->to[n], &out->to, f->families[port]),
            .msg_iov = &sending->pieces[n],
            .msg_iovlen = 1,
        };
    }
}

void batch_send(fw *f, struct batch *batch)
{
    struct sending sending;
    batch->failed_count = 0;
    if (batch->count == 0)
        return;
    if (f->is_capturing) {
        capture(f, batch);
        batch->count = 0;
        return;
    }
    for (int port = 0; port < f->socket_count; port++) {
        collect(f, port, batch, &sending);
        int reached = push(f, port, batch, &sending, 0);
        push_audio_again(f, port, batch, &sending, reached);
    }
    batch->count = 0;
}

/* What was not taken was counted as sent; slots may have gone since. */
void batch_account(fw *f, struct batch *batch)
{
    for (int i = 0; i < batch->failed_count; i++) {
        const struct outgoing *out = &batch->out[batch->failed[i]];
        struct slot *slot = pool_get(&f->slots, out->slot);
        if (slot == NULL)
            continue;
        fw_leg_figures *figures = &slot->leg->figures;
        figures->packets_out--;
        figures->bytes_out -= out->length;
        figures->drops[BLOCKED]++;
        figures->resent -= out->is_rtx;
        if (out->is_rtx)
            continue;
        slot->packets--;
        slot->bytes -= out->octets;
        if (!out->is_video)
            continue;
        slot->cutting = BLOCKED;
        slot->cut_ts = out->in_ts;
    }
    batch->failed_count = 0;
}

/* ---- in */

struct receiving {
    struct mmsghdr heads[BATCH];
    struct iovec pieces[BATCH];
    struct sockaddr_storage from[BATCH];
    uint8_t data[BATCH][ROOM_IN];
};

static void prepare(struct receiving *in)
{
    for (int i = 0; i < BATCH; i++) {
        in->pieces[i] = (struct iovec){in->data[i], ROOM_IN};
        in->heads[i].msg_hdr = (struct msghdr){.msg_name = &in->from[i], .msg_iov = &in->pieces[i], .msg_iovlen = 1};
    }
}

static double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Sends what has gathered, with the lock let go meanwhile so that the event loop gets its turn. */
static void turn(fw *f, struct batch *batch)
{
    pthread_mutex_unlock(&f->lock);
    batch_send(f, batch);
    pthread_mutex_lock(&f->lock);
    batch_account(f, batch);
}

static void process(fw *f, struct batch *batch, struct receiving *in, int port, int count)
{
    double now = monotonic();
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < count; i++) {
        fw_address from;
        if (address_of(&from, &in->from[i]))
            receive(f, batch, port, &from, in->data[i], in->heads[i].msg_len, now);
        if (batch->count >= BATCH)
            turn(f, batch);
    }
    if (batch->count > 0)
        turn(f, batch);
    pthread_mutex_unlock(&f->lock);
}

static void pump_socket(fw *f, struct batch *batch, struct receiving *in, int port)
{
    for (int i = 0; i < BATCH; i++)
        in->heads[i].msg_hdr.msg_namelen = sizeof in->from[i];
    int count = recvmmsg(f->sockets[port], in->heads, BATCH, MSG_DONTWAIT, NULL);
    if (count > 0)
        process(f, batch, in, port, count);
}

static void *pump(void *argument)
{
    fw *f = argument;
    struct batch batch;
    struct receiving *in = calloc(1, sizeof *in);
    if (in == NULL || !batch_open(&batch)) {
        free(in);
        return NULL;
    }
    prepare(in);
    for (bool is_stopped = false; !is_stopped;) {
        struct epoll_event ready[FW_PORTS + 1];
        int count = epoll_wait(f->epoll, ready, FW_PORTS + 1, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.u32 == FW_PORTS)
                is_stopped = true;
            else
                pump_socket(f, &batch, in, (int)ready[i].data.u32);
        }
    }
    batch_close(&batch);
    free(in);
    return NULL;
}

/* ---- starting and stopping */

static bool watch(fw *f, int descriptor, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(f->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static bool take_socket(fw *f, int descriptor)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int copy = dup(descriptor);
    if (copy < 0 || getsockname(copy, (struct sockaddr *)&bound, &length) != 0) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    f->sockets[f->socket_count] = copy;
    f->families[f->socket_count] = bound.ss_family;
    return watch(f, copy, (uint32_t)f->socket_count++);
}

static bool be_realtime(pthread_t thread)
{
    struct sched_param priority = {.sched_priority = 1};
    return pthread_setschedparam(thread, SCHED_RR, &priority) == 0;
}

int fw_start(fw *f, const int *sockets, int count, int realtime)
{
    if (f->is_running || count < 0 || count > FW_PORTS)
        return FW_INVALID;
    for (int i = 0; i < count; i++)
        if (!take_socket(f, sockets[i]))
            return FW_INVALID;
    if (count == 0)
        return 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's main thread */
    f->is_running = pthread_create(&f->thread, NULL, pump, f) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!f->is_running)
        return FW_MEMORY;
    pthread_setname_np(f->thread, "packets");
    return realtime && be_realtime(f->thread);
}

void fw_stop(fw *f)
{
    uint64_t one = 1;
    if (f->is_running && write(f->stop, &one, sizeof one) == sizeof one)
        pthread_join(f->thread, NULL);
    f->is_running = false;
    for (int i = 0; i < f->socket_count; i++)
        close(f->sockets[i]);
    f->socket_count = 0;
}
