/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/request.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- as it comes ---- */

bool gate_take_number(const char **at, uint64_t *number)
{
    const char *begin = *at;

    for (*number = 0; **at >= '0' && **at <= '9'; (*at)++) {
        if (*number > (UINT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (uint64_t)(**at - '0');
    }
    return *at > begin;
}

static enum gate_reading read_header(struct gate_reader *reader)
{
    const char *at = reader->header + sizeof "gate";
    uint64_t version;
    uint64_t length;

    if (strncmp(reader->header, "gate ", 5) != 0 || !gate_take_number(&at, &version) || *at++ != ' ' ||
        !gate_take_number(&at, &length) || *at != '\0')
        return GATE_NO_HEADER;
    if (version < GATE_VERSION_OLDEST || version > GATE_VERSION)
        return GATE_OTHER_VERSION;
    if (length > GATE_REQUEST_SIZE)
        return GATE_TOO_LONG;
    reader->body = malloc(length + 1);
    if (reader->body == NULL)
        return GATE_NO_MEMORY;
    reader->length = length;
    reader->has_header = true;
    return GATE_MORE;
}

enum gate_reading gate_reader_feed(struct gate_reader *reader, const char *bytes, size_t length)
{
    size_t used = 0;

    while (!reader->has_header && used < length) {
        char next = bytes[used++];
        enum gate_reading reading;

        if (next == '\n') {
            reader->header[reader->header_length] = '\0';
            reading = read_header(reader);
            if (reading != GATE_MORE)
                return reading;
        } else if (next == '\0' || reader->header_length + 1 >= sizeof reader->header) {
            return GATE_NO_HEADER;
        } else {
            reader->header[reader->header_length++] = next;
        }
    }
    if (!reader->has_header)
        return GATE_MORE;
    if (length - used > reader->length - reader->have)
        length = used + reader->length - reader->have;
    memcpy(reader->body + reader->have, bytes + used, length - used);
    reader->have += length - used;
    return reader->have == reader->length ? GATE_COMPLETE : GATE_MORE;
}

void gate_reader_free(struct gate_reader *reader)
{
    free(reader->body);
    memset(reader, 0, sizeof *reader);
}

/* ---- what it says ---- */

static const struct {
    const char *name;
    int resource;
} resources[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

static bool take_limit_value(const char **at, rlim_t *value)
{
    uint64_t number;

    if (strncmp(*at, "unlimited", 9) == 0) {
        *at += 9;
        *value = RLIM_INFINITY;
        return true;
    }
    if (!gate_take_number(at, &number))
        return false;
    *value = (rlim_t)number;
    return true;
}

static const char *take_limit(struct gate_request *request, const char *text)
{
    struct gate_limit *limit = &request->limits[request->limit_count];
    size_t length = strcspn(text, " ");
    const char *at = text + length + (text[length] == ' ');
    size_t which = 0;

    while (which < sizeof resources / sizeof *resources &&
           (strlen(resources[which].name) != length || memcmp(resources[which].name, text, length) != 0))
        which++;
    if (which == sizeof resources / sizeof *resources)
        return "a limit of an unknown name";
    if (request->limit_count == GATE_LIMITS)
        return "too many limits";
    if (!take_limit_value(&at, &limit->value.rlim_cur) || *at++ != ' ' ||
        !take_limit_value(&at, &limit->value.rlim_max) || *at != '\0')
        return "a limit without its two numbers";
    limit->resource = resources[which].resource;
    request->limit_count++;
    return NULL;
}

static const char *take_descriptor(struct gate_request *request, const char *text)
{
    if ((text[0] != '1' && text[0] != '2') || text[1] != '\0')
        return "a descriptor other than 1 and 2";
    if (request->descriptor_count == GATE_DESCRIPTORS)
        return "too many descriptors";
    request->descriptors[request->descriptor_count++] = text[0] - '0';
    return NULL;
}

static const char *take_request_text(struct gate_request *request, char kind, char *text)
{
    switch (kind) {
    case GATE_ENVIRONMENT:
        if (text[0] == '=' || strchr(text, '=') == NULL)
            return "an environment variable without a name or without `=`";
        request->environment[request->environment_count++] = text;
        return NULL;
    case GATE_PROGRAM:
        if (request->program_count == 0 && text[0] == '\0')
            return "a program without a name";
        request->program[request->program_count++] = text;
        return NULL;
    case GATE_ARGUMENT:
        request->arguments[request->argument_count++] = text;
        return NULL;
    case GATE_DIRECTORY:
        request->directory = text;
        return text[0] == '/' ? NULL : "a working directory that is not absolute";
    default:
        return kind >= 'A' && kind <= 'Z' ? NULL : "a record of an unknown kind";
    }
}

static const char *take_record(struct gate_request *request, char kind, char *text)
{
    switch (kind) {
    case GATE_CLEAR:
        request->clears_environment = true;
        return NULL;
    case GATE_OWNER:
        request->is_owned_by_input = strcmp(text, "input") == 0;
        request->outlives_asker = strcmp(text, "nobody") == 0;
        return request->is_owned_by_input || request->outlives_asker ? NULL : "an owner of an unknown kind";
    case GATE_HANDSHAKE:
        request->tells_handshake = true;
        return NULL;
    case GATE_LIMIT:
        return take_limit(request, text);
    case GATE_DESCRIPTOR:
        return take_descriptor(request, text);
    default:
        return take_request_text(request, kind, text);
    }
}

static bool make_lists(struct gate_request *request, const char *body, size_t length)
{
    size_t most = 1;

    for (size_t i = 0; i < length; i++)
        most += body[i] == '\0';
    request->lists = calloc(most * 3, sizeof *request->lists);
    if (request->lists == NULL)
        return false;
    request->program = request->lists;
    request->arguments = request->lists + most;
    request->environment = request->lists + 2 * most;
    return true;
}

const char *gate_request_parse(struct gate_request *request, char *body, size_t length)
{
    const char *wrong = NULL;

    memset(request, 0, sizeof *request);
    if (length > 0 && body[length - 1] != '\0')
        return "a last record without its end";
    if (!make_lists(request, body, length))
        return "more records than memory has room for";
    for (size_t at = 0; at < length && wrong == NULL; at += strlen(body + at) + 1)
        wrong = body[at] == '\0' ? "an empty record" : take_record(request, body[at], body + at + 1);
    return wrong;
}

void gate_request_free(struct gate_request *request)
{
    free(request->lists);
    memset(request, 0, sizeof *request);
}
