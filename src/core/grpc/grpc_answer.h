/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_answer.h: what the header fields of an answer say: the status of a call, its message, its trailers.
 *
 * Fields come in blocks; a block that ends the stream holds the trailers, and it may be the only one (an answer of
 * headers alone). A struct that gantry_grpc_answer_init has set is owned by its holder, who gives its memory back with
 * gantry_grpc_answer_free. Here, too, are the texts and numbers of gRPC over HTTP/2 that need no state. */
#ifndef GANTRY_GRPC_ANSWER_H
#define GANTRY_GRPC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The status codes that this side gives by itself; a peer gives any from 0 to 16. */
enum gantry_grpc_status {
    GANTRY_GRPC_OK = 0,
    GANTRY_GRPC_CANCELLED = 1,
    GANTRY_GRPC_UNKNOWN = 2,
    GANTRY_GRPC_DEADLINE_EXCEEDED = 4,
    GANTRY_GRPC_PERMISSION_DENIED = 7,
    GANTRY_GRPC_RESOURCE_EXHAUSTED = 8,
    GANTRY_GRPC_UNIMPLEMENTED = 12,
    GANTRY_GRPC_INTERNAL = 13,
    GANTRY_GRPC_UNAVAILABLE = 14,
    GANTRY_GRPC_UNAUTHENTICATED = 16,
};

#define GANTRY_GRPC_TRAILERS_SIZE (64UL * 1024)
#define GANTRY_GRPC_TIMEOUT_TEXT 16

/* One header field. The name is in lower case; the value ends with a NUL that is not counted. */
struct gantry_grpc_field {
    char *name;
    char *value;
    size_t value_length;
};

struct gantry_grpc_answer {
    bool last_block;   /* the block under way ends the stream */
    size_t blocks;     /* of fields that have begun: a peer may announce its answer (1xx) before it gives it */
    size_t block_size; /* bytes of names and values in the block under way */
    bool too_large;    /* the trailers are longer than GANTRY_GRPC_TRAILERS_SIZE; the rest was left off */
    int http_status;   /* 0 before any */
    int status;        /* grpc-status, or -1 before any */
    char *message;     /* grpc-message, percent-decoded, ending with a NUL that is not counted; or NULL */
    size_t message_length;
    char content_type[64];
    struct gantry_grpc_field *trailers; /* without grpc-status and grpc-message */
    size_t trailer_count;
    size_t trailers_size; /* bytes of names and values, and 32 for each field */
};

/* What a peer may spend on one answer. A field of a few bytes can stand for thousands, so bytes on the wire say little;
 * none that speaks gRPC comes near. */
#define GANTRY_GRPC_BLOCK_SIZE (1024UL * 1024)
#define GANTRY_GRPC_MOST_BLOCKS 16

/* Sets an answer of which nothing has arrived. */
void gantry_grpc_answer_init(struct gantry_grpc_answer *answer);

/* Gives back its memory. */
void gantry_grpc_answer_free(struct gantry_grpc_answer *answer);

/* Begins a block of fields. Returns 0, or -1 where that is one too many. */
int gantry_grpc_answer_begin(struct gantry_grpc_answer *answer, bool last_block);

/* Takes one field of the block under way. Returns 0, or -1 where memory is short or the block is larger than
 * GANTRY_GRPC_BLOCK_SIZE. */
int gantry_grpc_answer_field(struct gantry_grpc_answer *answer, const char *name, size_t name_length, const char *value,
                             size_t value_length);

/* True where the headers promise gRPC messages: HTTP status 200 and a type of application/grpc. */
bool gantry_grpc_answer_is_grpc(const struct gantry_grpc_answer *answer);

/* The status of a call whose stream came to its end. Where the peer gave none, writes why into `reason` and returns the
 * status that stands for it; otherwise leaves `reason` empty: the message is the answer's own. */
int gantry_grpc_answer_status(const struct gantry_grpc_answer *answer, char *reason, size_t reason_size);

/* The status of a call that has no grpc-status and whose HTTP status was `http_status`. */
int gantry_grpc_status_of_http(int http_status);

/* The status of a call whose stream was reset with the HTTP/2 error `http2_error`. */
int gantry_grpc_status_of_reset(uint32_t http2_error);

/* Decodes %XX in place and returns the new length; what is no valid escape stays as it is. */
size_t gantry_grpc_percent_decode(char *text, size_t length);

/* Writes a duration as grpc-timeout wants it: at most eight digits and a unit, rounded up to the finest unit that
 * fits. */
void gantry_grpc_timeout_text(int64_t nanoseconds, char text[GANTRY_GRPC_TIMEOUT_TEXT]);

#endif
