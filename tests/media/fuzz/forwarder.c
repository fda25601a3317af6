/* Fuzz target: a forwarder with two publishers and two receivers, and a program of calls and datagrams read from the
 * input. Beside what the sanitizers see, it stops when something goes out that a receiver could not decrypt, or when
 * an SRTP index of one SSRC is used twice (with AES-GCM that would give the key away).
 *
 * Built with libFuzzer by clang, or with mutate.c by gcc; tests/media/test_fuzz.py does both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../media/plane/native/plane.h"

#define PEOPLE 4 /* 0 and 1 publish, 2 and 3 receive */
#define USED_MAX 65536

struct input {
    const uint8_t *at, *end;
};

struct used {
    int person;
    uint32_t ssrc;
    int64_t index;
};

struct world {
    fw *f;
    double now;
    fw_handle legs[PEOPLE], sources[3], layers[3][3], slots[PEOPLE][3];
    struct srtp *sends[2], *opens[2]; /* of publishers; of receivers */
    int64_t tops[2][16]; /* of a publisher's SSRC, as its browser counts */
    struct used *used;
    int used_count;
};

static const int PROFILES[PEOPLE] = {0, 2, 1, 2};
static const fw_extensions NUMBERS = {.mid = 1, .rid = 2, .repaired_rid = 3, .level = 4, .send_time = 5,
                                      .transport_seq = 6, .orientation = 7};

static uint8_t next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint16_t next16(struct input *in)
{
    uint8_t high = next(in);
    return (uint16_t)(high << 8 | next(in));
}

static size_t next_bytes(struct input *in, uint8_t *to, size_t limit)
{
    size_t wanted = next16(in) % (limit + 1), left = (size_t)(in->end - in->at);
    size_t length = wanted < left ? wanted : left;
    memcpy(to, in->at, length);
    in->at += length;
    return length;
}

static fw_address address_of_person(int person)
{
    return (fw_address){.family = person & 1 ? 6 : 4, .host = {192, 0, 2, (uint8_t)person}, .port = 5000};
}

static void secrets(int person, int direction, uint8_t key[32], uint8_t salt[14])
{
    memset(key, 16 + person * 2 + direction, 32);
    memset(salt, 64 + person * 2 + direction, 14);
}

/* ---- the people */

static void add_leg(struct world *w, int person)
{
    uint8_t key[32], salt[14], back[32], back_salt[14];
    fw_address address = address_of_person(person);
    secrets(person, 0, key, salt);
    secrets(person, 1, back, back_salt);
    w->legs[person] = fw_add_leg(w->f, w->now);
    fw_update_leg(w->f, w->legs[person], &NUMBERS, person == 1 ? 4e6 : 0, w->now);
    fw_credentials(w->f, w->legs[person], "ours", "password");
    fw_admit(w->f, w->legs[person], 0, &address);
    fw_direct(w->f, w->legs[person], 0, &address);
    fw_key(w->f, w->legs[person], PROFILES[person], key, salt, back, back_salt);
}

static fw_source source_record(int which)
{
    static const fw_source records[3] = {
        {.is_video = 1, .codec = VP8, .payload_type = 96, .rtx_payload_type = 97, .red_payload_type = -1,
         .is_open = 1, .layers = 3, .mid = "0", .rid = {"l", "m", "h"}},
        {.codec = OPUS, .payload_type = 111, .rtx_payload_type = -1, .red_payload_type = 63, .is_open = 1, .tap = 1,
         .layers = 1, .mid = "1"},
        {.is_video = 1, .codec = H264, .payload_type = 102, .rtx_payload_type = 103, .red_payload_type = -1,
         .is_open = 1, .layers = 1, .mid = "0", .ssrc = {7}, .rtx_ssrc = {8}},
    };
    return records[which];
}

static void add_source(struct world *w, int which)
{
    fw_source record = source_record(which);
    w->sources[which] = fw_add_source(w->f, w->legs[which / 2], &record, w->layers[which]);
}

static void add_slots(struct world *w, int person)
{
    for (int i = 0; i < 3; i++) {
        fw_slot slot = {.is_video = i != 1, .mid = "5", .ssrc = (uint32_t)(100 + i), .rtx_ssrc = (uint32_t)(200 + i),
                        .payload_type = {111, 96, 102, 98, person == 3 ? -1 : 45},
                        .rtx_payload_type = {-1, 97, 103, -1, -1}, .red_payload_type = 63};
        w->slots[person][i] = fw_add_slot(w->f, w->legs[person], &slot);
        fw_connect(w->f, w->slots[person][i], w->sources[i], 0, w->now);
    }
    fw_redundancy(w->f, w->slots[person][1], 2);
}

/* What costs much to make is made once; every input finds a forwarder without legs. */
static void found_world(struct world *w)
{
    uint8_t key[32], salt[14];
    w->f = fw_new();
    w->used = malloc(USED_MAX * sizeof *w->used);
    if (w->f == NULL || w->used == NULL)
        abort();
    for (int i = 0; i < 2; i++) {
        secrets(i, 0, key, salt);
        w->sends[i] = srtp_open(PROFILES[i], true, key, salt);
        secrets(2 + i, 1, key, salt);
        w->opens[i] = srtp_open(PROFILES[2 + i], false, key, salt);
    }
}

static void open_world(struct world *w)
{
    if (w->f == NULL)
        found_world(w);
    w->now = 1000;
    w->used_count = 0;
    memset(w->tops, 0xff, sizeof w->tops);
    fw_capture(w->f, 1);
    for (int person = 0; person < PEOPLE; person++)
        add_leg(w, person);
    for (int which = 0; which < 3; which++)
        add_source(w, which);
    for (int i = 0; i < 2; i++)
        add_slots(w, 2 + i);
}

static void close_world(struct world *w)
{
    for (int person = 0; person < PEOPLE; person++)
        if (fw_remove_leg(w->f, w->legs[person]) != 0)
            abort();
    if (w->f->addresses.count + w->f->ufrags.count + w->f->sources.used + w->f->layers.used + w->f->slots.used > 0)
        abort(); /* a leg takes all it owned with it */
}

/* ---- what must hold of everything that goes out */

static void use_index(struct world *w, int person, uint32_t ssrc, int64_t index)
{
    for (int i = 0; i < w->used_count; i++)
        if (w->used[i].person == person && w->used[i].ssrc == ssrc && w->used[i].index == index)
            abort(); /* one nonce, two packets */
    if (w->used_count < USED_MAX)
        w->used[w->used_count++] = (struct used){person, ssrc, index};
}

static int64_t highest_used(const struct world *w, int person, uint32_t ssrc)
{
    int64_t highest = -1;
    for (int i = 0; i < w->used_count; i++)
        if (w->used[i].person == person && w->used[i].ssrc == ssrc && w->used[i].index > highest)
            highest = w->used[i].index;
    return highest;
}

static void check_packet(struct world *w, int person, const uint8_t *data, size_t length)
{
    uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
    uint16_t seq = (uint16_t)(data[2] << 8 | data[3]);
    int64_t highest = highest_used(w, person, ssrc), near = highest < 0 ? seq : extend(highest, seq);
    size_t header;
    uint8_t copy[OUT_ROOM];
    if (length < 12 || data[0] >> 6 != 2 || !rtp_fixed(data, length, &header))
        abort();
    for (int64_t index = near - 65536; index <= near + 65536; index += 65536) {
        if (index < 0)
            continue;
        memcpy(copy, data, length);
        if (srtp_unprotect(w->opens[person - 2], copy, header, length, ssrc, (uint64_t)index)) {
            use_index(w, person, ssrc, index);
            return;
        }
    }
    abort(); /* its receiver could not read it */
}

static void check_output(struct world *w)
{
    int port, length;
    fw_address to;
    uint8_t data[2048];
    while ((length = fw_captured(w->f, &port, &to, data, sizeof data)) > 0)
        if (to.port == 5000 && to.host[3] >= 2)
            check_packet(w, to.host[3], data, (size_t)length);
}

static void check_events(struct world *w)
{
    static uint8_t records[1024 * 1024];
    size_t taken = fw_take(w->f, records, sizeof records);
    for (size_t at = 0; at < taken;) {
        fw_event event;
        memcpy(&event, records + at, sizeof event);
        if (event.size < sizeof event + event.length || event.size % 8 || at + event.size > taken)
            abort();
        at += event.size;
    }
}

/* ---- what the input can ask for */

static void feed(struct world *w, int person, const uint8_t *data, size_t length)
{
    fw_address from = address_of_person(person);
    fw_feed(w->f, 0, &from, data, length, w->now);
    check_output(w);
}

/* An RTP packet that passes authentication. The header is the input's, except for its version. */
static void feed_protected(struct world *w, int person, uint8_t *packet, size_t length)
{
    uint8_t sealed[2048];
    size_t header;
    packet[0] = 0x80 | (packet[0] & 0x3f);
    if (length < 12 || !rtp_fixed(packet, length, &header))
        return;
    uint32_t ssrc = (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16 | (uint32_t)packet[10] << 8 | packet[11];
    int64_t *top = &w->tops[person][ssrc % 16];
    uint16_t seq = (uint16_t)(packet[2] << 8 | packet[3]);
    int64_t index = *top <= 0x8000 ? seq : extend(*top, seq);
    if (index > *top)
        *top = index;
    memcpy(sealed, packet, header);
    length = srtp_protect(w->sends[person], sealed, header, packet + header, length - header, ssrc, (uint64_t)index);
    feed(w, person, sealed, length);
}

static void do_raw(struct world *w, struct input *in)
{
    uint8_t data[MAX_DATAGRAM + 4];
    int person = next(in) % (PEOPLE + 1); /* the last one is a stranger */
    feed(w, person, data, next_bytes(in, data, sizeof data));
}

static void do_protected(struct world *w, struct input *in)
{
    uint8_t packet[MAX_DATAGRAM];
    int person = next(in) % 2;
    feed_protected(w, person, packet, next_bytes(in, packet, 1400));
}

/* The usual packet: only number, time, payload and a few extensions are chosen. */
static void do_media(struct world *w, struct input *in)
{
    static const uint8_t types[8] = {96, 97, 111, 63, 102, 103, 96, 111};
    uint8_t kind = next(in), choice = kind & 7, rid = "lmh"[kind >> 3 & 3 ? (kind >> 3 & 3) - 1 : 0];
    int person = choice == 4 || choice == 5;
    uint16_t seq = next16(in), ts = next16(in);
    uint8_t ssrc = person ? (choice == 4 ? 7 : 8) : (uint8_t)(20 + choice * 4 + (kind >> 3 & 3));
    uint8_t packet[MAX_DATAGRAM] = {
        (uint8_t)(0x90 | (kind & 0x20)), (uint8_t)((kind & 0x80) | types[choice]), (uint8_t)(seq >> 8), (uint8_t)seq,
        0, (uint8_t)(ts >> 8), (uint8_t)ts, 0, 0, 0, 0, ssrc, 0xbe, 0xde, 0, 3,
        0x10, choice == 2 || choice == 3 || choice == 7 ? '1' : '0', choice == 1 ? 0x30 : 0x20, rid,
        0x40, next(in), 0x61, 0, (uint8_t)seq, 0x70, 1, 0};
    feed_protected(w, person, packet, 28 + next_bytes(in, packet + 28, 1300));
}

static void do_switch(struct world *w, struct input *in)
{
    uint8_t which = next(in), layer = next(in);
    fw_handle slot = w->slots[2 + which % 2][which / 2 % 3];
    if (which & 0x80)
        fw_choose(w->f, slot, (int8_t)layer % 4, w->now);
    else
        fw_connect(w->f, slot, layer & 0x40 ? 0 : w->sources[layer / 4 % 3], (layer & 3) - 1, w->now);
    check_output(w);
}

static void do_retransmit(struct world *w, struct input *in)
{
    uint16_t lost[32];
    uint8_t which = next(in);
    int count = next(in) % 32;
    for (int i = 0; i < count; i++)
        lost[i] = next16(in);
    fw_retransmit(w->f, w->slots[2 + which % 2][which / 2 % 3], lost, count, w->now);
    check_output(w);
}

static void do_ask(struct world *w, struct input *in)
{
    uint16_t numbers[FW_ARRIVALS];
    int64_t instants[FW_ARRIVALS];
    fw_leg_figures leg;
    fw_source_figures source;
    fw_slot_figures slot;
    uint64_t drops[FW_REASONS];
    int which = next(in) % 3;
    fw_missing(w->f, w->layers[which][next(in) % 3], numbers, w->now);
    fw_arrivals(w->f, w->legs[which], numbers, instants);
    fw_leg_read(w->f, w->legs[which], &leg);
    fw_source_read(w->f, w->sources[which], &source);
    fw_slot_read(w->f, w->slots[2 + which % 2][which], &slot);
    fw_rest(w->f, w->layers[which][0]);
    fw_strangers(w->f, drops);
    check_events(w);
}

static void do_update(struct world *w, struct input *in)
{
    uint8_t which = next(in) % 3, bits = next(in);
    fw_source record = source_record(which);
    record.is_open = bits & 1;
    record.tap = bits >> 1 & 1;
    if (bits & 4)
        record.codec = record.is_video ? 1 + next(in) % 4 : 0;
    if (bits & 8)
        record.layers = 1 + next(in) % 4;
    if (bits & 16)
        record.ssrc[next(in) % 3] = next(in);
    if (bits & 32)
        record.rtx_ssrc[next(in) % 3] = next(in);
    fw_update_source(w->f, w->sources[which], &record, w->layers[which]);
}

/* A publisher goes and comes back, or one of his sources. A receiver would come back with other keys: he stays. */
static void do_remove(struct world *w, struct input *in)
{
    uint8_t which = next(in);
    if (which & 0x80) {
        fw_remove_source(w->f, w->sources[which % 3]);
        add_source(w, which % 3);
        return;
    }
    int person = which % 2;
    fw_remove_leg(w->f, w->legs[person]);
    add_leg(w, person);
    for (int i = 0; i < 3; i++)
        if (i / 2 == person)
            add_source(w, i);
}

static void do_limits(struct world *w, struct input *in)
{
    uint8_t which = next(in), value = next(in);
    fw_handle leg = w->legs[which % PEOPLE];
    if (which & 0x80)
        fw_redundancy(w->f, w->slots[2 + which % 2][1], value % 4);
    else if (which & 0x40)
        fw_update_leg(w->f, leg, &NUMBERS, value * 1000.0, w->now);
    else
        fw_budget(w->f, leg, value == 255 ? -1 : value * 10000.0, w->now);
}

static void do_address(struct world *w, struct input *in)
{
    uint8_t which = next(in), value = next(in);
    fw_address address = {.family = value & 1 ? 6 : 4, .host = {192, 0, 2, 200, value}, .port = value};
    char ufrag[5] = {'o', 'u', 'r', (char)('a' + value % 4), 0};
    if (which & 0x80)
        fw_credentials(w->f, w->legs[which % PEOPLE], ufrag, "password");
    else
        fw_admit(w->f, w->legs[which % PEOPLE], value % 2, &address);
}

static void do_wait(struct world *w, struct input *in)
{
    uint8_t value = next(in);
    w->now += value & 0x80 ? (value & 0x7f) * 0.1 : value * 0.005;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct world *, struct input *) = {
        do_raw, do_protected, do_media, do_media, do_media, do_media, do_switch, do_retransmit,
        do_ask, do_update, do_remove, do_limits, do_address, do_wait,
    };
    static struct world w;
    struct input in = {data, data + size};
    open_world(&w);
    while (in.at < in.end)
        steps[next(&in) % (sizeof steps / sizeof *steps)](&w, &in);
    close_world(&w);
    check_events(&w);
    return 0;
}
