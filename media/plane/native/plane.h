/* The tables of the compiled forwarder, and what its parts offer each other. Start here.
 *
 * Threads and the lock. Two threads come here: the forwarder's own (pump.c: sockets in, sockets out) and the event
 * loop's (api.h: changes to the tables, retransmissions). Both hold `fw.lock` while they look at anything below, and
 * let it go while they receive or send; only a datagram that brings more packets than a batch holds is sent with it.
 * The lock hands itself to the first who waits and lends him priority, so the event loop waits for one portion at
 * most. Events have a lock of their own (events.c): reading them never waits for packets. Nothing here touches the
 * interpreter.
 *
 * The life of a packet.
 *   pump.c     recvmmsg: up to BATCH datagrams at once, again while more come
 *   receive.c  whose is it (directory.c: by address)? STUN apart (stun.c); within its sender's ceiling?
 *              authenticate and decrypt in place (srtp.c, window.c), parse (rtp.c), find or learn its layer (streams.c)
 *              undo RTX and RED, count (reception.c), take each number once, remember (ring.c);
 *              does a key frame start (codecs.c)?
 *   send.c     for every slot of its source: switch if it waited for this, number anew, write the header,
 *              encrypt straight into the outgoing batch
 *   batch.c    sendmmsg: the whole batch over all receivers, packets of one receiver joined into one message
 *
 * Memory. Whatever hostile input can make grow has a maximum here or in fanout.h; rings are allocated with the first
 * packet of a layer. A leg owns its sources, slots, addresses, credentials and streams; removing it frees them all.
 * Other objects are named by handles across threads and over time (pool.c), by pointers while the lock is held.
 */
#ifndef CONSILIUM_PLANE_H
#define CONSILIUM_PLANE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fanout.h"

#define MAX_DATAGRAM 1500
#define OUT_ROOM 1600 /* a packet grows by at most our header, its extensions, RTX and the tag */
#define BATCH 64 /* datagrams in */
#define OUT_CAPACITY 256
#define OUT_PORTION 192 /* sent at once; the rest is for what one datagram may bring */
#define NOBODY 0xffff /* among the shares of the events: no leg has this index */
#define STRAYS_RATE 50
#define STREAMS 64 /* SSRCs remembered per leg; more than SOURCES x LAYERS x 2 */
#define REPLAY_WINDOW 1024
#define SEGMENTS 4
#define RED_BLOCKS 16
#define MAX_NAME 16 /* MID and RID in a one-byte header extension */
#define MAX_UFRAG 64
#define MAX_PASSWORD 128
#define SILENCE 127
#define VOICE_LEVEL 50
#define VOICE_QUIET 0.4
#define AUDIO_LEAD 0.24
#define MISSING_FOR 1.0
#define MISSING_AGAIN 0.05
#define RESTART_SILENCE 1.0
#define RED_DISTANCE 2
#define RED_PACKET 1200

enum codec { OPUS, VP8, H264, VP9, AV1 };

enum reason {
    STRANGER, BAD_STUN, TOO_LONG, UNKNOWN_KIND, NO_KEYS, FLOOD, AUTH, REPLAY, MALFORMED, UNKNOWN_SSRC,
    NOT_PERMITTED, PAYLOAD_TYPE, PADDING, LATE, BLOCKED, BUDGET, QUEUE_FULL, REASONS,
    SENT = REASONS
};

/* ---- directory.c: what strangers look up, by bytes, with a hash they cannot predict */

struct entry {
    struct entry *next;
    uint64_t hash;
    struct leg *leg;
    uint8_t length;
    uint8_t key[MAX_UFRAG];
};

struct directory {
    struct entry **buckets;
    size_t size, count; /* size is a power of two */
    uint64_t seed[2];
};

bool directory_open(struct directory *d);
void directory_close(struct directory *d); /* the entries belong to the legs */
struct entry *directory_find(const struct directory *d, const uint8_t *key, size_t length);
bool directory_add(struct directory *d, struct entry *entry);
void directory_remove(struct directory *d, struct entry *entry);
size_t address_key(uint8_t key[24], int port, const fw_address *address);
bool address_of(fw_address *address, const struct sockaddr_storage *from);
socklen_t address_to(struct sockaddr_in6 *to, const fw_address *address, int family);

struct credential {
    struct entry entry; /* key: our ufrag */
    struct evp_mac_ctx_st *mac; /* keyed with the password */
};

struct admitted {
    struct entry entry; /* key: address_key */
    struct admitted *older, *newer;
};

/* ---- srtp.c: HMAC-SHA1 with its key schedule kept, and SRTP */

#define HMAC_DIGEST 20

struct evp_mac_ctx_st *hmac_open(const uint8_t *key, size_t length);
void hmac_close(struct evp_mac_ctx_st *mac);
bool hmac_sign(struct evp_mac_ctx_st *mac, const uint8_t *data, size_t length, const uint8_t *more,
               size_t more_length, uint8_t digest[HMAC_DIGEST]);

struct srtp; /* one direction of one leg: session keys with their schedules kept */

size_t srtp_key_length(int profile);
size_t srtp_salt_length(int profile);
struct srtp *srtp_open(int profile, bool encrypts, const uint8_t *key, const uint8_t *salt);
void srtp_close(struct srtp *s);
size_t srtp_tag(const struct srtp *s);
/* Header of `header` bytes stands in `packet`; the payload is encrypted behind it. Returns the length, 0: failed. */
size_t srtp_protect(struct srtp *s, uint8_t *packet, size_t header, const uint8_t *payload, size_t length,
                    uint32_t ssrc, uint64_t index);
/* Authenticates and decrypts in place; returns false and leaves garbage when the tag is wrong. */
bool srtp_unprotect(struct srtp *s, uint8_t *packet, size_t header, size_t length, uint32_t ssrc, uint64_t index);

/* Numbers of 64 bits out of 16: the one nearest to `near`. */
static inline int64_t extend(int64_t near, uint16_t number)
{
    return near + (int16_t)(uint16_t)(number - (uint16_t)near);
}

/* ---- window.c: what was seen lately */

struct window {
    int64_t top; /* highest seen; -1: nothing yet */
    uint64_t seen[REPLAY_WINDOW / 64];
};

static inline bool window_has(const struct window *w, int64_t number)
{
    uint64_t at = (uint64_t)number % REPLAY_WINDOW;
    return (w->seen[at / 64] >> (at % 64)) & 1;
}

static inline bool window_left(const struct window *w, int64_t number)
{
    return number <= w->top - REPLAY_WINDOW;
}

void window_mark(struct window *w, int64_t number);

/* ---- ring.c: the last packets of a layer in clear, in order of arrival, found by number */

struct kept {
    int64_t number;
    double arrival;
    uint32_t ts;
    uint32_t offset; /* into bytes */
    uint16_t length;
    int16_t next; /* in the same chain; -1 ends it */
    int16_t level, orientation; /* -1: none */
    bool marker;
};

struct ring {
    uint32_t packets, limit; /* in packets and bytes of payload */
    uint32_t oldest, count, held;
    uint32_t head, room;
    int16_t *chains;
    struct kept *kept;
    uint8_t *bytes;
};

struct ring *ring_open(bool video);
void ring_close(struct ring *ring);
void ring_clear(struct ring *ring);
struct packet;
void ring_keep(struct ring *ring, const struct packet *packet);
const struct kept *ring_find(const struct ring *ring, int64_t number);
const struct kept *ring_at(const struct ring *ring, uint32_t place); /* 0: the oldest */
void ring_packet(const struct ring *ring, const struct kept *kept, struct packet *packet);

/* ---- rtp.c and codecs.c: reading what came */

struct header { /* of a received RTP packet */
    uint32_t ssrc, ts;
    uint16_t seq;
    uint8_t payload_type;
    bool marker, padded;
    size_t size;
    uint8_t mid_length, rid_length, repaired_length;
    const uint8_t *mid, *rid, *repaired;
    int level, orientation, transport_seq; /* -1: none */
};

struct packet { /* one frame or piece of a frame on its way from a layer to slots */
    int64_t number; /* extended sequence number of its layer */
    double arrival;
    uint32_t ts;
    bool marker, starts_keyframe;
    int level, orientation; /* -1: none */
    uint8_t *payload; /* ours to patch and to put back */
    size_t length;
};

struct picture { /* where a VP8 payload carries its picture id and TL0PICIDX; 0: nowhere */
    uint8_t id_at, id_bytes, tl0_at;
    uint16_t id;
    uint8_t tl0;
};

bool rtp_fixed(const uint8_t *data, size_t length, size_t *header); /* before decryption */
bool rtp_parse(const uint8_t *data, size_t header, const fw_extensions *numbers, struct header *out);
bool starts_keyframe(int codec, const uint8_t *payload, size_t length);
void picture_find(const uint8_t *payload, size_t length, struct picture *picture);
void picture_write(uint8_t *payload, const struct picture *picture, uint16_t id, uint8_t tl0);

/* ---- the tables */

struct bucket { /* of bytes */
    double rate, depth, tokens, since;
};

bool bucket_take(struct bucket *b, size_t bytes, double now);
void bucket_set(struct bucket *b, double rate, double depth, bool is_new, double now);

struct stream { /* an SSRC of a publisher: SRTP state, and the layer it carries (NULL: once did) */
    uint32_t ssrc;
    bool is_rtx;
    struct layer *layer;
    struct window window; /* of SRTP indices */
    double heard;
};

struct missed {
    int64_t number;
    double since, asked;
};

struct layer {
    fw_handle handle;
    struct source *source;
    uint32_t epoch; /* changes when its numbers begin anew; what remembers older ones is void */
    char rid[MAX_NAME + 1];
    uint32_t ssrc, rtx_ssrc;
    uint32_t told_ssrc, told_rtx_ssrc; /* what the relay announced last */
    bool fresh; /* nothing taken in this epoch */
    int64_t floor;
    struct window window; /* of extended sequence numbers, so that none is forwarded twice */
    struct ring *ring;
    struct missed *missed; /* FW_MISSING_LIMIT, allocated with the first gap */
    int missing;
    uint32_t keyframe_ts;
    bool keyframe_seen;
    bool timed;
    double last_transit_at;
    uint32_t last_ts;
    fw_layer_figures figures;
};

struct source {
    fw_handle handle;
    struct leg *leg;
    fw_source told;
    uint8_t mid_length;
    struct layer *layers[FW_LAYERS];
    struct slot **slots;
    int slot_count, slot_room;
    int loudest;
    bool has_spoken;
    double spoke;
};

struct segment { /* of a slot's packets: where they come from and how their numbers map */
    int64_t first_in, first_out;
    uint32_t epoch, ts_delta;
    uint16_t id_delta;
    uint8_t tl0_delta;
    int8_t layer;
};

struct slot {
    fw_handle handle;
    struct leg *leg;
    fw_slot told;
    uint8_t mid_length;
    struct source *source;
    int place; /* among source->slots */
    int wanted, layer, red_distance;
    bool waiting;
    struct segment segments[SEGMENTS]; /* newest first */
    int segment_count;
    int64_t out_top; /* -1: nothing sent yet; the rest belongs to that packet */
    uint32_t out_ts;
    double last_sent;
    bool had_id, had_tl0;
    uint16_t out_id;
    uint8_t out_tl0;
    uint64_t rtx_next;
    enum reason cutting; /* REASONS: not; else why the rest of the frame `cut_ts` is dropped */
    uint32_t cut_ts;
    uint64_t packets, bytes;
};

struct master { /* keys as they came out of DTLS; unused bytes are 0 */
    int profile;
    uint8_t receive_key[32], receive_salt[14], send_key[32], send_salt[14];
};

struct leg {
    fw_handle handle;
    fw_extensions numbers;
    struct bucket ceiling; /* rate 0: no limit */
    struct bucket budget;
    bool is_budgeted;
    struct srtp *receive, *send;
    struct master master;
    struct credential *credentials[FW_GENERATIONS];
    struct admitted *newest, *oldest;
    int addresses;
    int to_port; /* -1: nowhere yet */
    fw_address to;
    struct stream *streams[STREAMS];
    int stream_count, learned;
    struct source *sources[FW_SOURCES];
    struct slot *slots[FW_SLOTS];
    uint16_t *arrival_numbers; /* FW_ARRIVALS, allocated with the first transport-wide number */
    int64_t *arrival_instants;
    uint32_t arrival_first, arrival_count;
    fw_leg_figures figures;
};

struct pool_entry {
    void *item;
    uint32_t generation;
    uint32_t next_free;
};

struct pool { /* handle -> object */
    struct pool_entry *entries;
    uint32_t size, used, first_free, limit;
};

bool pool_add(struct pool *pool, void *item, fw_handle *handle);
void *pool_get(const struct pool *pool, fw_handle handle);
void pool_remove(struct pool *pool, fw_handle handle);
void pool_close(struct pool *pool);

/* ---- events.c: what Python is told */

struct events {
    pthread_mutex_t lock;
    int wakeup; /* eventfd */
    uint8_t *bytes;
    size_t first, held;
    uint32_t *share; /* bytes waiting by index of the leg */
    bool is_signalled;
};

bool lock_open(pthread_mutex_t *mutex);
bool events_open(struct events *e);
void events_close(struct events *e);
bool events_tell(struct events *e, fw_event event, const uint8_t *head, size_t head_length, const uint8_t *data,
                 size_t length, fw_handle leg);
size_t events_take(struct events *e, uint8_t *records, size_t room);

/* ---- batch.c: packets on their way out */

struct outgoing {
    fw_address to;
    uint8_t port;
    bool is_video, is_rtx;
    uint16_t length, octets; /* the datagram; its payload in clear */
    uint32_t in_ts;
    fw_handle slot, leg;
    uint8_t data[OUT_ROOM];
};

struct batch {
    int count;
    int failed_count;
    int failed[OUT_CAPACITY];
    struct outgoing *out; /* OUT_CAPACITY */
};

bool batch_open(struct batch *batch);
void batch_close(struct batch *batch);
struct outgoing *batch_next(fw *f, struct batch *batch); /* sends what it holds when it is full */
void batch_send(fw *f, struct batch *batch); /* without the lock */
void batch_account(fw *f, struct batch *batch); /* with the lock, after batch_send */

struct captured {
    struct captured *next;
    fw_address to;
    int port;
    size_t length;
    uint8_t data[];
};

struct fw {
    pthread_mutex_t lock;
    struct pool legs, sources, layers, slots;
    struct directory addresses, ufrags;
    uint64_t strangers[REASONS], strange; /* strange: their sum */
    struct bucket strays; /* strangers' RTCP that Python is told of */
    struct events events;
    struct batch own; /* of calls from Python; the thread has its own */
    int sockets[FW_PORTS], families[FW_PORTS], socket_count;
    int epoll, stop; /* stop: eventfd */
    bool is_running;
    atomic_bool joins; /* the kernel cuts one message into several datagrams (UDP_SEGMENT) */
    pthread_t thread;
    bool is_capturing;
    struct captured *captured, **captured_end;
    int captured_count;
    atomic_int refuse;
};

/* ---- receive.c, streams.c, reception.c, send.c, stun.c: the steps */

void receive(fw *f, struct batch *batch, int port, const fw_address *from, uint8_t *data, size_t length, double now);
struct credential *stun_check(const struct directory *ufrags, const uint8_t *data, size_t length);
void layer_restart(fw *f, struct layer *layer);
void tell_layer(fw *f, struct layer *layer, uint8_t kind);
void measure(fw *f, struct layer *layer, const struct packet *packet, double now);
void notice_gap(fw *f, struct layer *layer, int64_t from, int64_t to, double now);
void found(struct layer *layer, int64_t number);
struct stream *learn(fw *f, struct leg *leg, const struct header *header, double now);
struct stream *stream_of(struct leg *leg, uint32_t ssrc);
struct stream *stream_bind(struct leg *leg, uint32_t ssrc, struct layer *layer, bool is_rtx);
void forward(fw *f, struct batch *batch, struct layer *layer, struct packet *packet, double now);
void slot_lead(fw *f, struct batch *batch, struct slot *slot, double now);
bool slot_resend(fw *f, struct batch *batch, struct slot *slot, uint16_t lost, double now);
void slot_wait(fw *f, struct slot *slot);
void slot_leave(struct slot *slot);
void slot_rekey(fw *f, struct slot *slot);
int layer_index(const struct layer *layer);

#endif
