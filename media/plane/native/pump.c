/* The thread: datagrams in by the batch, datagrams out by the batch, and never a wait with the lock held. */
#define _GNU_SOURCE /* recvmmsg, sendmmsg */
#include <errno.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "plane.h"

#define ROUNDS 8
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

/* Most of what a datagram costs is its way through the kernel's UDP and IP. Packets of one picture have one size, so
 * those for one receiver leave as one message that the kernel cuts at its very end (UDP_SEGMENT): all its segments
 * have the size of the first, the last may be shorter. */
#define SEGMENTS_MAX 44 /* of SEGMENT_SIZE_MAX fit into one message of 64 KB */
#define SEGMENT_SIZE_MAX 1400 /* longer ones might exceed the path's MTU, and a cut message cannot be fragmented */

struct message {
    int first, last, count; /* in the batch, chained by sending.next */
    bool is_closed;
};

struct sending { /* what goes out by one socket */
    int count;
    struct message messages[OUT_CAPACITY];
    int next[OUT_CAPACITY];
    int open[OUT_CAPACITY]; /* by leg: the last message to it, as far as it is not hidden by another leg's */
    struct mmsghdr heads[OUT_CAPACITY];
    struct iovec pieces[OUT_CAPACITY];
    struct sockaddr_in6 to[OUT_CAPACITY];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(uint16_t))];
    } control[OUT_CAPACITY];
};

static bool is_refused(fw *f)
{
    if (atomic_load_explicit(&f->refuse, memory_order_relaxed) <= 0)
        return false;
    atomic_fetch_sub(&f->refuse, 1);
    errno = EAGAIN;
    return true;
}

static int transmit(fw *f, int port, struct mmsghdr *heads, int count)
{
    return is_refused(f) ? -1 : sendmmsg(f->sockets[port], heads, (unsigned)count, MSG_DONTWAIT);
}

static bool transmit_one(fw *f, int port, const struct outgoing *out)
{
    struct sockaddr_in6 to;
    socklen_t length = address_to(&to, &out->to, f->families[port]);
    return !is_refused(f) && sendto(f->sockets[port], out->data, out->length, MSG_DONTWAIT, (struct sockaddr *)&to,
                                    length) == out->length;
}

static void fail(struct batch *batch, int which)
{
    batch->failed[batch->failed_count++] = which;
}

static bool is_full(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* A joined message that was refused for what it is, not for want of room: its packets go one by one. */
static void send_apart(fw *f, int port, struct batch *batch, struct sending *sending, const struct message *message)
{
    if (errno == EIO)
        atomic_store(&f->joins, false);
    for (int n = 0, which = message->first; n < message->count; n++, which = sending->next[which])
        if (message->count == 1 || !transmit_one(f, port, &batch->out[which]))
            fail(batch, which);
}

/* Sends from message `from` on. Returns where the kernel would take no more, or the count. What it refuses for
 * another reason (no route, a firewall) fails alone. */
static int push(fw *f, int port, struct batch *batch, struct sending *sending, int from)
{
    while (from < sending->count) {
        int sent = transmit(f, port, sending->heads + from, sending->count - from);
        if (sent > 0)
            from += sent;
        else if (sent < 0 && is_full(errno))
            return from;
        else if (sent == 0 || errno != EINTR)
            send_apart(f, port, batch, sending, &sending->messages[from++]);
    }
    return from;
}

/* The kernel's buffer is full: video is lost at once, audio is offered once more. */
static void push_audio_again(fw *f, int port, struct batch *batch, struct sending *sending, int from)
{
    for (; from < sending->count; from++) {
        const struct message *message = &sending->messages[from];
        for (int n = 0, which = message->first; n < message->count; n++, which = sending->next[which])
            if (batch->out[which].is_video || !transmit_one(f, port, &batch->out[which]))
                fail(batch, which);
    }
}

static bool can_join(const struct batch *batch, const struct message *message, const struct outgoing *out)
{
    const struct outgoing *first = &batch->out[message->first];
    return !message->is_closed && memcmp(&first->to, &out->to, sizeof out->to) == 0 && out->length <= first->length &&
           first->length <= SEGMENT_SIZE_MAX && message->count < SEGMENTS_MAX;
}

static void put(const fw *f, const struct batch *batch, struct sending *sending, int which)
{
    const struct outgoing *out = &batch->out[which];
    int *open = &sending->open[out->leg % OUT_CAPACITY];
    struct message *message = *open >= 0 ? &sending->messages[*open] : NULL;
    if (message != NULL && atomic_load_explicit(&f->joins, memory_order_relaxed) && can_join(batch, message, out)) {
        sending->next[message->last] = which;
        message->last = which;
        message->count++;
        message->is_closed = out->length < batch->out[message->first].length;
        return;
    }
    *open = sending->count++;
    sending->messages[*open] = (struct message){which, which, 1, false};
}

static void write_control(struct msghdr *head, char *room, size_t size, uint16_t segment)
{
    head->msg_control = room;
    head->msg_controllen = size;
    struct cmsghdr *control = CMSG_FIRSTHDR(head);
    *control = (struct cmsghdr){.cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT,
                                .cmsg_len = CMSG_LEN(sizeof segment)};
    memcpy(CMSG_DATA(control), &segment, sizeof segment);
}

static void write_heads(const fw *f, int port, struct batch *batch, struct sending *sending)
{
    struct iovec *piece = sending->pieces;
    for (int i = 0; i < sending->count; i++) {
        const struct message *message = &sending->messages[i];
        struct outgoing *first = &batch->out[message->first];
        struct msghdr *head = &sending->heads[i].msg_hdr;
        *head = (struct msghdr){
            .msg_name = &sending->to[i],
            .msg_namelen = address_to(&sending->to[i], &first->to, f->families[port]),
            .msg_iov = piece,
            .msg_iovlen = (size_t)message->count,
        };
        for (int n = 0, which = message->first; n < message->count; n++, which = sending->next[which])
            *piece++ = (struct iovec){batch->out[which].data, batch->out[which].length};
        if (message->count > 1)
            write_control(head, sending->control[i].room, sizeof sending->control[i].room, first->length);
    }
}

static void collect(const fw *f, int port, struct batch *batch, struct sending *sending)
{
    sending->count = 0;
    memset(sending->open, 0xff, sizeof sending->open);
    for (int i = 0; i < batch->count; i++)
        if (batch->out[i].port == port)
            put(f, batch, sending, i);
    write_heads(f, port, batch, sending);
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

/* Under a flood of strangers' datagrams the thread reads larger portions: waking up for one costs ten times what
 * refusing it costs. Above this rate it rests after a small portion that held nothing else, and people's packets come
 * that much later at most. */
#define STRANGERS_RATE 5000
#define STRANGERS_BURST 100
#define STRANGERS_REST 1000000 /* nanoseconds */

struct receiving {
    struct bucket patience; /* of strangers' datagrams */
    struct mmsghdr heads[BATCH];
    struct iovec pieces[BATCH];
    struct sockaddr_storage from[BATCH];
    uint8_t data[BATCH][ROOM_IN];
};

static void prepare(struct receiving *in)
{
    bucket_set(&in->patience, STRANGERS_RATE, STRANGERS_BURST, true, 0);
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

static void send_and_account(fw *f, struct batch *batch)
{
    batch_send(f, batch);
    if (batch->failed_count == 0)
        return;
    pthread_mutex_lock(&f->lock);
    batch_account(f, batch);
    pthread_mutex_unlock(&f->lock);
}

/* Makes room in a full batch, with the lock let go meanwhile so that the event loop gets its turn. */
static void turn(fw *f, struct batch *batch)
{
    pthread_mutex_unlock(&f->lock);
    send_and_account(f, batch);
    pthread_mutex_lock(&f->lock);
}

static void process(fw *f, struct batch *batch, struct receiving *in, int port, int count)
{
    double now = monotonic();
    pthread_mutex_lock(&f->lock);
    uint64_t strange = f->strange;
    for (int i = 0; i < count; i++) {
        fw_address from;
        if (address_of(&from, &in->from[i]))
            receive(f, batch, port, &from, in->data[i], in->heads[i].msg_len, now);
        if (batch->count >= OUT_PORTION)
            turn(f, batch);
    }
    bool only_strangers = f->strange - strange == (uint64_t)count;
    pthread_mutex_unlock(&f->lock);
    if (only_strangers && count < BATCH && !bucket_take(&in->patience, (size_t)count, now))
        nanosleep(&(struct timespec){.tv_nsec = STRANGERS_REST}, NULL);
}

static int gather(fw *f, struct receiving *in, int port)
{
    for (int i = 0; i < BATCH; i++)
        in->heads[i].msg_hdr.msg_namelen = sizeof in->from[i];
    return recvmmsg(f->sockets[port], in->heads, BATCH, MSG_DONTWAIT, NULL);
}

/* While the first packets of a picture are being encrypted for everybody the next ones come in: they leave together.
 * It waits for nothing, and a batch that is full goes at once. */
static void pump_socket(fw *f, struct batch *batch, struct receiving *in, int port)
{
    int count;
    for (int round = 0; round < ROUNDS && (count = gather(f, in, port)) > 0; round++)
        process(f, batch, in, port, count);
    send_and_account(f, batch);
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
    int none = 0;
    if (setsockopt(copy, SOL_UDP, UDP_SEGMENT, &none, sizeof none) != 0)
        atomic_store(&f->joins, false); /* a kernel before 4.18 */
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
    atomic_store(&f->joins, true);
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
