/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_message.h: gRPC's messages in a stream of bytes: five bytes of prefix (a flag, the length), then the message.
 *
 * The reader takes the stream in any pieces and keeps whole messages, in order, until they are taken. A struct of zeros
 * with its limit set is an empty reader; gantry_grpc_reader_clear gives back what it holds. */
#ifndef GANTRY_GRPC_MESSAGE_H
#define GANTRY_GRPC_MESSAGE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GANTRY_GRPC_PREFIX_SIZE 5

struct gantry_grpc_message {
    struct gantry_grpc_message *next;
    size_t length;
    uint8_t bytes[];
};

struct gantry_grpc_reader {
    size_t limit; /* the longest message accepted */
    uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE];
    size_t prefix_length;                /* how much of the prefix is here */
    struct gantry_grpc_message *partial; /* the message under way, once its prefix is here */
    size_t expected;                     /* the length it will have */
    size_t room;                         /* the length there is memory for */
    struct gantry_grpc_message *first;   /* whole messages that wait */
    struct gantry_grpc_message *last;
};

/* Takes the next bytes of the stream. Fails with MESSAGE_TOO_LARGE (beyond the limit; seen from the prefix, before any
 * memory is taken), MESSAGE_COMPRESSED (its flag says so, and no compression was offered) or OUT_OF_MEMORY. */
int gantry_grpc_reader_feed(struct gantry_grpc_reader *reader, const uint8_t *bytes, size_t length,
                            struct gantry_error *err);

/* The next whole message, which the caller gives back with free(), or NULL. */
struct gantry_grpc_message *gantry_grpc_reader_take(struct gantry_grpc_reader *reader);

/* True where the stream stands inside a message: an end here would cut it off. */
bool gantry_grpc_reader_is_inside(const struct gantry_grpc_reader *reader);

/* Throws away all messages, whole and partial. */
void gantry_grpc_reader_clear(struct gantry_grpc_reader *reader);

/* Writes the prefix of an uncompressed message of `length` bytes. */
void gantry_grpc_write_prefix(uint8_t prefix[GANTRY_GRPC_PREFIX_SIZE], uint32_t length);

#endif
