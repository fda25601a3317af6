/* The last packets of a layer in clear: for retransmission, redundancy and the first syllable of a voice.
 *
 * First in, first out by arrival, bounded in packets and in bytes. A number is kept at most once (layer.window sees
 * to it), so a chain per low bits of the number finds it. The bytes lie in one circle, each payload in one piece. */
#include <stdlib.h>
#include <string.h>

#include "plane.h"

struct ring *ring_open(bool video)
{
    struct ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return NULL;
    ring->packets = video ? 512 : 64;
    ring->limit = video ? 512 * 1024 : 16 * 1024;
    /* One datagram more than the limit: the circle's end may have to stay empty for want of one piece. */
    ring->room = ring->limit + MAX_DATAGRAM;
    ring->chains = malloc(ring->packets * sizeof *ring->chains);
    ring->kept = malloc(ring->packets * sizeof *ring->kept);
    ring->bytes = malloc(ring->room);
    if (ring->chains == NULL || ring->kept == NULL || ring->bytes == NULL) {
        ring_close(ring);
        return NULL;
    }
    ring_clear(ring);
    return ring;
}

void ring_close(struct ring *ring)
{
    if (ring == NULL)
        return;
    free(ring->chains);
    free(ring->kept);
    free(ring->bytes);
    free(ring);
}

void ring_clear(struct ring *ring)
{
    ring->oldest = ring->count = ring->held = ring->head = 0;
    for (uint32_t i = 0; i < ring->packets; i++)
        ring->chains[i] = -1;
}

static int16_t *chain_of(const struct ring *ring, int64_t number)
{
    return &ring->chains[(uint64_t)number % ring->packets];
}

static void forget_oldest(struct ring *ring)
{
    const struct kept *kept = &ring->kept[ring->oldest];
    int16_t *link = chain_of(ring, kept->number);
    while (*link != (int16_t)ring->oldest)
        link = &ring->kept[*link].next;
    *link = kept->next;
    ring->held -= kept->length;
    ring->oldest = (ring->oldest + 1) % ring->packets;
    ring->count--;
}

void ring_keep(struct ring *ring, const struct packet *packet)
{
    while (ring->count > 0 && (ring->count == ring->packets || ring->held + packet->length > ring->limit))
        forget_oldest(ring);
    if (ring->head + packet->length > ring->room)
        ring->head = 0;
    uint32_t place = (ring->oldest + ring->count) % ring->packets;
    int16_t *chain = chain_of(ring, packet->number);
    ring->kept[place] = (struct kept){
        .number = packet->number,
        .arrival = packet->arrival,
        .ts = packet->ts,
        .offset = ring->head,
        .length = (uint16_t)packet->length,
        .next = *chain,
        .level = (int16_t)packet->level,
        .orientation = (int16_t)packet->orientation,
        .marker = packet->marker,
    };
    *chain = (int16_t)place;
    memcpy(ring->bytes + ring->head, packet->payload, packet->length);
    ring->head += (uint32_t)packet->length;
    ring->held += (uint32_t)packet->length;
    ring->count++;
}

const struct kept *ring_find(const struct ring *ring, int64_t number)
{
    for (int16_t at = *chain_of(ring, number); at >= 0; at = ring->kept[at].next)
        if (ring->kept[at].number == number)
            return &ring->kept[at];
    return NULL;
}

const struct kept *ring_at(const struct ring *ring, uint32_t place)
{
    return &ring->kept[(ring->oldest + place) % ring->packets];
}

void ring_packet(const struct ring *ring, const struct kept *kept, struct packet *packet)
{
    *packet = (struct packet){
        .number = kept->number,
        .arrival = kept->arrival,
        .ts = kept->ts,
        .marker = kept->marker,
        .level = kept->level,
        .orientation = kept->orientation,
        .payload = ring->bytes + kept->offset,
        .length = kept->length,
    };
}
