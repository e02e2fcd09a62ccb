/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_message.c: messages out of a stream in any pieces.
 *
 * Memory for a message grows with what has arrived, by doubling: a prefix alone cannot make us take what it claims. */
#include "core/grpc/grpc_message.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM (64UL * 1024)

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Makes room for `room` bytes of the message under way, which begins where there is none yet. */
static int reader_make_room(struct gantry_grpc_reader *reader, size_t room, struct gantry_error *err)
{
    struct gantry_grpc_message *message = realloc(reader->partial, sizeof *message + room);

    if (message == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "receive a message of %zu bytes: out of memory", reader->expected);
    if (reader->partial == NULL) {
        message->next = NULL;
        message->length = 0;
    }
    reader->partial = message;
    reader->room = room;
    return 0;
}

static int begin_message(struct gantry_grpc_reader *reader, struct gantry_error *err)
{
    const uint8_t *prefix = reader->prefix;
    size_t length = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];

    if (prefix[0] != 0)
        return gantry_fail(err, "MESSAGE_COMPRESSED",
                           "receive a message: its compression flag is %d, but no compression was offered to the peer",
                           prefix[0]);
    if (length > reader->limit)
        return gantry_fail(err, "MESSAGE_TOO_LARGE",
                           "receive a message: it has %zu bytes, the limit is %zu; raise the limit of the call", length,
                           reader->limit);
    reader->expected = length;
    return reader_make_room(reader, smaller(length, FIRST_ROOM), err);
}

static size_t take_prefix(struct gantry_grpc_reader *reader, const uint8_t *bytes, size_t length)
{
    size_t count = smaller(length, GANTRY_GRPC_PREFIX_SIZE - reader->prefix_length);

    memcpy(reader->prefix + reader->prefix_length, bytes, count);
    reader->prefix_length += count;
    return count;
}

static int take_bytes(struct gantry_grpc_reader *reader, const uint8_t *bytes, size_t count, struct gantry_error *err)
{
    size_t needed = reader->partial->length + count;
    size_t room = reader->room;

    while (room < needed)
        room = smaller(2 * room, reader->expected);
    if (room > reader->room && reader_make_room(reader, room, err) < 0)
        return -1;
    memcpy(reader->partial->bytes + reader->partial->length, bytes, count);
    reader->partial->length = needed;
    return 0;
}

static void end_message(struct gantry_grpc_reader *reader)
{
    if (reader->first == NULL)
        reader->first = reader->partial;
    else
        reader->last->next = reader->partial;
    reader->last = reader->partial;
    reader->partial = NULL;
    reader->prefix_length = 0;
}

int gantry_grpc_reader_feed(struct gantry_grpc_reader *reader, const uint8_t *bytes, size_t length,
                            struct gantry_error *err)
{
    while (length > 0) {
        size_t count;

        if (reader->partial == NULL) {
            count = take_prefix(reader, bytes, length);
            if (reader->prefix_length == GANTRY_GRPC_PREFIX_SIZE && begin_message(reader, err) < 0)
                return -1;
        } else {
            count = smaller(length, reader->expected - reader->partial->length);
            if (take_bytes(reader, bytes, count, err) < 0)
                return -1;
        }
        bytes += count;
        length -= count;
        if (reader->partial != NULL && reader->partial->length == reader->expected)
            end_message(reader);
    }
    return 0;
}

struct gantry_grpc_message *gantry_grpc_reader_take(struct gantry_grpc_reader *reader)
{
    struct gantry_grpc_message *message = reader->first;

    if (message != NULL)
        reader->first = message->next;
    return message;
}

bool gantry_grpc_reader_is_inside(const struct gantry_grpc_reader *reader)
{
    return reader->prefix_length > 0;
}

void gantry_grpc_reader_clear(struct gantry_grpc_reader *reader)
{
    struct gantry_grpc_message *message;

    while ((message = gantry_grpc_reader_take(reader)) != NULL)
        free(message);
    free(reader->partial);
    reader->partial = NULL;
    reader->prefix_length = 0;
}

void gantry_grpc_write_prefix(uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE], uint32_t length)
{
    prefix[0] = 0;
    prefix[1] = (uint8_t)(length >> 24);
    prefix[2] = (uint8_t)(length >> 16);
    prefix[3] = (uint8_t)(length >> 8);
    prefix[4] = (uint8_t)length;
}
