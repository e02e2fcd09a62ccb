/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_grpc_message.c: any bytes, in any chunks, give the same gRPC messages or the same refusal; what was taken,
 * written again, is the stream up to there.
 *
 * Input: one byte for the limit, four that choose the chunks, then the stream. */
#include "core/grpc/grpc_message.h"

#include "fuzz.h"

/* What came of a stream: its messages with their prefixes, as they would be sent. */
struct transcript {
    uint8_t *bytes;
    size_t size;
    const char *code; /* of the refusal, or NULL */
    bool inside;
};

static void take_all(struct gantry_grpc_reader *reader, struct transcript *transcript)
{
    struct gantry_grpc_message *message;

    while ((message = gantry_grpc_reader_take(reader)) != NULL) {
        HOLDS(message->length <= reader->limit);
        gantry_grpc_write_prefix(transcript->bytes + transcript->size, (uint32_t)message->length);
        transcript->size += GANTRY_GRPC_PREFIX_SIZE;
        memcpy(transcript->bytes + transcript->size, message->bytes, message->length);
        transcript->size += message->length;
        free(message);
    }
}

static struct transcript read_stream(const uint8_t *bytes, size_t size, size_t limit, size_t fixed, uint32_t seed)
{
    struct gantry_grpc_reader reader = {.limit = limit};
    struct transcript transcript = {.bytes = malloc(size + 1)};
    struct gantry_error err = {0};

    HOLDS(transcript.bytes != NULL);
    for (size_t at = 0; at < size && transcript.code == NULL;) {
        size_t chunk = fixed > 0 ? fixed : next_chunk(&seed);
        char *copy;

        if (chunk > size - at)
            chunk = size - at;
        copy = exact_copy(bytes + at, chunk);
        if (gantry_grpc_reader_feed(&reader, (const uint8_t *)copy, chunk, &err) < 0)
            transcript.code = err.code;
        free(copy);
        at += chunk;
        take_all(&reader, &transcript);
    }
    transcript.inside = gantry_grpc_reader_is_inside(&reader);
    gantry_grpc_reader_clear(&reader);
    return transcript;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = 1 + sizeof(uint32_t);
    struct transcript whole;
    struct transcript chunked;
    uint32_t seed;

    if (size < head)
        return 0;
    memcpy(&seed, data + 1, sizeof seed);
    size -= head;
    whole = read_stream(data + head, size, (size_t)data[0] * 4, size, seed);
    chunked = read_stream(data + head, size, (size_t)data[0] * 4, 0, seed);
    HOLDS(whole.code == chunked.code && whole.inside == chunked.inside);
    HOLDS(whole.size == chunked.size && memcmp(whole.bytes, chunked.bytes, whole.size) == 0);
    HOLDS(whole.size <= size && memcmp(whole.bytes, data + head, whole.size) == 0);
    HOLDS(whole.code != NULL || whole.inside == (whole.size < size));
    free(whole.bytes);
    free(chunked.bytes);
    return 0;
}
