/* The frame of every call from Python (forwarder.c, legs.c, sources.c, slots.c): take the lock, find the object by its
 * handle, do, let the lock go. */
#ifndef CONSILIUM_API_H
#define CONSILIUM_API_H

#include "plane.h"

static inline void lock(fw *f)
{
    pthread_mutex_lock(&f->lock);
}

static inline int unlock(fw *f, int result)
{
    pthread_mutex_unlock(&f->lock);
    return result;
}

int unlock_and_send(fw *f, int result); /* sends what the call has written */
void remove_source(fw *f, struct source *source);
void remove_slot(fw *f, struct slot *slot);

#endif
