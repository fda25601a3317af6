/* Load for one relay: publishers that send by the clock, receivers that count, both on sockets made ready by aiortc.
 *
 * load_run() spins on one core until load_stop(): nobody has to wake it, so the relay never pays for waking it.
 * It is open loop: every packet has a moment on the schedule, written into the last eight bytes of its payload,
 * and goes out then whether or not the relay keeps up; latency counts from that moment. Everything is SRTP: sent
 * packets are protected here, of what arrives every `sample`-th is authenticated, decrypted and timed.
 * What is neither RTP nor garbage (STUN, DTLS, RTCP) is kept for Python, which asks by load_control().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PEOPLE 64
#define STREAMS 128 /* of one receiver; a power of two */
#define BATCH 32
#define DATAGRAM 1600
#define CONTROLS 1024
#define LATENCIES 1000001 /* microseconds; the last is "longer" */
#define TAG_GCM 16
#define TAG_CM 10
#define STAMP 8

typedef struct {
    double at; /* seconds from the beginning of the trace */
    int video, size, first, marker, key;
} event;

typedef struct {
    uint32_t ssrc;
    int payload_type;
    int extension_bytes; /* after the 4 bytes of its header; a multiple of 4 */
    uint8_t extension[24];
    int send_time_at, transport_seq_at; /* offsets in `extension`, -1 for none */
    uint64_t index; /* of the next packet: ROC << 16 | sequence number */
} stream;

typedef struct {
    int gcm;
    EVP_CIPHER_CTX *cipher;
    HMAC_CTX *mac;
    uint8_t salt[14];
} crypt;

typedef struct {
    int fd;
    struct sockaddr_in to;
    crypt protect;
    stream streams[2]; /* audio, video */
    double offset, base, last;
    uint64_t position;
    uint16_t picture, transport_seq;
    int key_wanted, frame_is_key;
} publisher;

typedef struct {
    uint32_t ssrc; /* 0: free */
    uint64_t highest, base;
    uint64_t received; /* while recording */
} incoming;

typedef struct {
    int fd;
    crypt unprotect;
    incoming streams[STREAMS];
} receiver;

typedef struct {
    int who, length;
    uint8_t data[DATAGRAM];
} control;

typedef struct {
    uint64_t sent, refused, late, received, expected, streams, sampled, broken;
    double worst_lag;
} figures;

typedef struct {
    publisher publishers[PEOPLE];
    receiver receivers[PEOPLE];
    int n_publishers, n_receivers, n_events, sample, begun;
    event *events;
    double length, speed;
    atomic_int stop, recording, keyframe;
    _Atomic unsigned int head, tail;
    control controls[CONTROLS];
    uint64_t turn;
    figures counted;
    uint32_t latencies[LATENCIES];
    uint8_t noise[DATAGRAM];
} load;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void put16(uint8_t *at, uint16_t value) { at[0] = (uint8_t)(value >> 8); at[1] = (uint8_t)value; }
static void put32(uint8_t *at, uint32_t value) { put16(at, (uint16_t)(value >> 16)); put16(at + 2, (uint16_t)value); }
static uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* --- SRTP (RFC 3711, RFC 7714) with session keys that Python derived ------------------------------------------- */

static int crypt_open(crypt *c, int gcm, int sending, const uint8_t *key, int bytes, const uint8_t *salt,
                      const uint8_t *authentication) {
    const EVP_CIPHER *cipher = gcm ? (bytes == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm()) : EVP_aes_128_ctr();
    c->gcm = gcm;
    c->cipher = EVP_CIPHER_CTX_new();
    memcpy(c->salt, salt, gcm ? 12 : 14);
    if (!gcm) {
        c->mac = HMAC_CTX_new();
        HMAC_Init_ex(c->mac, authentication, 20, EVP_sha1(), NULL);
    }
    return EVP_CipherInit_ex(c->cipher, cipher, NULL, key, NULL, gcm ? sending : 1) == 1 ? 0 : -1;
}

static void crypt_close(crypt *c) {
    EVP_CIPHER_CTX_free(c->cipher);
    HMAC_CTX_free(c->mac);
}

static void nonce(const crypt *c, uint32_t ssrc, uint64_t index, uint8_t *iv) {
    uint8_t mix[16] = {0};
    int from = c->gcm ? 2 : 4;
    put32(mix + from, ssrc);
    put16(mix + from + 4, (uint16_t)(index >> 32));
    put32(mix + from + 6, (uint32_t)index);
    memset(iv, 0, 16);
    memcpy(iv, c->salt, c->gcm ? 12 : 14);
    for (int i = 0; i < 14; i++) iv[i] ^= mix[i];
}

static void authenticate(const crypt *c, const uint8_t *packet, int length, uint64_t index, uint8_t *tag) {
    uint8_t roc[4], digest[20];
    put32(roc, (uint32_t)(index >> 16));
    HMAC_Init_ex(c->mac, NULL, 0, NULL, NULL);
    HMAC_Update(c->mac, packet, (size_t)length);
    HMAC_Update(c->mac, roc, 4);
    HMAC_Final(c->mac, digest, NULL);
    memcpy(tag, digest, TAG_CM);
}

/* Returns the length on the wire. */
static int protect(const crypt *c, uint8_t *packet, int header, int length, uint32_t ssrc, uint64_t index) {
    uint8_t iv[16];
    int n;
    nonce(c, ssrc, index, iv);
    EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, iv, 1);
    if (c->gcm) EVP_CipherUpdate(c->cipher, NULL, &n, packet, header);
    EVP_CipherUpdate(c->cipher, packet + header, &n, packet + header, length - header);
    if (!c->gcm) {
        authenticate(c, packet, length, index, packet + length);
        return length + TAG_CM;
    }
    EVP_CipherFinal_ex(c->cipher, packet + length, &n);
    EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_GET_TAG, TAG_GCM, packet + length);
    return length + TAG_GCM;
}

/* Returns the length in clear, or -1. */
static int unprotect(const crypt *c, uint8_t *packet, int header, int length, uint32_t ssrc, uint64_t index) {
    uint8_t iv[16], tag[TAG_GCM];
    int n, clear = length - (c->gcm ? TAG_GCM : TAG_CM);
    if (clear < header) return -1;
    nonce(c, ssrc, index, iv);
    if (!c->gcm) {
        authenticate(c, packet, clear, index, tag);
        if (memcmp(tag, packet + clear, TAG_CM) != 0) return -1;
    }
    EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, iv, c->gcm ? 0 : 1);
    if (c->gcm) EVP_CipherUpdate(c->cipher, NULL, &n, packet, header);
    EVP_CipherUpdate(c->cipher, packet + header, &n, packet + header, clear - header);
    if (c->gcm) {
        EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_GCM, packet + clear);
        if (EVP_CipherFinal_ex(c->cipher, packet + clear, &n) != 1) return -1;
    }
    return clear;
}

/* --- what Python builds ----------------------------------------------------------------------------------------- */

load *load_new(const event *events, int count, double length, int sample) {
    load *l = calloc(1, sizeof *l);
    l->events = malloc((size_t)count * sizeof *events);
    memcpy(l->events, events, (size_t)count * sizeof *events);
    l->n_events = count;
    l->length = length;
    l->sample = sample;
    srand(1);
    for (int i = 0; i < DATAGRAM; i++) l->noise[i] = (uint8_t)rand();
    return l;
}

void load_free(load *l) {
    for (int i = 0; i < l->n_publishers; i++) crypt_close(&l->publishers[i].protect);
    for (int i = 0; i < l->n_receivers; i++) crypt_close(&l->receivers[i].unprotect);
    free(l->events);
    free(l);
}

int load_publisher(load *l, int fd, const char *host, int port, int gcm, const uint8_t *key, int bytes,
                   const uint8_t *salt, const uint8_t *authentication, const stream *streams, double offset) {
    publisher *p = &l->publishers[l->n_publishers];
    if (l->n_publishers == PEOPLE || crypt_open(&p->protect, gcm, 1, key, bytes, salt, authentication)) return -1;
    p->fd = fd;
    p->to.sin_family = AF_INET;
    p->to.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &p->to.sin_addr);
    memcpy(p->streams, streams, sizeof p->streams);
    p->offset = offset;
    return l->n_publishers++;
}

int load_receiver(load *l, int fd, int gcm, const uint8_t *key, int bytes, const uint8_t *salt,
                  const uint8_t *authentication) {
    receiver *r = &l->receivers[l->n_receivers];
    if (l->n_receivers == PEOPLE || crypt_open(&r->unprotect, gcm, 0, key, bytes, salt, authentication)) return -1;
    r->fd = fd;
    return l->n_receivers++;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static int payload(load *l, publisher *p, const event *e, uint8_t *at, double due) {
    uint64_t stamp = (uint64_t)(due * 1e9);
    memcpy(at, l->noise, (size_t)e->size);
    if (e->video) { /* RFC 7741: X, S; I; fifteen bits of picture id; then the frame, whose first bit says "not a key" */
        if (e->first) {
            p->picture = (p->picture + 1) & 0x7fff;
            p->frame_is_key = e->key || p->key_wanted;
            p->key_wanted = 0;
        }
        at[0] = (uint8_t)(0x80 | (e->first ? 0x10 : 0));
        at[1] = 0x80;
        put16(at + 2, (uint16_t)(0x8000 | p->picture));
        at[4] = (uint8_t)(p->frame_is_key ? 0x10 : 0x11);
    }
    memcpy(at + e->size - STAMP, &stamp, STAMP);
    return e->size;
}

static void emit(load *l, publisher *p, const event *e, double trace_time, double due) {
    uint8_t packet[DATAGRAM];
    stream *s = &p->streams[e->video];
    int header = 12 + 4 + s->extension_bytes;
    packet[0] = 0x90;
    packet[1] = (uint8_t)((e->marker ? 0x80 : 0) | s->payload_type);
    put16(packet + 2, (uint16_t)s->index);
    put32(packet + 4, (uint32_t)(uint64_t)(trace_time * (e->video ? 90000 : 48000)));
    put32(packet + 8, s->ssrc);
    put32(packet + 12, 0xBEDE0000u | (uint32_t)(s->extension_bytes / 4));
    memcpy(packet + 16, s->extension, (size_t)s->extension_bytes);
    if (s->send_time_at >= 0) {
        uint32_t fixed = (uint32_t)(uint64_t)(due * 262144.0);
        packet[16 + s->send_time_at] = (uint8_t)(fixed >> 16);
        put16(packet + 17 + s->send_time_at, (uint16_t)fixed);
    }
    if (s->transport_seq_at >= 0) put16(packet + 16 + s->transport_seq_at, p->transport_seq++);
    int length = header + payload(l, p, e, packet + header, due);
    length = protect(&p->protect, packet, header, length, s->ssrc, s->index);
    s->index++;
    if (sendto(p->fd, packet, (size_t)length, MSG_DONTWAIT, (struct sockaddr *)&p->to, sizeof p->to) < 0)
        l->counted.refused++;
}

static void send_due(load *l, publisher *p, double start) {
    double time = now();
    for (;;) {
        const event *e = &l->events[p->position % (uint64_t)l->n_events];
        double trace_time = (double)(p->position / (uint64_t)l->n_events) * l->length + e->at;
        double due = start + (p->offset + trace_time) / l->speed;
        if (due > time) return;
        double lag = time - due;
        emit(l, p, e, p->base + trace_time, due);
        p->last = trace_time;
        p->position++;
        if (!atomic_load_explicit(&l->recording, memory_order_relaxed)) continue;
        l->counted.sent++;
        l->counted.late += lag > 1e-3;
        if (lag > l->counted.worst_lag) l->counted.worst_lag = lag;
    }
}

/* --- receiving -------------------------------------------------------------------------------------------------- */

static void keep_control(load *l, int who, const uint8_t *data, int length) {
    unsigned int head = atomic_load(&l->head);
    if (head - atomic_load(&l->tail) == CONTROLS) return;
    control *c = &l->controls[head % CONTROLS];
    c->who = who;
    c->length = length;
    memcpy(c->data, data, (size_t)length);
    atomic_store(&l->head, head + 1);
}

/* Next datagram for Python: returns its length, or 0. Receivers are numbered after PEOPLE. */
int load_control(load *l, uint8_t *data, int *who) {
    unsigned int tail = atomic_load(&l->tail);
    if (tail == atomic_load(&l->head)) return 0;
    control *c = &l->controls[tail % CONTROLS];
    int length = c->length;
    memcpy(data, c->data, (size_t)length);
    *who = c->who;
    atomic_store(&l->tail, tail + 1);
    return length;
}

static incoming *find(receiver *r, uint32_t ssrc) {
    for (uint32_t step = 0, at = ssrc * 2654435761u >> 16; step < STREAMS; step++, at++) {
        incoming *s = &r->streams[at % STREAMS];
        if (s->ssrc == ssrc) return s;
        if (s->ssrc == 0) {
            s->ssrc = ssrc;
            s->highest = UINT64_MAX;
            s->base = UINT64_MAX;
            return s;
        }
    }
    return NULL;
}

/* RFC 3711, 3.3.1: the packet index nearest to the highest known. */
static uint64_t extend(uint64_t highest, uint16_t seq) {
    if (highest == UINT64_MAX) return seq;
    uint64_t roc = highest >> 16;
    uint16_t last = (uint16_t)highest;
    if (last < 32768 && seq > last && seq - last > 32768 && roc > 0) roc--;
    else if (last >= 32768 && seq < last && last - seq > 32768) roc++;
    return roc << 16 | seq;
}

static int header_length(const uint8_t *packet, int length) {
    int header = 12 + 4 * (packet[0] & 15);
    if (!(packet[0] & 0x10)) return header;
    if (header + 4 > length) return -1;
    return header + 4 + 4 * (packet[header + 2] << 8 | packet[header + 3]);
}

static void look_inside(load *l, receiver *r, uint8_t *packet, int length, const incoming *s, uint64_t index,
                        double time) {
    int header = header_length(packet, length);
    int clear = header < 0 || header > length ? -1 : unprotect(&r->unprotect, packet, header, length, s->ssrc, index);
    l->counted.sampled++;
    if (clear < header + STAMP) {
        l->counted.broken++;
        return;
    }
    uint64_t stamp;
    memcpy(&stamp, packet + clear - STAMP, STAMP);
    double latency = (time - (double)stamp * 1e-9) * 1e6;
    l->latencies[latency < 0 ? 0 : latency >= LATENCIES ? LATENCIES - 1 : (int)latency]++;
}

static void count(load *l, receiver *r, uint8_t *packet, int length, double time) {
    incoming *s = length < 12 ? NULL : find(r, get32(packet + 8));
    if (s == NULL) return;
    uint64_t index = extend(s->highest, (uint16_t)(packet[2] << 8 | packet[3]));
    if (s->highest == UINT64_MAX || index > s->highest) s->highest = index;
    if (!atomic_load_explicit(&l->recording, memory_order_relaxed)) return;
    if (s->base == UINT64_MAX) s->base = index;
    if (index < s->base) return;
    s->received++;
    l->counted.received++;
    if (++l->turn % (uint64_t)l->sample == 0) look_inside(l, r, packet, length, s, index, time);
}

static void receive(load *l, int fd, int who, receiver *r, struct mmsghdr *messages, uint8_t (*buffers)[DATAGRAM]) {
    int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
    double time = n > 0 ? now() : 0;
    for (int i = 0; i < n; i++) {
        uint8_t *data = buffers[i];
        int length = (int)messages[i].msg_len;
        int media = length > 1 && data[0] >= 128 && data[0] < 192 && !(data[1] >= 192 && data[1] <= 223);
        if (!media) keep_control(l, who, data, length);
        else if (r != NULL) count(l, r, data, length, time);
    }
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

/* What is counted begins and ends here; call it from another thread than load_run's. */
void load_record(load *l, int on) { atomic_store(&l->recording, on); }
void load_keyframe(load *l) { atomic_store(&l->keyframe, 1); }
void load_stop(load *l) { atomic_store(&l->stop, 1); }

static void begin(load *l, double speed) {
    atomic_store(&l->stop, 0);
    atomic_store(&l->recording, 0);
    l->speed = speed;
    memset(&l->counted, 0, sizeof l->counted);
    memset(l->latencies, 0, sizeof l->latencies);
    for (int i = 0; i < l->n_publishers; i++) {
        publisher *p = &l->publishers[i];
        p->base += p->last + 0.1;
        p->position = 0;
        p->key_wanted = 1;
    }
    for (int i = 0; i < l->n_receivers; i++)
        for (int k = 0; k < STREAMS; k++) {
            l->receivers[i].streams[k].base = UINT64_MAX;
            l->receivers[i].streams[k].received = 0;
        }
}

/* Blocks until load_stop(). `speed`: how much faster than real time the trace is played. */
void load_run(load *l, double speed) {
    static uint8_t buffers[BATCH][DATAGRAM];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], DATAGRAM};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    begin(l, speed);
    double start = now(), next_look = start;
    while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
        int key = atomic_exchange(&l->keyframe, 0);
        for (int i = 0; i < l->n_receivers; i++) {
            receive(l, l->receivers[i].fd, PEOPLE + i, &l->receivers[i], messages, buffers);
            if (i % 4) continue;
            for (int k = 0; k < l->n_publishers; k++) send_due(l, &l->publishers[k], start);
        }
        for (int i = 0; i < l->n_publishers; i++) {
            l->publishers[i].key_wanted |= key;
            send_due(l, &l->publishers[i], start);
        }
        if (now() < next_look) continue;
        next_look = now() + 1e-3;
        for (int i = 0; i < l->n_publishers; i++) receive(l, l->publishers[i].fd, i, NULL, messages, buffers);
    }
}

void load_figures(load *l, figures *out) {
    *out = l->counted;
    for (int i = 0; i < l->n_receivers; i++)
        for (int k = 0; k < STREAMS; k++) {
            incoming *s = &l->receivers[i].streams[k];
            if (s->ssrc == 0 || s->received == 0) continue;
            out->streams++;
            out->expected += s->highest - s->base + 1;
        }
}

/* Microseconds below which `share` of the sampled packets arrived, or -1. */
double load_latency(load *l, double share) {
    uint64_t total = 0, below = 0;
    for (int i = 0; i < LATENCIES; i++) total += l->latencies[i];
    for (int i = 0; i < LATENCIES && total > 0; i++)
        if ((double)(below += l->latencies[i]) >= share * (double)total) return i;
    return -1;
}

/* SSRC and highest sequence number of each stream of a receiver, for his receiver reports; returns how many. */
int load_streams(load *l, int number, uint32_t *pairs, int limit) {
    int n = 0;
    for (int k = 0; k < STREAMS && n < limit; k++) {
        incoming *s = &l->receivers[number].streams[k];
        if (s->ssrc == 0 || s->highest == UINT64_MAX) continue;
        pairs[2 * n] = s->ssrc;
        pairs[2 * n++ + 1] = (uint32_t)s->highest;
    }
    return n;
}
