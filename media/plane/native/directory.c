/* What strangers look up: addresses and ICE user fragments. The keys in the table are those of admitted legs, but
 * every datagram of anybody searches it, so the hash is seeded and chains hold only what legs were allowed. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "plane.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const struct directory *d, const uint8_t *key, size_t length)
{
    uint64_t hash = d->seed[0] ^ length;
    while (length > 0) {
        uint64_t word = 0;
        size_t step = length < 8 ? length : 8;
        memcpy(&word, key, step);
        hash = mix(hash ^ word, d->seed[1]);
        key += step;
        length -= step;
    }
    return mix(hash, d->seed[0] | 1);
}

bool directory_open(struct directory *d)
{
    d->size = 64;
    d->count = 0;
    d->buckets = calloc(d->size, sizeof *d->buckets);
    return d->buckets != NULL && getrandom(d->seed, sizeof d->seed, 0) == sizeof d->seed;
}

void directory_close(struct directory *d)
{
    free(d->buckets);
    d->buckets = NULL;
}

struct entry *directory_find(const struct directory *d, const uint8_t *key, size_t length)
{
    uint64_t hash = hash_of(d, key, length);
    struct entry *entry = d->buckets[hash & (d->size - 1)];
    while (entry != NULL &&
           !(entry->hash == hash && entry->length == length && memcmp(entry->key, key, length) == 0))
        entry = entry->next;
    return entry;
}

static bool grow(struct directory *d)
{
    size_t size = d->size * 2;
    struct entry **buckets = calloc(size, sizeof *buckets);
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < d->size; i++) {
        for (struct entry *entry = d->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (size - 1)];
            buckets[entry->hash & (size - 1)] = entry;
        }
    }
    free(d->buckets);
    d->buckets = buckets;
    d->size = size;
    return true;
}

bool directory_add(struct directory *d, struct entry *entry)
{
    if (d->count >= d->size && !grow(d))
        return false;
    entry->hash = hash_of(d, entry->key, entry->length);
    struct entry **bucket = &d->buckets[entry->hash & (d->size - 1)];
    entry->next = *bucket;
    *bucket = entry;
    d->count++;
    return true;
}

void directory_remove(struct directory *d, struct entry *entry)
{
    struct entry **link = &d->buckets[entry->hash & (d->size - 1)];
    while (*link != NULL && *link != entry)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = entry->next;
    d->count--;
}

size_t address_key(uint8_t key[24], int port, const fw_address *address)
{
    size_t host = address->family == 4 ? 4 : 16;
    key[0] = (uint8_t)port;
    key[1] = address->family;
    memcpy(key + 2, &address->port, 2);
    memcpy(key + 4, address->host, host);
    return 4 + host;
}

bool address_of(fw_address *address, const struct sockaddr_storage *from)
{
    memset(address, 0, sizeof *address);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        address->family = 4;
        memcpy(address->host, &in->sin_addr, 4);
        address->port = ntohs(in->sin_port);
        return true;
    }
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        address->family = 6;
        memcpy(address->host, &in6->sin6_addr, 16);
        address->port = ntohs(in6->sin6_port);
        return true;
    }
    return false;
}

/* `family` is the socket's: an IPv4 address is reached from an IPv6 socket by its mapped form. */
socklen_t address_to(struct sockaddr_in6 *to, const fw_address *address, int family)
{
    memset(to, 0, sizeof *to);
    if (family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&in.sin_addr, address->host, 4);
        memcpy(to, &in, sizeof in);
        return sizeof in;
    }
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(address->port);
    if (address->family == 4) {
        memset((uint8_t *)&to->sin6_addr + 10, 0xff, 2);
        memcpy((uint8_t *)&to->sin6_addr + 12, address->host, 4);
    } else {
        memcpy(&to->sin6_addr, address->host, 16);
    }
    return sizeof *to;
}
