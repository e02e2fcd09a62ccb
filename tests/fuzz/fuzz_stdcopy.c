/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_stdcopy.c: any bytes, in any chunks, give the same payloads and the same error.
 *
 * Input: four bytes that choose the chunks, then the stream. */
#include "core/base/stdcopy.h"

#include "fuzz.h"

/* What came: of each piece its stream and bytes, adjacent ones joined. */
struct transcript {
    char *bytes;
    size_t size;
    int last;
};

static void piece_came(void *data, enum gantry_stream stream, const char *bytes, size_t size)
{
    struct transcript *transcript = data;

    HOLDS(size > 0 && (int)stream >= GANTRY_STDIN && (int)stream <= GANTRY_ENGINE);
    if (transcript->last != (int)stream)
        transcript->bytes[transcript->size++] = (char)('0' + stream);
    transcript->last = (int)stream;
    memcpy(transcript->bytes + transcript->size, bytes, size);
    transcript->size += size;
}

static int feed_whole(const char *bytes, size_t size, struct transcript *transcript, struct gantry_error *err)
{
    struct gantry_stdcopy state = {0};
    int result = gantry_stdcopy_feed(&state, bytes, size, piece_came, transcript, err);
    size_t told = transcript->size;

    if (result < 0)
        HOLDS(gantry_stdcopy_feed(&state, bytes, size, piece_came, transcript, err) < 0 && transcript->size == told);
    return result;
}

static int feed_in_chunks(const char *bytes, size_t size, uint32_t seed, struct transcript *transcript,
                          struct gantry_error *err)
{
    struct gantry_stdcopy state = {0};
    int result = 0;

    while (size > 0 && result == 0) {
        size_t chunk = next_chunk(&seed);
        char *copy;

        if (chunk > size)
            chunk = size;
        copy = exact_copy(bytes, chunk);
        result = gantry_stdcopy_feed(&state, copy, chunk, piece_came, transcript, err);
        free(copy);
        bytes += chunk;
        size -= chunk;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct transcript whole = {.last = -1};
    struct transcript chunked = {.last = -1};
    struct gantry_error errors[2];
    uint32_t seed;
    char *stream;
    int result;

    if (size < sizeof seed)
        return 0;
    memcpy(&seed, data, sizeof seed);
    size -= sizeof seed;
    stream = exact_copy(data + sizeof seed, size);
    whole.bytes = malloc(2 * size + 1);
    chunked.bytes = malloc(2 * size + 1);
    HOLDS(whole.bytes != NULL && chunked.bytes != NULL);

    result = feed_whole(stream, size, &whole, &errors[0]);
    HOLDS(feed_in_chunks(stream, size, seed, &chunked, &errors[1]) == result);
    HOLDS(whole.size == chunked.size && memcmp(whole.bytes, chunked.bytes, whole.size) == 0);
    if (result < 0) {
        HOLDS(strcmp(errors[0].code, "STREAM_CORRUPT") == 0 && strstr(errors[0].message, "frame header") != NULL);
        HOLDS(strcmp(errors[0].message, errors[1].message) == 0);
    }

    free(whole.bytes);
    free(chunked.bytes);
    free(stream);
    return 0;
}
