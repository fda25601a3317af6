/* Packets on their way out: gathered over all receivers, sent with few system calls, never waited for. */
#define _GNU_SOURCE /* sendmmsg */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plane.h"

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
