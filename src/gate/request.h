/* SPDX-License-Identifier: Apache-2.0
 *
 * request.h: a request as it comes, piece by piece, and what it says. Pure, and fuzzed. */
#ifndef GATE_REQUEST_H
#define GATE_REQUEST_H

#include "gate/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#define GATE_LIMITS 16

enum gate_reading { GATE_MORE, GATE_COMPLETE, GATE_NO_HEADER, GATE_OTHER_VERSION, GATE_TOO_LONG, GATE_NO_MEMORY };

/* A struct of zeros has read nothing. It owns the body, which gate_reader_free gives back. */
struct gate_reader {
    char header[GATE_HEADER_SIZE];
    size_t header_length;
    bool has_header;
    char *body;
    size_t length;
    size_t have;
};

/* A number of digits, behind which `at` stands then; false where there is none, or a monstrous one. */
bool gate_take_number(const char **at, uint64_t *number);

/* Takes the next bytes; those behind the request's end are passed over. Not to be called after anything but GATE_MORE.
 */
enum gate_reading gate_reader_feed(struct gate_reader *reader, const char *bytes, size_t length);
void gate_reader_free(struct gate_reader *reader);

struct gate_limit {
    int resource;
    struct rlimit value;
};

/* What a request says. All texts lie in the body; the lists, ended by NULL, are its own. */
struct gate_request {
    char **program; /* empty: the gate's own command */
    char **arguments;
    char **environment;
    size_t program_count, argument_count, environment_count;
    const char *directory; /* NULL: the gate's own */
    bool clears_environment;
    bool is_owned_by_input;
    bool outlives_asker;
    bool tells_handshake;
    struct gate_limit limits[GATE_LIMITS];
    size_t limit_count;
    int descriptors[GATE_DESCRIPTORS];
    size_t descriptor_count;
    char **lists;
};

/* Reads a body, which is changed by it and must outlive the request. Returns NULL, or what is wrong with it; the
 * request is to be freed either way. */
const char *gate_request_parse(struct gate_request *request, char *body, size_t length);
void gate_request_free(struct gate_request *request);

#endif
