/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_gate_request.c: any bytes in any pieces are a request, the beginning of one, or refused; and what a request says
 * lies in its body.
 *
 * Input: what comes to a gate. */
#include "gate/request.h"

#include "fuzz.h"

static bool lies_in_body(const struct gate_reader *reader, const char *text)
{
    return text >= reader->body && text + strlen(text) < reader->body + reader->length;
}

static void check_list(const struct gate_reader *reader, char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        HOLDS(lies_in_body(reader, list[i]));
    HOLDS(list == NULL || list[count] == NULL);
}

static void check_request(struct gate_reader *reader)
{
    struct gate_request request;
    const char *wrong = gate_request_parse(&request, reader->body, reader->length);

    HOLDS(wrong == NULL || strlen(wrong) > 0);
    check_list(reader, request.program, request.program_count);
    check_list(reader, request.arguments, request.argument_count);
    check_list(reader, request.environment, request.environment_count);
    HOLDS(request.limit_count <= GATE_LIMITS && request.descriptor_count <= GATE_DESCRIPTORS);
    HOLDS(request.directory == NULL || lies_in_body(reader, request.directory));
    for (size_t i = 0; wrong == NULL && i < request.environment_count; i++)
        HOLDS(strchr(request.environment[i], '=') > request.environment[i]);
    gate_request_free(&request);
}

/* The same bytes mean the same, however they are cut. */
static enum gate_reading read_in_pieces(struct gate_reader *reader, const char *bytes, size_t size, bool cut)
{
    enum gate_reading reading = GATE_MORE;
    uint32_t seed = (uint32_t)size;

    for (size_t at = 0; at < size && reading == GATE_MORE;) {
        size_t piece = cut ? next_chunk(&seed) : size;
        char *copy;

        piece = piece < size - at ? piece : size - at;
        copy = exact_copy(bytes + at, piece);
        reading = gate_reader_feed(reader, copy, piece);
        free(copy);
        at += piece;
    }
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gate_reader whole = {.header_length = 0};
    struct gate_reader pieces = {.header_length = 0};
    enum gate_reading reading = read_in_pieces(&whole, (const char *)data, size, false);

    HOLDS(reading == read_in_pieces(&pieces, (const char *)data, size, true));
    HOLDS(whole.have == pieces.have && whole.have <= whole.length && whole.length <= GATE_REQUEST_SIZE);
    if (reading == GATE_COMPLETE) {
        HOLDS(memcmp(whole.body, pieces.body, whole.length) == 0);
        check_request(&whole);
    }
    gate_reader_free(&whole);
    gate_reader_free(&pieces);
    return 0;
}
