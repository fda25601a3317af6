/* The thread: it waits for datagrams, takes them in by the batch and lets go what follows from them. */
#define _GNU_SOURCE /* recvmmsg */
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
