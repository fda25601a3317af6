/* Handles: an index and a generation, so that a removed object's handle is refused even when its place is taken. */
#include <stdlib.h>

#include "plane.h"

#define INDEX_BITS 24
#define NONE UINT32_MAX

static bool grow(struct pool *pool)
{
    uint32_t size = pool->size > 0 ? pool->size * 2 : 16;
    struct pool_entry *entries = realloc(pool->entries, size * sizeof *entries);
    if (entries == NULL)
        return false;
    for (uint32_t i = pool->size; i < size; i++)
        entries[i] = (struct pool_entry){.generation = 1, .next_free = i + 1 < size ? i + 1 : NONE};
    pool->first_free = pool->size;
    pool->entries = entries;
    pool->size = size;
    return true;
}

bool pool_add(struct pool *pool, void *item, fw_handle *handle)
{
    if (pool->used == pool->limit || (pool->used == pool->size && !grow(pool)))
        return false;
    uint32_t index = pool->first_free;
    struct pool_entry *entry = &pool->entries[index];
    pool->first_free = entry->next_free;
    pool->used++;
    entry->item = item;
    *handle = (fw_handle)entry->generation << INDEX_BITS | index;
    return true;
}

void *pool_get(const struct pool *pool, fw_handle handle)
{
    uint64_t index = (uint64_t)handle & ((1u << INDEX_BITS) - 1);
    if (handle <= 0 || index >= pool->size || pool->entries[index].generation != handle >> INDEX_BITS)
        return NULL;
    return pool->entries[index].item;
}

void pool_remove(struct pool *pool, fw_handle handle)
{
    if (pool_get(pool, handle) == NULL)
        return;
    uint32_t index = (uint32_t)handle & ((1u << INDEX_BITS) - 1);
    struct pool_entry *entry = &pool->entries[index];
    entry->item = NULL;
    entry->generation++;
    entry->next_free = pool->first_free;
    pool->first_free = index;
    pool->used--;
}

void pool_close(struct pool *pool)
{
    free(pool->entries);
    pool->entries = NULL;
    pool->size = pool->used = 0;
}
