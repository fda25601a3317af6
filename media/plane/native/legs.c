/* Legs: who may send from where, by which keys, and how much. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define VIDEO_DEPTH 0.25 /* seconds of a budget that may go at once, but at least: */
#define VIDEO_DEPTH_BYTES 6000

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
