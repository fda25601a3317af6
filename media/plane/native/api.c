/* What the event loop asks for: changes to the tables, retransmissions, figures. Handles are checked here. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plane.h"

#define LEGS_MAX (1 << 14)
#define SOURCES_MAX (LEGS_MAX * FW_SOURCES)
#define SLOTS_MAX (1 << 20)
#define VIDEO_DEPTH 0.25 /* seconds of a budget that may go at once, but at least: */
#define VIDEO_DEPTH_BYTES 6000

static const char *const REASON_NAMES[REASONS] = {
    [STRANGER] = "stranger", [BAD_STUN] = "bad_stun", [TOO_LONG] = "too_long", [UNKNOWN_KIND] = "unknown_kind",
    [NO_KEYS] = "no_keys", [FLOOD] = "flood", [AUTH] = "auth", [REPLAY] = "replay", [MALFORMED] = "malformed",
    [UNKNOWN_SSRC] = "unknown_ssrc", [NOT_PERMITTED] = "not_permitted", [PAYLOAD_TYPE] = "payload_type",
    [PADDING] = "padding", [LATE] = "late", [BLOCKED] = "blocked", [BUDGET] = "budget", [QUEUE_FULL] = "queue_full",
};
_Static_assert(REASONS == FW_REASONS, "fanout.h counts the reasons");

const char *fw_reason(int number)
{
    return number >= 0 && number < REASONS ? REASON_NAMES[number] : NULL;
}

static void lock(fw *f)
{
    pthread_mutex_lock(&f->lock);
}

static int unlock(fw *f, int result)
{
    pthread_mutex_unlock(&f->lock);
    return result;
}

/* Lets the lock go and sends what the call has written. */
static int unlock_and_send(fw *f, int result)
{
    if (f->own.count == 0)
        return unlock(f, result);
    pthread_mutex_unlock(&f->lock);
    batch_send(f, &f->own);
    lock(f);
    batch_account(f, &f->own);
    return unlock(f, result);
}

/* ---- the forwarder */

static bool watch_stop(fw *f)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = FW_PORTS};
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return f->epoll >= 0 && f->stop >= 0 && epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->stop, &event) == 0;
}

fw *fw_new(void)
{
    fw *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->epoll = f->stop = f->events.wakeup = -1;
    f->captured_end = &f->captured;
    bucket_set(&f->strays, STRAYS_RATE, STRAYS_RATE, true, 0);
    f->legs.limit = LEGS_MAX;
    f->sources.limit = SOURCES_MAX;
    f->layers.limit = SOURCES_MAX * FW_LAYERS;
    f->slots.limit = SLOTS_MAX;
    bool ok = lock_open(&f->lock);
    ok = directory_open(&f->addresses) && ok;
    ok = directory_open(&f->ufrags) && ok;
    ok = events_open(&f->events) && ok;
    ok = batch_open(&f->own) && ok;
    if (ok && watch_stop(f))
        return f;
    fw_free(f);
    return NULL;
}

static void drop_captured(fw *f)
{
    while (f->captured != NULL) {
        struct captured *next = f->captured->next;
        free(f->captured);
        f->captured = next;
    }
    f->captured_end = &f->captured;
}

void fw_free(fw *f)
{
    fw_stop(f);
    for (uint32_t i = 0; i < f->legs.size; i++)
        if (f->legs.entries[i].item != NULL)
            fw_remove_leg(f, ((struct leg *)f->legs.entries[i].item)->handle);
    drop_captured(f);
    pool_close(&f->legs);
    pool_close(&f->sources);
    pool_close(&f->layers);
    pool_close(&f->slots);
    directory_close(&f->addresses);
    directory_close(&f->ufrags);
    events_close(&f->events);
    batch_close(&f->own);
    if (f->epoll >= 0)
        close(f->epoll);
    if (f->stop >= 0)
        close(f->stop);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int fw_wakeup(fw *f)
{
    return f->events.wakeup;
}

size_t fw_take(fw *f, void *records, size_t room)
{
    return events_take(&f->events, records, room);
}

void fw_strangers(fw *f, uint64_t *drops)
{
    lock(f);
    memcpy(drops, f->strangers, sizeof f->strangers);
    unlock(f, 0);
}

/* ---- legs */

fw_handle fw_add_leg(fw *f, double now)
{
    struct leg *leg = calloc(1, sizeof *leg);
    if (leg == NULL)
        return FW_MEMORY;
    leg->to_port = -1;
    leg->figures.last_heard = now;
    lock(f);
    bool ok = pool_add(&f->legs, leg, &leg->handle);
    fw_handle handle = leg->handle;
    unlock(f, 0);
    if (ok)
        return handle;
    free(leg);
    return FW_FULL;
}

int fw_update_leg(fw *f, fw_handle handle, const fw_extensions *numbers, double ceiling, double now)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg == NULL)
        return unlock(f, FW_STALE);
    leg->numbers = *numbers;
    bucket_set(&leg->ceiling, ceiling / 8, ceiling / 8, leg->ceiling.rate <= 0, now);
    return unlock(f, 0);
}

static void free_credential(struct credential *credential)
{
    if (credential == NULL)
        return;
    hmac_close(credential->mac);
    free(credential);
}

static void forget_credential(fw *f, struct credential *credential)
{
    if (credential != NULL)
        directory_remove(&f->ufrags, &credential->entry);
    free_credential(credential);
}

static struct credential *new_credential(struct leg *leg, const char *ufrag, const char *password)
{
    struct credential *credential = calloc(1, sizeof *credential);
    if (credential == NULL)
        return NULL;
    credential->entry.leg = leg;
    credential->entry.length = (uint8_t)strlen(ufrag);
    memcpy(credential->entry.key, ufrag, strlen(ufrag));
    credential->mac = hmac_open((const uint8_t *)password, strlen(password));
    return credential;
}

static int add_credential(fw *f, struct leg *leg, const char *ufrag, const char *password)
{
    if (directory_find(&f->ufrags, (const uint8_t *)ufrag, strlen(ufrag)) != NULL)
        return FW_INVALID;
    struct credential *credential = new_credential(leg, ufrag, password);
    if (credential == NULL || credential->mac == NULL || !directory_add(&f->ufrags, &credential->entry)) {
        free_credential(credential);
        return FW_MEMORY;
    }
    forget_credential(f, leg->credentials[FW_GENERATIONS - 1]);
    memmove(&leg->credentials[1], &leg->credentials[0], (FW_GENERATIONS - 1) * sizeof *leg->credentials);
    leg->credentials[0] = credential;
    return 0;
}

int fw_credentials(fw *f, fw_handle handle, const char *ufrag, const char *password)
{
    if (strlen(ufrag) == 0 || strlen(ufrag) > MAX_UFRAG || strlen(password) > MAX_PASSWORD)
        return FW_INVALID;
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    return unlock(f, leg != NULL ? add_credential(f, leg, ufrag, password) : FW_STALE);
}

static void forget_address(fw *f, struct admitted *admitted)
{
    struct leg *leg = admitted->entry.leg;
    directory_remove(&f->addresses, &admitted->entry);
    *(admitted->newer != NULL ? &admitted->newer->older : &leg->newest) = admitted->older;
    *(admitted->older != NULL ? &admitted->older->newer : &leg->oldest) = admitted->newer;
    leg->addresses--;
    free(admitted);
}

static int admit(fw *f, struct leg *leg, int port, const fw_address *address)
{
    uint8_t key[24];
    size_t length = address_key(key, port, address);
    struct entry *before = directory_find(&f->addresses, key, length);
    if (before != NULL)
        forget_address(f, (struct admitted *)before);
    struct admitted *admitted = calloc(1, sizeof *admitted);
    if (admitted == NULL)
        return FW_MEMORY;
    admitted->entry.leg = leg;
    admitted->entry.length = (uint8_t)length;
    memcpy(admitted->entry.key, key, length);
    if (!directory_add(&f->addresses, &admitted->entry)) {
        free(admitted);
        return FW_MEMORY;
    }
    admitted->older = leg->newest;
    *(leg->newest != NULL ? &leg->newest->newer : &leg->oldest) = admitted;
    leg->newest = admitted;
    if (++leg->addresses > FW_ADDRESSES)
        forget_address(f, leg->oldest);
    return 0;
}

int fw_admit(fw *f, fw_handle handle, int port, const fw_address *address)
{
    if (port < 0 || port >= FW_PORTS)
        return FW_INVALID;
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    return unlock(f, leg != NULL ? admit(f, leg, port, address) : FW_STALE);
}

int fw_direct(fw *f, fw_handle handle, int port, const fw_address *address)
{
    if (port < 0 || port >= FW_PORTS)
        return FW_INVALID;
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg == NULL)
        return unlock(f, FW_STALE);
    if (port < f->socket_count && f->families[port] == AF_INET && address->family != 4)
        return unlock(f, FW_INVALID);
    leg->to_port = port;
    leg->to = *address;
    return unlock(f, 0);
}

static struct master master_of(int profile, const uint8_t *receive_key, const uint8_t *receive_salt,
                               const uint8_t *send_key, const uint8_t *send_salt)
{
    struct master master;
    memset(&master, 0, sizeof master);
    master.profile = profile;
    memcpy(master.receive_key, receive_key, srtp_key_length(profile));
    memcpy(master.receive_salt, receive_salt, srtp_salt_length(profile));
    memcpy(master.send_key, send_key, srtp_key_length(profile));
    memcpy(master.send_salt, send_salt, srtp_salt_length(profile));
    return master;
}

static void rekey(fw *f, struct leg *leg, struct srtp *receive, struct srtp *send, const struct master *master)
{
    srtp_close(leg->receive);
    srtp_close(leg->send);
    leg->receive = receive;
    leg->send = send;
    leg->master = *master;
    for (int i = 0; i < leg->stream_count; i++)
        leg->streams[i]->window.top = -1;
    for (int i = 0; i < FW_SLOTS; i++)
        if (leg->slots[i] != NULL)
            slot_rekey(f, leg->slots[i]);
}

/* The keys it has already change nothing: forgetting what was received would let all of it be replayed. */
static int set_key(fw *f, struct leg *leg, const struct master *master)
{
    if (leg->send != NULL && memcmp(&leg->master, master, sizeof *master) == 0)
        return 0;
    struct srtp *receive = srtp_open(master->profile, false, master->receive_key, master->receive_salt);
    struct srtp *send = srtp_open(master->profile, true, master->send_key, master->send_salt);
    if (receive != NULL && send != NULL) {
        rekey(f, leg, receive, send, master);
        return 0;
    }
    srtp_close(receive);
    srtp_close(send);
    return FW_MEMORY;
}

int fw_key(fw *f, fw_handle handle, int profile, const uint8_t *receive_key, const uint8_t *receive_salt,
           const uint8_t *send_key, const uint8_t *send_salt)
{
    if (profile < 0 || profile > 2)
        return FW_INVALID;
    struct master master = master_of(profile, receive_key, receive_salt, send_key, send_salt);
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    int result = unlock(f, leg != NULL ? set_key(f, leg, &master) : FW_STALE);
    OPENSSL_cleanse(&master, sizeof master);
    return result;
}

int fw_budget(fw *f, fw_handle handle, double video_bits, double now)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg == NULL)
        return unlock(f, FW_STALE);
    double depth = video_bits / 8 * VIDEO_DEPTH;
    if (video_bits >= 0)
        bucket_set(&leg->budget, video_bits / 8, depth > VIDEO_DEPTH_BYTES ? depth : VIDEO_DEPTH_BYTES,
                   !leg->is_budgeted, now);
    leg->is_budgeted = video_bits >= 0;
    return unlock(f, 0);
}

/* ---- sources */

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
    if (old != NULL && !is_rtx)
        layer_restart(f, layer);
    *used = ssrc;
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

static void remove_source(fw *f, struct source *source)
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

/* ---- slots */

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

/* ---- asking */

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

int fw_arrivals(fw *f, fw_handle handle, uint16_t *numbers, int64_t *instants)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg == NULL)
        return unlock(f, FW_STALE);
    int count = (int)leg->arrival_count;
    for (uint32_t i = 0; i < leg->arrival_count; i++) {
        uint32_t at = (leg->arrival_first + i) % FW_ARRIVALS;
        numbers[i] = leg->arrival_numbers[at];
        instants[i] = leg->arrival_instants[at];
    }
    leg->arrival_count = 0;
    return unlock(f, count);
}

int fw_leg_read(fw *f, fw_handle handle, fw_leg_figures *figures)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg != NULL)
        *figures = leg->figures;
    return unlock(f, leg != NULL ? 0 : FW_STALE);
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

/* ---- the end of a leg */

static void remove_slot(fw *f, struct slot *slot)
{
    slot_leave(slot);
    pool_remove(&f->slots, slot->handle);
    free(slot);
}

static void free_leg(fw *f, struct leg *leg)
{
    for (int i = 0; i < FW_SOURCES; i++)
        if (leg->sources[i] != NULL)
            remove_source(f, leg->sources[i]);
    for (int i = 0; i < FW_SLOTS; i++)
        if (leg->slots[i] != NULL)
            remove_slot(f, leg->slots[i]);
    for (int i = 0; i < FW_GENERATIONS; i++)
        forget_credential(f, leg->credentials[i]);
    while (leg->oldest != NULL)
        forget_address(f, leg->oldest);
    for (int i = 0; i < leg->stream_count; i++)
        free(leg->streams[i]);
    pool_remove(&f->legs, leg->handle);
    srtp_close(leg->receive);
    srtp_close(leg->send);
    free(leg->arrival_numbers);
    free(leg->arrival_instants);
    OPENSSL_cleanse(&leg->master, sizeof leg->master);
    free(leg);
}

int fw_remove_leg(fw *f, fw_handle handle)
{
    lock(f);
    struct leg *leg = pool_get(&f->legs, handle);
    if (leg != NULL)
        free_leg(f, leg);
    return unlock(f, leg != NULL ? 0 : FW_STALE);
}

/* ---- for tests */

void fw_feed(fw *f, int port, const fw_address *from, const uint8_t *data, size_t length, double now)
{
    uint8_t copy[MAX_DATAGRAM + 1];
    size_t kept = length < sizeof copy ? length : sizeof copy;
    memcpy(copy, data, kept);
    lock(f);
    receive(f, &f->own, port, from, copy, kept, now);
    unlock_and_send(f, 0);
}

void fw_capture(fw *f, int on)
{
    lock(f);
    f->is_capturing = on != 0;
    drop_captured(f);
    unlock(f, 0);
}

int fw_captured(fw *f, int *port, fw_address *to, uint8_t *data, size_t room)
{
    struct captured *first = f->captured;
    if (first == NULL || first->length > room)
        return 0;
    int length = (int)first->length;
    *port = first->port;
    *to = first->to;
    memcpy(data, first->data, first->length);
    f->captured = first->next;
    if (f->captured == NULL)
        f->captured_end = &f->captured;
    free(first);
    return length;
}

void fw_refuse(fw *f, int datagrams)
{
    atomic_store(&f->refuse, datagrams);
}
