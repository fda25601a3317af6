/* Whose SSRC is it: announced in an offer, or learned from the MID and RID that packets carry. */
#include <stdlib.h>
#include <string.h>

#include "plane.h"

struct stream *stream_of(struct leg *leg, uint32_t ssrc)
{
    for (int i = 0; i < leg->stream_count; i++)
        if (leg->streams[i]->ssrc == ssrc)
            return leg->streams[i];
    return NULL;
}

/* A place for one more SSRC. What a leg may have in use at once is less than STREAMS, so one that carries nothing
 * any more can be taken over when all places are used. */
static struct stream *stream_place(struct leg *leg)
{
    if (leg->stream_count < STREAMS) {
        struct stream *stream = calloc(1, sizeof *stream);
        if (stream != NULL)
            leg->streams[leg->stream_count++] = stream;
        return stream;
    }
    for (int i = 0; i < STREAMS; i++)
        if (leg->streams[i]->layer == NULL)
            return leg->streams[i];
    return NULL;
}

struct stream *stream_bind(struct leg *leg, uint32_t ssrc, struct layer *layer, bool is_rtx)
{
    struct stream *stream = stream_of(leg, ssrc);
    if (stream == NULL) {
        stream = stream_place(leg);
        if (stream == NULL)
            return NULL;
        *stream = (struct stream){.ssrc = ssrc, .window.top = -1, .heard = -RESTART_SILENCE};
    }
    stream->layer = layer;
    stream->is_rtx = is_rtx;
    return stream;
}

static bool same_name(const uint8_t *name, size_t length, const char *ours)
{
    return length > 0 && length == strlen(ours) && memcmp(name, ours, length) == 0;
}

static struct source *source_named(struct leg *leg, const struct header *header)
{
    for (int i = 0; i < FW_SOURCES; i++)
        if (leg->sources[i] != NULL && same_name(header->mid, header->mid_length, leg->sources[i]->told.mid))
            return leg->sources[i];
    return NULL;
}

static struct layer *layer_named(struct source *source, const struct header *header, bool *is_rtx)
{
    if (source->told.layers == 1) {
        *is_rtx = header->payload_type == source->told.rtx_payload_type;
        return source->layers[0];
    }
    *is_rtx = header->rid_length == 0;
    const uint8_t *name = *is_rtx ? header->repaired : header->rid;
    size_t length = *is_rtx ? header->repaired_length : header->rid_length;
    for (int i = 0; i < source->told.layers; i++)
        if (same_name(name, length, source->layers[i]->rid))
            return source->layers[i];
    return NULL;
}

/* The SSRC an offer did not name, or the one a restarted encoder has begun to use. While the old one is heard, a
 * second one is not believed: otherwise a peer could make his streams flap. */
struct stream *learn(fw *f, struct leg *leg, const struct header *header, double now)
{
    bool is_rtx;
    struct source *source = source_named(leg, header);
    struct layer *layer = source != NULL ? layer_named(source, header, &is_rtx) : NULL;
    if (layer == NULL || leg->learned >= FW_SSRCS)
        return NULL;
    uint32_t *ssrc = is_rtx ? &layer->rtx_ssrc : &layer->ssrc;
    struct stream *old = *ssrc != 0 ? stream_of(leg, *ssrc) : NULL;
    if (old != NULL && now - old->heard < RESTART_SILENCE)
        return NULL;
    struct stream *stream = stream_bind(leg, header->ssrc, layer, is_rtx);
    if (stream == NULL)
        return NULL;
    leg->learned++;
    if (old != NULL)
        old->layer = NULL;
    *ssrc = header->ssrc; /* before anything is told of the layer */
    if (old != NULL && !is_rtx)
        layer_restart(f, layer);
    return stream;
}

int layer_index(const struct layer *layer)
{
    int index = 0;
    while (layer->source->layers[index] != layer)
        index++;
    return index;
}

void tell_layer(fw *f, struct layer *layer, uint8_t kind)
{
    fw_event event = {.kind = kind, .a = layer->ssrc, .b = layer->rtx_ssrc, .handle = layer->handle};
    if (!events_tell(&f->events, event, NULL, 0, NULL, 0, layer->source->leg->handle))
        layer->source->leg->figures.drops[QUEUE_FULL]++;
}

/* Its numbers begin anew: what is remembered by the old ones is worth nothing. */
void layer_restart(fw *f, struct layer *layer)
{
    struct source *source = layer->source;
    fw_layer_figures *figures = &layer->figures;
    layer->epoch++;
    layer->fresh = true;
    layer->missing = 0;
    layer->timed = false;
    layer->keyframe_seen = false;
    if (layer->ring != NULL)
        ring_clear(layer->ring);
    figures->first_seq = -1;
    figures->highest = 0;
    figures->jitter = 0;
    figures->packets = figures->bytes = figures->repeated = 0;
    for (int i = 0; i < source->slot_count; i++)
        if (source->slots[i]->layer == layer_index(layer))
            slot_wait(f, source->slots[i]);
}
