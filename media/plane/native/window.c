/* Which of the last REPLAY_WINDOW numbers were seen: a bit for each, in a circle that moves with the highest. */
#include <string.h>

#include "plane.h"

static uint64_t *word_of(struct window *w, int64_t number)
{
    return &w->seen[(uint64_t)number % REPLAY_WINDOW / 64];
}

static uint64_t bit_of(int64_t number)
{
    return 1ULL << ((uint64_t)number % 64);
}

/* `number` is not left behind (window_left). What the circle passes over counts as not seen. */
void window_mark(struct window *w, int64_t number)
{
    if (w->top < 0 || number - w->top >= REPLAY_WINDOW)
        memset(w->seen, 0, sizeof w->seen);
    else
        for (int64_t passed = w->top + 1; passed < number; passed++)
            *word_of(w, passed) &= ~bit_of(passed);
    *word_of(w, number) |= bit_of(number);
    if (number > w->top)
        w->top = number;
}
