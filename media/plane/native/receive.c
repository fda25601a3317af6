/* From a datagram to packets of a layer: everything that is checked, and in which order. */
#include <stdlib.h>
#include <string.h>

#include "plane.h"

static void drop(struct leg *leg, enum reason reason)
{
    leg->figures.drops[reason]++;
}

bool bucket_take(struct bucket *b, size_t bytes, double now)
{
    double filled = b->tokens + (now - b->since) * b->rate;
    b->tokens = filled < b->depth ? filled : b->depth;
    b->since = now;
    if ((double)bytes > b->tokens)
        return false;
    b->tokens -= (double)bytes;
    return true;
}

/* A new bucket is full; one that changes keeps what it has, as far as that still fits. */
void bucket_set(struct bucket *b, double rate, double depth, bool is_new, double now)
{
    if (is_new)
        *b = (struct bucket){.tokens = depth, .since = now};
    b->tokens = b->tokens < depth ? b->tokens : depth;
    b->rate = rate;
    b->depth = depth;
}

/* ---- a packet of a layer, however it came */

/* Whether this number is taken for the first time. Twice would be sent twice under one SRTP index, with other
 * contents if the sender is malicious. */
static bool take(fw *f, struct layer *layer, const struct packet *packet, bool is_repeated, double now)
{
    int64_t number = packet->number, top = layer->window.top;
    if (layer->fresh) {
        layer->fresh = false;
        layer->floor = number;
        layer->window.top = -1;
    } else if (number < layer->floor || window_left(&layer->window, number)) {
        if (!is_repeated)
            drop(layer->source->leg, LATE);
        return false;
    } else if (number <= top && window_has(&layer->window, number)) {
        return false;
    } else if (layer->source->told.is_video) {
        if (number < top)
            found(layer, number);
        else if (number > top + 1)
            notice_gap(f, layer, top + 1, number, now);
    }
    window_mark(&layer->window, number);
    return true;
}

static void count_keyframe(struct layer *layer, const struct packet *packet)
{
    if (!packet->starts_keyframe || !layer->source->told.is_video)
        return;
    if (!layer->keyframe_seen || packet->ts != layer->keyframe_ts)
        layer->figures.keyframes++;
    layer->keyframe_seen = true;
    layer->keyframe_ts = packet->ts;
}

static void tap(fw *f, struct layer *layer, const struct packet *packet)
{
    const struct source *source = layer->source;
    uint16_t seq = (uint16_t)packet->number;
    const uint8_t header[12] = {
        0x80, (uint8_t)(packet->marker << 7 | source->told.payload_type), (uint8_t)(seq >> 8), (uint8_t)seq,
        (uint8_t)(packet->ts >> 24), (uint8_t)(packet->ts >> 16), (uint8_t)(packet->ts >> 8), (uint8_t)packet->ts,
        (uint8_t)(layer->ssrc >> 24), (uint8_t)(layer->ssrc >> 16), (uint8_t)(layer->ssrc >> 8),
        (uint8_t)layer->ssrc,
    };
    fw_event event = {.kind = FW_TAPPED, .a = (uint32_t)layer_index(layer), .handle = source->handle};
    if (!events_tell(&f->events, event, header, sizeof header, packet->payload, packet->length, source->leg->handle))
        drop(source->leg, QUEUE_FULL);
}

static void keep(struct layer *layer, const struct packet *packet)
{
    if (layer->ring == NULL)
        layer->ring = ring_open(layer->source->told.is_video);
    if (layer->ring != NULL) /* without memory the call goes on, only nothing can be repeated */
        ring_keep(layer->ring, packet);
}

static int64_t number_of(const struct layer *layer, uint16_t seq)
{
    return layer->fresh ? seq : extend(layer->window.top, seq);
}

static void arrive(fw *f, struct batch *batch, struct layer *layer, struct packet *packet, bool is_repeated,
                   double now)
{
    packet->arrival = now;
    if (!is_repeated)
        measure(f, layer, packet, now);
    if (!take(f, layer, packet, is_repeated, now))
        return;
    if (is_repeated)
        layer->figures.repeated++;
    if (packet->length == 0) {
        drop(layer->source->leg, PADDING);
        return;
    }
    packet->starts_keyframe = starts_keyframe(layer->source->told.codec, packet->payload, packet->length);
    count_keyframe(layer, packet);
    keep(layer, packet);
    if (layer->source->told.tap)
        tap(f, layer, packet);
    forward(f, batch, layer, packet, now);
}

/* RFC 4588: the original sequence number, then the original payload. */
static void receive_rtx(fw *f, struct batch *batch, struct layer *layer, struct packet *packet, double now)
{
    if (packet->length < 3) {
        drop(layer->source->leg, PADDING);
        return;
    }
    if (layer->fresh)
        return; /* a repetition does not begin a layer: what it repeats was never taken */
    packet->number = number_of(layer, (uint16_t)(packet->payload[0] << 8 | packet->payload[1]));
    packet->payload += 2;
    packet->length -= 2;
    arrive(f, batch, layer, packet, true, now);
}

struct block { /* of RFC 2198 */
    uint8_t payload_type;
    uint32_t ts_offset;
    size_t length;
};

/* Heads of the blocks, the primary last. Returns their number, 0 when they contradict the packet's length. */
static int read_red(const uint8_t *p, size_t length, struct block *blocks, size_t *bodies)
{
    int count = 0;
    size_t at = 0, redundant = 0;
    for (; at < length && (p[at] & 0x80); at += 4, count++) {
        if (count == RED_BLOCKS - 1 || at + 4 > length)
            return 0;
        blocks[count].payload_type = p[at] & 0x7f;
        blocks[count].ts_offset = (uint32_t)(p[at + 1] << 6 | p[at + 2] >> 2);
        blocks[count].length = (size_t)((p[at + 2] & 3) << 8 | p[at + 3]);
        redundant += blocks[count].length;
    }
    if (at >= length || at + 1 + redundant > length)
        return 0;
    *bodies = at + 1;
    blocks[count] = (struct block){p[at] & 0x7f, 0, length - at - 1 - redundant};
    return count + 1;
}

static void receive_red(fw *f, struct batch *batch, struct layer *layer, struct packet *packet, double now)
{
    struct block blocks[RED_BLOCKS];
    size_t at;
    int media = layer->source->told.payload_type;
    int count = read_red(packet->payload, packet->length, blocks, &at);
    if (count == 0 || blocks[count - 1].payload_type != media) {
        drop(layer->source->leg, count == 0 ? MALFORMED : PAYLOAD_TYPE);
        return;
    }
    for (int i = 0; i < count - 1; at += blocks[i++].length) {
        struct packet earlier = {.number = packet->number - (count - 1 - i), .ts = packet->ts - blocks[i].ts_offset,
                                 .level = -1, .orientation = -1, .payload = packet->payload + at,
                                 .length = blocks[i].length};
        if (!layer->fresh && earlier.length > 0 && blocks[i].payload_type == media)
            arrive(f, batch, layer, &earlier, true, now);
    }
    packet->payload += at;
    packet->length = blocks[count - 1].length;
    arrive(f, batch, layer, packet, false, now);
}

static void remember_arrival(struct leg *leg, uint16_t number, double now)
{
    if (leg->arrival_numbers == NULL)
        leg->arrival_numbers = malloc(FW_ARRIVALS * sizeof *leg->arrival_numbers);
    if (leg->arrival_instants == NULL)
        leg->arrival_instants = malloc(FW_ARRIVALS * sizeof *leg->arrival_instants);
    if (leg->arrival_numbers == NULL || leg->arrival_instants == NULL)
        return;
    uint32_t at = (leg->arrival_first + leg->arrival_count) % FW_ARRIVALS;
    leg->arrival_numbers[at] = number;
    leg->arrival_instants[at] = (int64_t)(now * 1e6);
    if (leg->arrival_count < FW_ARRIVALS)
        leg->arrival_count++;
    else
        leg->arrival_first = (leg->arrival_first + 1) % FW_ARRIVALS;
}

/* ---- from the wire to a layer */

static enum reason authenticate(struct leg *leg, uint8_t *data, size_t length, size_t header, struct stream *stream)
{
    uint16_t seq = (uint16_t)(data[2] << 8 | data[3]);
    /* Early in rollover 0 a far number is ahead: there is nothing behind (as libsrtp does). */
    int64_t index = stream->window.top <= 0x8000 ? seq : extend(stream->window.top, seq);
    if (window_left(&stream->window, index) ||
        (index <= stream->window.top && window_has(&stream->window, index)))
        return REPLAY;
    if (!srtp_unprotect(leg->receive, data, header, length, stream->ssrc, (uint64_t)index))
        return AUTH;
    window_mark(&stream->window, index);
    return SENT;
}

/* The payload without padding; false when the padding is longer than the payload. */
static bool strip_padding(const struct header *header, const uint8_t *payload, size_t *length)
{
    size_t padding = 0;
    if (header->padded) {
        padding = *length > 0 ? payload[*length - 1] : 0;
        if (padding == 0 || padding > *length)
            return false;
    }
    *length -= padding;
    return true;
}

static enum reason dispatch(fw *f, struct batch *batch, struct stream *stream, const struct header *header,
                            struct packet *packet, double now)
{
    struct layer *layer = stream->layer;
    const fw_source *told = &layer->source->told;
    if (!told->is_open)
        return NOT_PERMITTED;
    if (stream->is_rtx) {
        if (header->payload_type != told->rtx_payload_type)
            return PAYLOAD_TYPE;
        receive_rtx(f, batch, layer, packet, now);
        return SENT;
    }
    packet->number = number_of(layer, header->seq);
    if (header->payload_type == told->payload_type)
        arrive(f, batch, layer, packet, false, now);
    else if (!told->is_video && header->payload_type == told->red_payload_type)
        receive_red(f, batch, layer, packet, now);
    else
        return PAYLOAD_TYPE;
    return SENT;
}

static enum reason receive_rtp(fw *f, struct batch *batch, struct leg *leg, uint8_t *data, size_t length, double now)
{
    size_t size;
    struct header header;
    if (leg->ceiling.rate > 0 && !bucket_take(&leg->ceiling, length, now))
        return FLOOD;
    if (leg->receive == NULL)
        return NO_KEYS;
    if (!rtp_fixed(data, length, &size) || size + srtp_tag(leg->receive) > length)
        return MALFORMED;
    uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
    /* An SSRC nobody knows yet is authenticated as if it began here, and leaves no trace unless it is learned. */
    struct stream unknown = {.ssrc = ssrc, .window.top = -1};
    struct stream *known = stream_of(leg, ssrc), *stream = known != NULL ? known : &unknown;
    enum reason refused = authenticate(leg, data, length, size, stream);
    if (refused != SENT)
        return refused;
    uint8_t *payload = data + size;
    size_t payload_length = length - size - srtp_tag(leg->receive);
    if (!rtp_parse(data, size, &leg->numbers, &header) || !strip_padding(&header, payload, &payload_length))
        return MALFORMED;
    if (header.transport_seq >= 0)
        remember_arrival(leg, (uint16_t)header.transport_seq, now);
    if (stream->layer == NULL) {
        stream = learn(f, leg, &header, now);
        if (stream == NULL)
            return UNKNOWN_SSRC;
        if (known == NULL)
            stream->window = unknown.window;
    }
    stream->heard = now;
    struct packet packet = {.ts = header.ts, .marker = header.marker, .level = header.level,
                            .orientation = header.orientation, .payload = payload, .length = payload_length};
    return dispatch(f, batch, stream, &header, &packet, now);
}

static bool tell_datagram(fw *f, fw_handle leg, uint8_t kind, int port, const fw_address *from,
                          const uint8_t *data, size_t length)
{
    fw_event event = {.kind = kind, .family = from->family, .port = from->port, .a = (uint32_t)port, .handle = leg};
    memcpy(event.host, from->host, sizeof event.host);
    return events_tell(&f->events, event, NULL, 0, data, length, leg);
}

static void tell_of(fw *f, struct leg *leg, uint8_t kind, int port, const fw_address *from, const uint8_t *data,
                    size_t length)
{
    if (!tell_datagram(f, leg->handle, kind, port, from, data, length))
        drop(leg, QUEUE_FULL);
}

static void count_in(struct leg *leg, size_t length, double now)
{
    leg->figures.packets_in++;
    leg->figures.bytes_in += length;
    leg->figures.last_heard = now;
}

static struct leg *leg_at(const fw *f, int port, const fw_address *from)
{
    uint8_t key[24];
    const struct entry *entry = directory_find(&f->addresses, key, address_key(key, port, from));
    return entry != NULL ? entry->leg : NULL;
}

static void refuse(fw *f, struct leg *leg, enum reason reason)
{
    if (leg != NULL) {
        drop(leg, reason);
        return;
    }
    f->strangers[reason]++;
    f->strange++;
}

static void receive_stun(fw *f, int port, const fw_address *from, const uint8_t *data, size_t length, double now)
{
    const struct credential *credential = stun_check(&f->ufrags, data, length);
    if (credential == NULL) {
        refuse(f, NULL, BAD_STUN);
        return;
    }
    count_in(credential->entry.leg, length, now);
    tell_of(f, credential->entry.leg, FW_STUN, port, from, data, length);
}

static bool is_rtcp(const uint8_t *data)
{
    return data[1] >= 192 && data[1] <= 223;
}

/* RTCP from an unknown address may be a person's whose network has just changed; Python can tell by his keys, and is
 * asked a few times a second. */
static void receive_stray(fw *f, int port, const fw_address *from, const uint8_t *data, size_t length, double now)
{
    refuse(f, NULL, STRANGER);
    if (data[0] >= 128 && is_rtcp(data) && bucket_take(&f->strays, 1, now))
        tell_datagram(f, NOBODY, FW_STRAY, port, from, data, length);
}

/* RFC 7983: the first octet tells the protocols on one port apart. */
void receive(fw *f, struct batch *batch, int port, const fw_address *from, uint8_t *data, size_t length, double now)
{
    uint8_t first = length >= 2 ? data[0] : 255;
    bool is_dtls = first >= 20 && first < 64, is_rtp = first >= 128 && first < 192;
    if (length <= MAX_DATAGRAM && first < 4) {
        receive_stun(f, port, from, data, length, now);
        return;
    }
    struct leg *leg = leg_at(f, port, from);
    if (length > MAX_DATAGRAM || !(is_dtls || is_rtp)) {
        refuse(f, leg, length > MAX_DATAGRAM ? TOO_LONG : UNKNOWN_KIND);
        return;
    }
    if (leg == NULL) {
        receive_stray(f, port, from, data, length, now);
        return;
    }
    count_in(leg, length, now);
    if (is_dtls) {
        tell_of(f, leg, FW_DTLS, port, from, data, length);
    } else if (is_rtcp(data)) {
        tell_of(f, leg, FW_RTCP, port, from, data, length);
    } else {
        enum reason refused = receive_rtp(f, batch, leg, data, length, now);
        if (refused != SENT)
            drop(leg, refused);
    }
}
