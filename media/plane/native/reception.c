/* How well a layer is received: figures for reports (RFC 3550, appendix A), voices, and what is missing. */
#include <stdlib.h>
#include <string.h>

#include "plane.h"

static const double CLOCKS[2] = {48000, 90000};

static void measure_jitter(struct layer *layer, uint32_t ts, double now)
{
    double at = now * CLOCKS[layer->source->told.is_video != 0];
    if (layer->timed) {
        double difference = (at - layer->last_transit_at) - (double)(int32_t)(ts - layer->last_ts);
        double size = difference < 0 ? -difference : difference;
        layer->figures.jitter += (size - layer->figures.jitter) / 16;
    }
    layer->timed = true;
    layer->last_transit_at = at;
    layer->last_ts = ts;
}

static void hear(fw *f, struct source *source, int level, double now)
{
    level &= 0x7f;
    if (level < source->loudest)
        source->loudest = level;
    if (level > VOICE_LEVEL)
        return;
    if (!source->has_spoken || now - source->spoke >= VOICE_QUIET) {
        fw_event event = {.kind = FW_VOICE, .handle = source->handle};
        if (!events_tell(&f->events, event, NULL, 0, NULL, 0, source->leg->handle))
            source->leg->figures.drops[QUEUE_FULL]++;
    }
    source->has_spoken = true;
    source->spoke = now;
}

void measure(fw *f, struct layer *layer, const struct packet *packet, double now)
{
    fw_layer_figures *figures = &layer->figures;
    figures->packets++;
    figures->bytes += packet->length;
    figures->last_packet = now;
    if (figures->first_seq < 0)
        figures->first_seq = figures->highest = packet->number;
    else if (packet->number > figures->highest)
        figures->highest = packet->number;
    measure_jitter(layer, packet->ts, now);
    if (!layer->source->told.is_video && packet->level >= 0)
        hear(f, layer->source, packet->level, now);
    if (!figures->flowing) {
        figures->flowing = 1;
        tell_layer(f, layer, FW_FLOWING);
    }
}

/* ---- what is missing */

static void forget_missed(struct layer *layer, int place)
{
    layer->missing--;
    memmove(&layer->missed[place], &layer->missed[place + 1],
            (size_t)(layer->missing - place) * sizeof *layer->missed);
}

static void miss(struct layer *layer, int64_t number, double now)
{
    if (layer->missing == FW_MISSING_LIMIT)
        forget_missed(layer, 0);
    layer->missed[layer->missing++] = (struct missed){number, now, -1e18};
}

void notice_gap(fw *f, struct layer *layer, int64_t from, int64_t to, double now)
{
    if (layer->missed == NULL)
        layer->missed = malloc(FW_MISSING_LIMIT * sizeof *layer->missed);
    if (to - from > FW_MISSING_LIMIT || layer->missed == NULL) {
        layer->missing = 0;
        tell_layer(f, layer, FW_KEYFRAME);
        return;
    }
    for (int64_t number = from; number < to; number++)
        miss(layer, number, now);
    tell_layer(f, layer, FW_GAP);
}

void found(struct layer *layer, int64_t number)
{
    for (int i = 0; i < layer->missing; i++)
        if (layer->missed[i].number == number) {
            forget_missed(layer, i);
            return;
        }
}
