/* Sources and their layers: what a leg publishes. */
#include <stdlib.h>
#include <string.h>

#include "api.h"

/* What the relay announced: only news count, so that what was learned since is not taken back. An SSRC that is
 * another layer's already stays with it. */
static void announce(fw *f, struct layer *layer, bool is_rtx, uint32_t ssrc)
{
    uint32_t *told = is_rtx ? &layer->told_rtx_ssrc : &layer->told_ssrc;
    uint32_t *used = is_rtx ? &layer->rtx_ssrc : &layer->ssrc;
    struct leg *leg = layer->source->leg;
    if (ssrc == 0 || ssrc == *told)
        return;
    *told = ssrc;
    struct stream *stream = stream_of(leg, ssrc), *old = *used != 0 ? stream_of(leg, *used) : NULL;
    if (ssrc == *used || (stream != NULL && stream->layer != NULL) || !stream_bind(leg, ssrc, layer, is_rtx))
        return;
    if (old != NULL)
        old->layer = NULL;
    *used = ssrc; /* before anything is told of the layer */
    if (old != NULL && !is_rtx)
        layer_restart(f, layer);
}

static struct layer *new_layer(fw *f, struct source *source)
{
    struct layer *layer = calloc(1, sizeof *layer);
    if (layer == NULL || !pool_add(&f->layers, layer, &layer->handle)) {
        free(layer);
        return NULL;
    }
    layer->source = source;
    layer->fresh = true;
    layer->figures.first_seq = -1;
    return layer;
}

static void free_layer(fw *f, struct layer *layer)
{
    struct leg *leg = layer->source->leg;
    for (int i = 0; i < leg->stream_count; i++)
        if (leg->streams[i]->layer == layer)
            leg->streams[i]->layer = NULL;
    pool_remove(&f->layers, layer->handle);
    ring_close(layer->ring);
    free(layer->missed);
    free(layer);
}

/* Layers may be added later (an offer that turns simulcast on), never taken away. */
static int write_source(fw *f, struct source *source, const fw_source *told, fw_handle *layers)
{
    int count = source->told.layers;
    source->told = *told;
    source->told.layers = count;
    source->mid_length = (uint8_t)strlen(told->mid);
    for (; count < told->layers; source->told.layers = ++count)
        if ((source->layers[count] = new_layer(f, source)) == NULL)
            return FW_MEMORY;
    for (int i = 0; i < count; i++) {
        struct layer *layer = source->layers[i];
        layers[i] = layer->handle;
        if (i >= told->layers)
            continue;
        memcpy(layer->rid, told->rid[i], sizeof layer->rid);
        announce(f, layer, false, told->ssrc[i]);
        announce(f, layer, true, told->rtx_ssrc[i]);
    }
    return 0;
}

static bool is_sound(const fw_source *told)
{
    return told->layers >= 1 && told->layers <= FW_LAYERS && told->codec >= 0 && told->codec < FW_CODECS;
}

void remove_source(fw *f, struct source *source)
{
    while (source->slot_count > 0)
        slot_leave(source->slots[0]);
    for (int i = 0; i < source->told.layers; i++)
        free_layer(f, source->layers[i]);
    for (int i = 0; i < FW_SOURCES; i++)
        if (source->leg->sources[i] == source)
            source->leg->sources[i] = NULL;
    pool_remove(&f->sources, source->handle);
    free(source->slots);
    free(source);
}

static fw_handle add_source(fw *f, struct leg *leg, const fw_source *told, fw_handle *layers)
{
    int place = 0;
    while (place < FW_SOURCES && leg->sources[place] != NULL)
        place++;
    if (place == FW_SOURCES)
        return FW_FULL;
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL || !pool_add(&f->sources, source, &source->handle)) {
        free(source);
        return FW_MEMORY;
    }
    leg->sources[place] = source;
    source->leg = leg;
    source->loudest = SILENCE;
    if (write_source(f, source, told, layers) == 0)
        return source->handle;
    remove_source(f, source);
    return FW_MEMORY;
}

fw_handle fw_add_source(fw *f, fw_handle handle, const fw_source *told, fw_handle *layers)
{
    if (!is_sound(told))
        return FW_INVALID;
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    fw_handle result = leg != NULL ? add_source(f, leg, told, layers) : FW_STALE;
    unlock(f, 0);
    return result;
}

/* What was said while a source was closed must not come back by a retransmission, redundancy or the lead of a voice. */
static void close_source(fw *f, struct source *source)
{
    for (int i = 0; i < source->told.layers; i++)
        layer_restart(f, source->layers[i]);
}

static void ask_keyframes(fw *f, struct source *source)
{
    bool is_asked[FW_LAYERS] = {false};
    for (int i = 0; i < source->slot_count; i++) {
        const struct slot *slot = source->slots[i];
        if (!slot->waiting || is_asked[slot->wanted])
            continue;
        is_asked[slot->wanted] = true;
        tell_layer(f, source->layers[slot->wanted], FW_KEYFRAME);
    }
}

static int update_source(fw *f, struct source *source, const fw_source *told, fw_handle *layers)
{
    bool was_open = source->told.is_open;
    if (!is_sound(told) || !told->is_video != !source->told.is_video)
        return FW_INVALID;
    int result = write_source(f, source, told, layers);
    if (was_open && !told->is_open)
        close_source(f, source);
    if (!was_open && told->is_open && told->is_video)
        ask_keyframes(f, source);
    return result;
}

int fw_update_source(fw *f, fw_handle handle, const fw_source *told, fw_handle *layers)
{
    lock(f);
    struct source *source = pool_get(&f->sources, handle);
    return unlock(f, source != NULL ? update_source(f, source, told, layers) : FW_STALE);
}

int fw_remove_source(fw *f, fw_handle handle)
{
    lock(f);
    struct source *source = pool_get(&f->sources, handle);
    if (source != NULL)
        remove_source(f, source);
    return unlock(f, source != NULL ? 0 : FW_STALE);
}

int fw_rest(fw *f, fw_handle handle)
{
    lock(f);
    struct layer *layer = pool_get(&f->layers, handle);
    if (layer != NULL)
        layer->figures.flowing = 0;
    return unlock(f, layer != NULL ? 0 : FW_STALE);
}

/* Gives up what nobody would wait for any more; a key frame makes up for it. */
static void give_up(fw *f, struct layer *layer, double now)
{
    int kept = 0;
    for (int i = 0; i < layer->missing; i++)
        if (now - layer->missed[i].since <= MISSING_FOR)
            layer->missed[kept++] = layer->missed[i];
    if (kept < layer->missing)
        tell_layer(f, layer, FW_KEYFRAME);
    layer->missing = kept;
}

int fw_missing(fw *f, fw_handle handle, uint16_t *numbers, double now)
{
    int count = 0;
    lock(f);
    struct layer *layer = pool_get(&f->layers, handle);
    if (layer == NULL)
        return unlock(f, FW_STALE);
    give_up(f, layer, now);
    for (int i = 0; i < layer->missing; i++) {
        struct missed *missed = &layer->missed[i];
        if (now - missed->asked < MISSING_AGAIN)
            continue;
        missed->asked = now;
        numbers[count++] = (uint16_t)missed->number;
    }
    return unlock(f, count);
}

int fw_source_read(fw *f, fw_handle handle, fw_source_figures *figures)
{
    lock(f);
    struct source *source = pool_get(&f->sources, handle);
    if (source == NULL)
        return unlock(f, FW_STALE);
    figures->loudest = source->loudest;
    source->loudest = SILENCE;
    for (int i = 0; i < source->told.layers; i++) {
        figures->layers[i] = source->layers[i]->figures;
        figures->layers[i].ssrc = source->layers[i]->ssrc;
        figures->layers[i].rtx_ssrc = source->layers[i]->rtx_ssrc;
    }
    return unlock(f, source->told.layers);
}
