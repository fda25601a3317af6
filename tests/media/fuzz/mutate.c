/* A small fuzzer where libFuzzer is not: replays the given files, then changes them for some seconds.
 *
 *     mutate SECONDS FILE...
 *
 * The input at hand is written to mutate.input before it is tried, so that what stops the program can be repeated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT 8192

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct sample {
    size_t size;
    unsigned char data[LIMIT];
};

static unsigned long long state;

static size_t dice(size_t sides)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % sides);
}

static void change(struct sample *s)
{
    size_t at = s->size > 0 ? dice(s->size) : 0, length = s->size > 0 ? 1 + dice(s->size - at) : 0;
    switch (s->size > 0 ? dice(5) : 4) {
    case 0:
        s->data[at] ^= (unsigned char)(1 << dice(8));
        break;
    case 1:
        s->data[at] = (unsigned char)dice(256);
        break;
    case 2: /* leave a piece out */
        memmove(s->data + at, s->data + at + length, s->size - at - length);
        s->size -= length;
        break;
    case 3: /* say a piece twice */
        if (s->size + length > LIMIT)
            break;
        memmove(s->data + at + length, s->data + at, s->size - at);
        s->size += length;
        break;
    default:
        if (s->size < LIMIT)
            s->data[s->size++] = (unsigned char)dice(256);
    }
}

static void splice(struct sample *s, const struct sample *other)
{
    size_t keep = s->size > 0 ? dice(s->size) : 0, from = other->size > 0 ? dice(other->size) : 0;
    size_t length = other->size - from < LIMIT - keep ? other->size - from : LIMIT - keep;
    memcpy(s->data + keep, other->data + from, length);
    s->size = keep + length;
}

static void try(const struct sample *s)
{
    FILE *file = fopen("mutate.input", "wb");
    if (file != NULL) {
        fwrite(s->data, 1, s->size, file);
        fclose(file);
    }
    LLVMFuzzerTestOneInput(s->data, s->size);
}

static void read_sample(const char *name, struct sample *s)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        exit(2);
    }
    s->size = fread(s->data, 1, LIMIT, file);
    fclose(file);
}

int main(int count, char **arguments)
{
    int files = count - 2;
    if (files < 1)
        return 2;
    struct sample *samples = calloc((size_t)files, sizeof *samples), *sample = calloc(1, sizeof *sample);
    time_t end = time(NULL) + atoi(arguments[1]);
    long tried = 0;
    state = (unsigned long long)time(NULL) * 2654435761u + 1;
    for (int i = 0; i < files; i++, tried++) {
        read_sample(arguments[i + 2], &samples[i]);
        try(&samples[i]);
    }
    for (; time(NULL) < end; tried++) {
        *sample = samples[dice((size_t)files)];
        if (dice(4) == 0)
            splice(sample, &samples[dice((size_t)files)]);
        for (size_t i = 1 + dice(8); i > 0; i--)
            change(sample);
        try(sample);
    }
    printf("%ld executions\n", tried);
    free(samples);
    free(sample);
    return 0;
}
