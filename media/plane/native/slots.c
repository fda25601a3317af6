/* Slots: what a leg receives, and from whom. */
#include <stdlib.h>
#include <string.h>

#include "api.h"

/* Two slots with one SSRC would use one SRTP index twice. */
static bool has_ssrc(const struct leg *leg, uint32_t ssrc)
{
    for (int i = 0; i < FW_SLOTS; i++)
        if (leg->slots[i] != NULL && (leg->slots[i]->told.ssrc == ssrc || leg->slots[i]->told.rtx_ssrc == ssrc))
            return true;
    return false;
}

static fw_handle add_slot(fw *f, struct leg *leg, const fw_slot *told)
{
    int place = 0;
    if (told->ssrc == told->rtx_ssrc || has_ssrc(leg, told->ssrc) ||
        (told->rtx_ssrc != 0 && has_ssrc(leg, told->rtx_ssrc)))
        return FW_INVALID;
    while (place < FW_SLOTS && leg->slots[place] != NULL)
        place++;
    if (place == FW_SLOTS)
        return FW_FULL;
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL || !pool_add(&f->slots, slot, &slot->handle)) {
        free(slot);
        return FW_MEMORY;
    }
    leg->slots[place] = slot;
    slot->leg = leg;
    slot->told = *told;
    slot->mid_length = (uint8_t)strlen(told->mid);
    slot->layer = -1;
    slot->out_top = -1;
    slot->cutting = REASONS;
    return slot->handle;
}

fw_handle fw_add_slot(fw *f, fw_handle handle, const fw_slot *told)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    fw_handle result = leg != NULL ? add_slot(f, leg, told) : FW_STALE;
    unlock(f, 0);
    return result;
}

static bool attach(struct slot *slot, struct source *source)
{
    if (source->slot_count == source->slot_room) {
        int room = source->slot_room > 0 ? source->slot_room * 2 : 8;
        struct slot **slots = realloc(source->slots, (size_t)room * sizeof *slots);
        if (slots == NULL)
            return false;
        source->slots = slots;
        source->slot_room = room;
    }
    slot->place = source->slot_count;
    slot->source = source;
    source->slots[source->slot_count++] = slot;
    return true;
}

static void choose(fw *f, struct slot *slot, int layer)
{
    slot->wanted = layer;
    if (layer < 0)
        slot->layer = -1;
    slot->waiting = layer >= 0 && layer != slot->layer;
    if (slot->waiting && slot->told.is_video && slot->source->told.is_open)
        tell_layer(f, slot->source->layers[layer], FW_KEYFRAME);
}

static int connect_slot(fw *f, struct slot *slot, struct source *source, int layer, double now)
{
    if (source != NULL && (!source->told.is_video != !slot->told.is_video || layer >= source->told.layers))
        return FW_INVALID;
    if (source != NULL && slot->source == source) {
        choose(f, slot, layer);
        return 0;
    }
    slot_leave(slot);
    slot->wanted = layer;
    if (source == NULL)
        return 0;
    if (!attach(slot, source))
        return FW_MEMORY;
    slot_wait(f, slot);
    if (layer >= 0 && !slot->told.is_video)
        slot_lead(f, &f->own, slot, now);
    return 0;
}

int fw_connect(fw *f, fw_handle handle, fw_handle from, int layer, double now)
{
    lock(f);
    struct slot *slot = pool_get(&f->slots, handle);
    struct source *source = from != 0 ? pool_get(&f->sources, from) : NULL;
    if (slot == NULL || (from != 0 && source == NULL))
        return unlock(f, FW_STALE);
    return unlock_and_send(f, connect_slot(f, slot, source, layer < 0 ? -1 : layer, now));
}

int fw_choose(fw *f, fw_handle handle, int layer, double now)
{
    (void)now;
    lock(f);
    struct slot *slot = pool_get(&f->slots, handle);
    if (slot == NULL)
        return unlock(f, FW_STALE);
    if (slot->source == NULL || layer >= slot->source->told.layers)
        return unlock(f, FW_INVALID);
    choose(f, slot, layer < 0 ? -1 : layer);
    return unlock(f, 0);
}

int fw_redundancy(fw *f, fw_handle handle, int distance)
{
    if (distance < 0 || distance > RED_DISTANCE)
        return FW_INVALID;
    lock(f);
    struct slot *slot = pool_get(&f->slots, handle);
    if (slot != NULL)
        slot->red_distance = distance;
    return unlock(f, slot != NULL ? 0 : FW_STALE);
}

int fw_retransmit(fw *f, fw_handle handle, const uint16_t *lost, int count, double now)
{
    int resent = 0;
    lock(f);
    struct slot *slot = pool_get(&f->slots, handle);
    for (int i = 0; slot != NULL && i < count; i++)
        resent += slot_resend(f, &f->own, slot, lost[i], now);
    return unlock_and_send(f, slot != NULL ? resent : FW_STALE);
}

static fw_slot_figures figures_of(const struct slot *slot)
{
    return (fw_slot_figures){
        .handle = slot->handle,
        .packets = slot->packets,
        .bytes = slot->bytes,
        .last_sent = slot->last_sent,
        .layer = slot->layer,
        .waiting = slot->waiting,
        .ts_delta = slot->segment_count > 0 ? slot->segments[0].ts_delta : 0,
    };
}

int fw_slot_read(fw *f, fw_handle handle, fw_slot_figures *figures)
{
    lock(f);
    struct slot *slot = pool_get(&f->slots, handle);
    if (slot != NULL)
        *figures = figures_of(slot);
    return unlock(f, slot != NULL ? 0 : FW_STALE);
}

int fw_slots_read(fw *f, fw_handle handle, fw_slot_figures *figures)
{
    int count = 0;
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    for (int i = 0; leg != NULL && i < FW_SLOTS; i++)
        if (leg->slots[i] != NULL)
            figures[count++] = figures_of(leg->slots[i]);
    return unlock(f, leg != NULL ? count : FW_STALE);
}

void remove_slot(fw *f, struct slot *slot)
{
    slot_leave(slot);
    pool_remove(&f->slots, slot->handle);
    free(slot);
}
