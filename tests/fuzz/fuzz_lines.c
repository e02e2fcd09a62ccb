/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_lines.c: any bytes, in any chunks, give the same lines, and nothing is lost.
 *
 * Input: one byte for the limit, four that choose the chunks, then the text. */
#include "core/base/lines.h"

#include "fuzz.h"

/* What came, each line followed by '\n', and by "+\n" where it goes on: with the text joined again beside it. */
struct transcript {
    size_t limit;
    char *bytes;
    size_t size;
    char *text; /* the lines alone, each ended by '\n' */
    size_t text_size;
    bool open; /* the last piece said that its line goes on */
};

static void line_came(void *data, const char *line, size_t size, bool partial)
{
    struct transcript *transcript = data;

    HOLDS(size <= transcript->limit && memchr(line, '\n', size) == NULL);
    HOLDS(!partial || size == transcript->limit);
    memcpy(transcript->bytes + transcript->size, line, size);
    transcript->size += size;
    memcpy(transcript->text + transcript->text_size, line, size);
    transcript->text_size += size;
    if (partial)
        transcript->bytes[transcript->size++] = '+';
    else
        transcript->text[transcript->text_size++] = '\n';
    transcript->bytes[transcript->size++] = '\n';
    transcript->open = partial;
}

/* Feeds chunks of `fixed` bytes, or of sizes from the seed where it is 0. */
static void feed(const char *bytes, size_t size, size_t fixed, uint32_t seed, struct transcript *transcript)
{
    struct gantry_lines lines;

    gantry_lines_init(&lines, transcript->limit);
    while (size > 0) {
        size_t chunk = fixed > 0 ? fixed : next_chunk(&seed);
        char *copy;

        if (chunk > size)
            chunk = size;
        copy = exact_copy(bytes, chunk);
        gantry_lines_feed(&lines, copy, chunk, line_came, transcript);
        free(copy);
        bytes += chunk;
        size -= chunk;
    }
    gantry_lines_finish(&lines, line_came, transcript);
    HOLDS(!transcript->open);
    gantry_lines_free(&lines);
}

/* The text as its lines must give it back: each "\n" with no "\r" before it, and one at the end of what is not empty.
 */
static size_t normalize(const char *bytes, size_t size, char *out)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' && i > 0 && bytes[i - 1] == '\r')
            used--;
        out[used++] = bytes[i];
    }
    if (size > 0 && bytes[size - 1] != '\n')
        out[used++] = '\n';
    return used;
}

static struct transcript begin(size_t limit, size_t size)
{
    struct transcript transcript = {
        .limit = limit,
        .bytes = malloc(3 * size + 2),
        .text = malloc(2 * size + 2),
    };

    HOLDS(transcript.bytes != NULL && transcript.text != NULL);
    return transcript;
}

static void end(struct transcript *transcript)
{
    free(transcript->bytes);
    free(transcript->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = 1 + sizeof(uint32_t);
    struct transcript whole;
    struct transcript chunked;
    uint32_t seed;
    char *wanted;

    if (size < head)
        return 0;
    memcpy(&seed, data + 1, sizeof seed);
    size -= head;
    whole = begin((size_t)data[0] + 1, size);
    chunked = begin((size_t)data[0] + 1, size);
    wanted = malloc(size + 2);
    HOLDS(wanted != NULL);

    feed((const char *)data + head, size, size, seed, &whole);
    feed((const char *)data + head, size, 0, seed, &chunked);
    HOLDS(whole.size == chunked.size && memcmp(whole.bytes, chunked.bytes, whole.size) == 0);
    HOLDS(whole.text_size == normalize((const char *)data + head, size, wanted));
    HOLDS(memcmp(whole.text, wanted, whole.text_size) == 0);

    free(wanted);
    end(&whole);
    end(&chunked);
    return 0;
}
