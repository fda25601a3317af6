/* From a packet of a layer to datagrams of receivers: which layer a slot shows, how its numbers continue. */
#include <stdlib.h>
#include <string.h>

#include "plane.h"

#define SEQ_OF(number) ((uint16_t)(number))

static const double CLOCKS[2] = {48000, 90000};

static void drop(struct slot *slot, enum reason reason)
{
    slot->leg->figures.drops[reason]++;
}

static bool is_reachable(const struct slot *slot)
{
    return slot->leg->send != NULL && slot->leg->to_port >= 0;
}

/* ---- which layer flows */

static void tell_slot(fw *f, struct slot *slot, uint8_t kind, uint32_t layer)
{
    fw_event event = {.kind = kind, .a = layer, .handle = slot->handle};
    if (!events_tell(&f->events, event, NULL, 0, NULL, 0, slot->leg->handle))
        drop(slot, QUEUE_FULL);
}

/* Nothing flows until a key frame (audio: a packet) of the wanted layer. */
void slot_wait(fw *f, struct slot *slot)
{
    slot->layer = -1;
    slot->waiting = slot->wanted >= 0;
    if (slot->waiting && slot->told.is_video && slot->source->told.is_open)
        tell_layer(f, slot->source->layers[slot->wanted], FW_KEYFRAME);
}

void slot_leave(struct slot *slot)
{
    struct source *source = slot->source;
    slot->source = NULL;
    slot->layer = -1;
    slot->waiting = false;
    slot->segment_count = 0;
    if (source == NULL)
        return;
    struct slot *last = source->slots[--source->slot_count];
    source->slots[slot->place] = last;
    last->place = slot->place;
}

/* The receiver's new context counts from rollover 0; what he has of the old one he cannot ask for. */
void slot_rekey(fw *f, struct slot *slot)
{
    slot->segment_count = 0;
    slot->rtx_next &= 0xffff;
    slot->out_top = ((slot->out_top + 1) & 0xffff) - 1;
    if (slot->source != NULL)
        slot_wait(f, slot);
}

/* From this packet on the slot shows this layer, as if it had never shown anything else: sequence numbers, picture
 * ids and timestamps go on from the last packet sent. */
static void switch_slot(fw *f, struct slot *slot, int layer, const struct packet *packet,
                        const struct picture *picture, double now)
{
    struct segment segment = {
        .first_in = packet->number,
        .first_out = SEQ_OF(packet->number),
        .epoch = slot->source->layers[layer]->epoch,
        .layer = (int8_t)layer,
    };
    if (slot->out_top >= 0) {
        int64_t passed = (int64_t)((now - slot->last_sent) * CLOCKS[slot->told.is_video != 0]);
        segment.first_out = slot->out_top + 1;
        segment.ts_delta = slot->out_ts + (uint32_t)(passed > 1 ? passed : 1) - packet->ts;
    }
    if (slot->had_id && picture->id_bytes > 0)
        segment.id_delta = (uint16_t)(slot->out_id + 1 - picture->id);
    if (slot->had_tl0 && picture->tl0_at > 0)
        segment.tl0_delta = (uint8_t)(slot->out_tl0 + 1 - picture->tl0);
    memmove(&slot->segments[1], &slot->segments[0], (SEGMENTS - 1) * sizeof segment);
    slot->segments[0] = segment;
    if (slot->segment_count < SEGMENTS)
        slot->segment_count++;
    slot->layer = layer;
    slot->waiting = false;
    slot->cutting = REASONS;
    tell_slot(f, slot, FW_SWITCHED, (uint32_t)layer);
}

/* ---- the outgoing packet */

static size_t write_element(uint8_t *to, uint8_t number, const void *value, size_t length)
{
    if (number == 0)
        return 0;
    to[0] = (uint8_t)(number << 4 | (length - 1));
    memcpy(to + 1, value, length);
    return 1 + length;
}

static size_t write_extensions(uint8_t *to, const struct slot *slot, const struct packet *packet, double now)
{
    const fw_extensions *numbers = &slot->leg->numbers;
    size_t at = 4;
    at += write_element(to + at, slot->mid_length > 0 ? numbers->mid : 0, slot->told.mid, slot->mid_length);
    if (slot->told.is_video) {
        uint32_t instant = (uint32_t)(uint64_t)(now * 262144.0); /* abs-send-time: 6.18 seconds */
        uint8_t orientation = (uint8_t)packet->orientation;
        const uint8_t sent[3] = {(uint8_t)(instant >> 16), (uint8_t)(instant >> 8), (uint8_t)instant};
        at += write_element(to + at, packet->orientation >= 0 ? numbers->orientation : 0, &orientation, 1);
        at += write_element(to + at, numbers->send_time, sent, sizeof sent);
    } else {
        uint8_t level = (uint8_t)packet->level;
        at += write_element(to + at, packet->level >= 0 ? numbers->level : 0, &level, 1);
    }
    if (at == 4)
        return 0;
    while (at % 4 != 0)
        to[at++] = 0;
    to[0] = 0xbe;
    to[1] = 0xde;
    to[2] = 0;
    to[3] = (uint8_t)(at / 4 - 1);
    return at;
}

static size_t write_header(uint8_t *to, const struct slot *slot, const struct packet *packet, int payload_type,
                           uint16_t seq, uint32_t ts, uint32_t ssrc, double now)
{
    size_t extensions = write_extensions(to + 12, slot, packet, now);
    to[0] = extensions > 0 ? 0x90 : 0x80;
    to[1] = (uint8_t)(packet->marker << 7 | payload_type);
    to[2] = (uint8_t)(seq >> 8);
    to[3] = (uint8_t)seq;
    for (int i = 0; i < 4; i++) {
        to[4 + i] = (uint8_t)(ts >> (24 - 8 * i));
        to[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
    }
    return 12 + extensions;
}

/* How many earlier packets can be repeated in front of this one (RFC 2198), and their bytes with heads. */
static int find_redundant(const struct slot *slot, const struct packet *packet, size_t header,
                          const struct kept *earlier[RED_DISTANCE], size_t *bytes)
{
    const struct layer *layer = slot->source->layers[slot->layer];
    int count = 0;
    *bytes = 0;
    while (count < slot->red_distance) {
        int64_t number = packet->number - 1 - count;
        const struct kept *kept =
            number >= slot->segments[0].first_in && layer->ring != NULL ? ring_find(layer->ring, number) : NULL;
        if (kept == NULL || packet->ts - kept->ts > 16383 || kept->length > 1023 ||
            header + *bytes + 4 + kept->length + 1 + packet->length > RED_PACKET)
            break;
        *bytes += 4 + (size_t)kept->length;
        earlier[count++] = kept;
    }
    return count;
}

/* The payload with its redundancy in front; the oldest first. */
static size_t write_red(uint8_t *to, const struct slot *slot, const struct packet *packet, size_t header)
{
    const struct kept *earlier[RED_DISTANCE];
    const struct ring *ring = slot->source->layers[slot->layer]->ring;
    uint8_t payload_type = (uint8_t)slot->told.payload_type[slot->source->told.codec];
    size_t bytes, at = 0;
    int count = find_redundant(slot, packet, header, earlier, &bytes);
    for (int i = count - 1; i >= 0; i--) {
        uint32_t offset = packet->ts - earlier[i]->ts;
        to[at++] = 0x80 | payload_type;
        to[at++] = (uint8_t)(offset >> 6);
        to[at++] = (uint8_t)((offset & 63) << 2 | earlier[i]->length >> 8);
        to[at++] = (uint8_t)earlier[i]->length;
    }
    to[at++] = payload_type;
    for (int i = count - 1; i >= 0; at += earlier[i]->length, i--)
        memcpy(to + at, ring->bytes + earlier[i]->offset, earlier[i]->length);
    memcpy(to + at, packet->payload, packet->length);
    return at + packet->length;
}

/* Video is cut to the end of a frame: a picture with a hole in it helps nobody. */
static bool is_cut(struct slot *slot, const struct packet *packet)
{
    if (slot->cutting != REASONS && packet->ts == slot->cut_ts)
        return true;
    slot->cutting = REASONS;
    return false;
}

static bool fits_budget(struct slot *slot, size_t bytes, double now)
{
    return !slot->told.is_video || !slot->leg->is_budgeted || bucket_take(&slot->leg->budget, bytes, now);
}

/* Hands a written packet to the batch. `header` bytes of it stand in out->data; `written` is its clear payload. */
static void hand_over(struct batch *batch, struct outgoing *out, struct slot *slot, const struct packet *packet,
                      size_t header, const uint8_t *payload, size_t length, uint32_t ssrc, uint64_t index)
{
    struct leg *leg = slot->leg;
    size_t size = srtp_protect(leg->send, out->data, header, payload, length, ssrc, index);
    if (size == 0)
        return; /* libcrypto out of memory */
    out->to = leg->to;
    out->port = (uint8_t)leg->to_port;
    out->is_video = slot->told.is_video != 0;
    out->is_rtx = ssrc == slot->told.rtx_ssrc;
    out->length = (uint16_t)size;
    out->octets = (uint16_t)length;
    out->in_ts = packet->ts;
    out->slot = slot->handle;
    out->leg = leg->handle;
    batch->count++;
    leg->figures.packets_out++;
    leg->figures.bytes_out += size;
}

static void advance(struct slot *slot, const struct segment *segment, int64_t number, const struct packet *packet,
                    const struct picture *picture, double now)
{
    slot->out_top = number;
    slot->out_ts = packet->ts + segment->ts_delta;
    slot->last_sent = now;
    if (picture->id_bytes > 0) {
        slot->had_id = true;
        slot->out_id = (picture->id + segment->id_delta) & 0x7fff;
    }
    if (picture->tl0_at > 0) {
        slot->had_tl0 = true;
        slot->out_tl0 = (uint8_t)(picture->tl0 + segment->tl0_delta);
    }
}

static void patch(const struct segment *segment, const struct packet *packet, const struct picture *picture)
{
    picture_write(packet->payload, picture, (picture->id + segment->id_delta) & 0x7fff,
                  (uint8_t)(picture->tl0 + segment->tl0_delta));
}

static void send_to(fw *f, struct batch *batch, struct slot *slot, const struct packet *packet,
                    const struct picture *picture, double now)
{
    const struct segment *segment = &slot->segments[0];
    int codec = slot->source->told.codec, payload_type = slot->told.payload_type[codec];
    bool has_red = !slot->told.is_video && slot->red_distance > 0 && slot->told.red_payload_type >= 0;
    if (packet->number < segment->first_in || payload_type < 0) {
        drop(slot, payload_type < 0 && packet->number >= segment->first_in ? PAYLOAD_TYPE : LATE);
        return;
    }
    if (slot->told.is_video && is_cut(slot, packet)) {
        drop(slot, slot->cutting);
        return;
    }
    struct outgoing *out = batch_next(f, batch);
    int64_t number = segment->first_out + (packet->number - segment->first_in);
    size_t header = write_header(out->data, slot, packet, has_red ? slot->told.red_payload_type : payload_type,
                                 SEQ_OF(number), packet->ts + segment->ts_delta, slot->told.ssrc, now);
    if (!fits_budget(slot, header + packet->length, now)) {
        slot->cutting = BUDGET;
        slot->cut_ts = packet->ts;
        drop(slot, BUDGET);
        return;
    }
    uint8_t red[OUT_ROOM];
    const uint8_t *payload = has_red ? red : packet->payload;
    size_t length = has_red ? write_red(red, slot, packet, header) : packet->length;
    patch(segment, packet, picture);
    hand_over(batch, out, slot, packet, header, payload, length, slot->told.ssrc, (uint64_t)number);
    slot->packets++;
    slot->bytes += length;
    if (number > slot->out_top)
        advance(slot, segment, number, packet, picture, now);
}

static void restore(const struct packet *packet, const struct picture *picture)
{
    picture_write(packet->payload, picture, picture->id, picture->tl0);
}

static void look_at(const struct source *source, const struct packet *packet, struct picture *picture)
{
    *picture = (struct picture){0};
    if (source->told.codec == VP8)
        picture_find(packet->payload, packet->length, picture);
}

/* The next receiver's slot, leg and cipher are far from this one's in memory: have them brought while this one's copy
 * is encrypted. */
static void fetch_ahead(const struct source *source, int place)
{
    if (place + 2 < source->slot_count) {
        const char *slot = (const char *)source->slots[place + 2];
        for (size_t line = 0; line < sizeof(struct slot); line += 64)
            __builtin_prefetch(slot + line);
    }
    if (place + 1 < source->slot_count) {
        const struct leg *leg = source->slots[place + 1]->leg;
        __builtin_prefetch(leg, 1);
        __builtin_prefetch(&leg->send);
        __builtin_prefetch(&leg->to_port);
        __builtin_prefetch(&leg->figures, 1);
        if (leg->send != NULL)
            __builtin_prefetch(leg->send);
    }
}

void forward(fw *f, struct batch *batch, struct layer *layer, struct packet *packet, double now)
{
    struct source *source = layer->source;
    int index = layer_index(layer);
    struct picture picture;
    look_at(source, packet, &picture);
    for (int i = 0; i < source->slot_count; i++) {
        struct slot *slot = source->slots[i];
        fetch_ahead(source, i);
        if (!is_reachable(slot))
            continue;
        if (slot->waiting && slot->wanted == index && packet->starts_keyframe)
            switch_slot(f, slot, index, packet, &picture, now);
        if (slot->layer == index)
            send_to(f, batch, slot, packet, &picture, now);
    }
}

/* ---- what was said before the slot was given */

static int recent(const struct ring *ring, double now, const struct kept **found)
{
    int count = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
        const struct kept *kept = ring_at(ring, i);
        if (now - kept->arrival > AUDIO_LEAD)
            continue;
        int at = count++;
        for (; at > 0 && found[at - 1]->number > kept->number; at--)
            found[at] = found[at - 1];
        found[at] = kept;
    }
    return count;
}

/* An audio slot begins AUDIO_LEAD before now, so that the syllable which won it the slot is heard. */
void slot_lead(fw *f, struct batch *batch, struct slot *slot, double now)
{
    const struct kept *lead[64]; /* what a ring of audio holds */
    struct layer *layer = slot->source->layers[slot->wanted];
    const struct picture none = {0};
    int count = layer->ring != NULL && is_reachable(slot) ? recent(layer->ring, now, lead) : 0;
    for (int i = 0; i < count; i++) {
        struct packet packet;
        ring_packet(layer->ring, lead[i], &packet);
        if (i == 0)
            switch_slot(f, slot, slot->wanted, &packet, &none, now);
        send_to(f, batch, slot, &packet, &none, now);
    }
}

/* ---- once more, by RTX */

static const struct segment *segment_of(const struct slot *slot, int64_t number)
{
    for (int i = 0; i < slot->segment_count; i++)
        if (slot->segments[i].first_out <= number)
            return &slot->segments[i];
    return NULL;
}

static const struct kept *kept_for(const struct slot *slot, const struct segment *segment, int64_t number)
{
    const struct layer *layer = slot->source->layers[segment->layer];
    if (layer->epoch != segment->epoch || layer->ring == NULL)
        return NULL;
    return ring_find(layer->ring, number - segment->first_out + segment->first_in);
}

/* RFC 4588. Never under the number it was first sent by: with another send time that would be another packet under
 * the same nonce. */
bool slot_resend(fw *f, struct batch *batch, struct slot *slot, uint16_t lost, double now)
{
    if (slot->source == NULL || !slot->told.is_video || slot->out_top < 0 || !is_reachable(slot))
        return false;
    int payload_type = slot->told.rtx_payload_type[slot->source->told.codec];
    int64_t number = extend(slot->out_top, lost);
    const struct segment *segment = number <= slot->out_top ? segment_of(slot, number) : NULL;
    const struct kept *kept = segment != NULL ? kept_for(slot, segment, number) : NULL;
    if (kept == NULL || payload_type < 0 || slot->told.rtx_ssrc == 0)
        return false;
    struct packet packet;
    struct picture picture;
    ring_packet(slot->source->layers[segment->layer]->ring, kept, &packet);
    look_at(slot->source, &packet, &picture);
    struct outgoing *out = batch_next(f, batch);
    size_t header = write_header(out->data, slot, &packet, payload_type, SEQ_OF(slot->rtx_next),
                                 packet.ts + segment->ts_delta, slot->told.rtx_ssrc, now);
    if (!fits_budget(slot, header + 2 + packet.length, now)) {
        drop(slot, BUDGET);
        return false;
    }
    uint8_t payload[2 + MAX_DATAGRAM] = {(uint8_t)(lost >> 8), (uint8_t)lost};
    patch(segment, &packet, &picture);
    memcpy(payload + 2, packet.payload, packet.length);
    restore(&packet, &picture);
    hand_over(batch, out, slot, &packet, header, payload, 2 + packet.length, slot->told.rtx_ssrc, slot->rtx_next);
    slot->rtx_next++;
    slot->leg->figures.resent++;
    return true;
}
