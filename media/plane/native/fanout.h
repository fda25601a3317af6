/* The compiled forwarder as Python sees it (compiled.py binds it through cffi, which reads what stands between
 * the two marks below).
 *
 * Objects are named by handles: an index with a generation, so that one that was removed is refused (FW_STALE)
 * and never followed. Every function is safe to call while the thread runs; all of them take the forwarder's lock
 * for a moment. `now` is CLOCK_MONOTONIC in seconds. What a number means stands in ../table.py.
 */
#ifndef CONSILIUM_FANOUT_H
#define CONSILIUM_FANOUT_H

#include <stddef.h>
#include <stdint.h>

/* cffi: begin */
#define FW_LAYERS 3
#define FW_SLOTS 64
#define FW_SOURCES 8
#define FW_GENERATIONS 2
#define FW_ADDRESSES 32
#define FW_SSRCS 16
#define FW_CODECS 5
#define FW_REASONS 17
#define FW_ARRIVALS 1024
#define FW_MISSING_LIMIT 128
#define FW_PORTS 16

#define FW_STALE -1
#define FW_FULL -2
#define FW_INVALID -3
#define FW_MEMORY -4

typedef struct fw fw;
typedef int64_t fw_handle;

typedef struct {
    uint8_t family; /* 4 or 6 */
    uint8_t host[16];
    uint16_t port;
} fw_address;

typedef struct {
    uint8_t mid, rid, repaired_rid, level, send_time, transport_seq, orientation;
} fw_extensions;

typedef struct {
    int is_video;
    int codec; /* opus vp8 h264 vp9 av1 */
    int payload_type, rtx_payload_type, red_payload_type; /* -1: none */
    int is_open, tap;
    int layers;
    char mid[17];
    char rid[3][17];
    uint32_t ssrc[3], rtx_ssrc[3];
} fw_source;

typedef struct {
    int is_video;
    char mid[17];
    uint32_t ssrc, rtx_ssrc;
    int16_t payload_type[5], rtx_payload_type[5]; /* by codec; -1: none */
    int red_payload_type;
} fw_slot;

typedef struct {
    uint64_t packets_in, bytes_in, packets_out, bytes_out, resent;
    uint64_t drops[17]; /* in the order of fw_reason() */
    double last_heard;
} fw_leg_figures;

typedef struct {
    int flowing;
    uint32_t ssrc, rtx_ssrc;
    double last_packet, jitter;
    uint64_t packets, bytes, repeated, keyframes;
    int64_t first_seq, highest;
} fw_layer_figures;

typedef struct {
    int loudest;
    fw_layer_figures layers[3];
} fw_source_figures;

typedef struct {
    fw_handle handle;
    uint64_t packets, bytes;
    double last_sent;
    int32_t layer, waiting;
    uint32_t ts_delta, reserved;
} fw_slot_figures;

/* What the event loop reads; `size` counts this head and the data behind it, rounded up to 8. */
typedef struct {
    uint32_t size, length;
    uint8_t kind; /* fw_event */
    uint8_t family;
    uint16_t port; /* UDP port of the sender */
    uint32_t a, b; /* socket number, layer, or SSRC and RTX SSRC */
    uint8_t host[16];
    uint32_t reserved;
    int64_t handle;
} fw_event;

#define FW_STUN 1
#define FW_DTLS 2
#define FW_RTCP 3
#define FW_FLOWING 4
#define FW_GAP 5
#define FW_VOICE 6
#define FW_KEYFRAME 7
#define FW_SWITCHED 8
#define FW_TAPPED 9
#define FW_STRAY 10

fw *fw_new(void);
void fw_stop(fw *f); /* idempotent; the tables stay usable */
void fw_free(fw *f);
/* Start the thread on copies of these sockets. Returns 1 when it got realtime priority, 0 when not. */
int fw_start(fw *f, const int *sockets, int count, int realtime);
int fw_wakeup(fw *f); /* readable when events wait */
size_t fw_take(fw *f, void *records, size_t room);
const char *fw_reason(int number);
void fw_strangers(fw *f, uint64_t *drops);

fw_handle fw_add_leg(fw *f, double now);
int fw_update_leg(fw *f, fw_handle leg, const fw_extensions *numbers, double ceiling, double now);
int fw_remove_leg(fw *f, fw_handle leg);
int fw_credentials(fw *f, fw_handle leg, const char *ufrag, const char *password);
int fw_admit(fw *f, fw_handle leg, int port, const fw_address *address);
int fw_direct(fw *f, fw_handle leg, int port, const fw_address *address);
/* profile: 0 AES128_GCM, 1 AES256_GCM, 2 AES128_CM_SHA1_80; master keys of its lengths */
int fw_key(fw *f, fw_handle leg, int profile, const uint8_t *receive_key, const uint8_t *receive_salt,
           const uint8_t *send_key, const uint8_t *send_salt);
int fw_budget(fw *f, fw_handle leg, double video_bits, double now);

/* `layers` receives the handles of its layers. */
fw_handle fw_add_source(fw *f, fw_handle leg, const fw_source *source, fw_handle *layers);
int fw_update_source(fw *f, fw_handle source, const fw_source *changed, fw_handle *layers);
int fw_remove_source(fw *f, fw_handle source);
int fw_rest(fw *f, fw_handle layer);

fw_handle fw_add_slot(fw *f, fw_handle leg, const fw_slot *slot);
int fw_connect(fw *f, fw_handle slot, fw_handle source, int layer, double now); /* source 0: none */
int fw_choose(fw *f, fw_handle slot, int layer, double now);
int fw_redundancy(fw *f, fw_handle slot, int distance);
int fw_retransmit(fw *f, fw_handle slot, const uint16_t *lost, int count, double now);

int fw_missing(fw *f, fw_handle layer, uint16_t *numbers, double now);       /* room for FW_MISSING_LIMIT */
int fw_arrivals(fw *f, fw_handle leg, uint16_t *numbers, int64_t *instants); /* room for FW_ARRIVALS each */
int fw_leg_read(fw *f, fw_handle leg, fw_leg_figures *figures);
int fw_source_read(fw *f, fw_handle source, fw_source_figures *figures); /* forgets `loudest` */
int fw_slot_read(fw *f, fw_handle slot, fw_slot_figures *figures);
int fw_slots_read(fw *f, fw_handle leg, fw_slot_figures *figures); /* room for FW_SLOTS; returns how many */

/* For tests: one datagram as if it had come from the network; what goes out is kept in memory instead of being
 * sent; the kernel takes none of the next so many datagrams. */
void fw_feed(fw *f, int port, const fw_address *from, const uint8_t *data, size_t length, double now);
void fw_capture(fw *f, int on);
int fw_captured(fw *f, int *port, fw_address *to, uint8_t *data, size_t room); /* length, 0: no more */
void fw_refuse(fw *f, int datagrams);
/* cffi: end */

#endif
