/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_answer.c: the header fields of an answer, and gRPC's tables of codes. */
#include "core/grpc/grpc_answer.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRPC_TYPE "application/grpc"
#define HIGHEST_STATUS 16
#define FIELD_SIZE 32 /* what a field counts beside its bytes, as in HPACK: many are dearer than long ones */
#define MOST_DIGITS 99999999

/* ---- tables ---- */

static const struct {
    int http_status;
    int status;
} http_statuses[] = {
    {400, GANTRY_GRPC_INTERNAL},      {401, GANTRY_GRPC_UNAUTHENTICATED}, {403, GANTRY_GRPC_PERMISSION_DENIED},
    {404, GANTRY_GRPC_UNIMPLEMENTED}, {429, GANTRY_GRPC_UNAVAILABLE},     {502, GANTRY_GRPC_UNAVAILABLE},
    {503, GANTRY_GRPC_UNAVAILABLE},   {504, GANTRY_GRPC_UNAVAILABLE},
};

int gantry_grpc_status_of_http(int http_status)
{
    for (size_t i = 0; i < sizeof http_statuses / sizeof *http_statuses; i++) {
        if (http_statuses[i].http_status == http_status)
            return http_statuses[i].status;
    }
    return GANTRY_GRPC_UNKNOWN;
}

int gantry_grpc_status_of_reset(uint32_t http2_error)
{
    switch (http2_error) {
    case NGHTTP2_REFUSED_STREAM:
        return GANTRY_GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GANTRY_GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GANTRY_GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GANTRY_GRPC_PERMISSION_DENIED;
    default:
        return GANTRY_GRPC_INTERNAL;
    }
}

/* ---- texts ---- */

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

size_t gantry_grpc_percent_decode(char *text, size_t length)
{
    size_t decoded = 0;

    for (size_t i = 0; i < length; i++) {
        int high = text[i] == '%' && length - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

        if (low >= 0) {
            text[decoded++] = (char)(high << 4 | low);
            i += 2;
        } else {
            text[decoded++] = text[i];
        }
    }
    return decoded;
}

void gantry_grpc_timeout_text(int64_t nanoseconds, char text[GANTRY_GRPC_TIMEOUT_TEXT])
{
    static const struct {
        char unit;
        int64_t nanoseconds;
    } units[] = {{'n', 1}, {'u', 1000}, {'m', 1000000}, {'S', 1000000000}, {'M', 60000000000}, {'H', 3600000000000}};
    int64_t count = 0;
    size_t i;

    for (i = 0; i < sizeof units / sizeof *units; i++) {
        count = nanoseconds / units[i].nanoseconds + (nanoseconds % units[i].nanoseconds > 0);
        if (count <= MOST_DIGITS)
            break; /* hours always fit */
    }
    snprintf(text, GANTRY_GRPC_TIMEOUT_TEXT, "%lld%c", (long long)count, units[i].unit);
}

/* ---- the answer ---- */

void gantry_grpc_answer_init(struct gantry_grpc_answer *answer)
{
    *answer = (struct gantry_grpc_answer){.status = -1};
}

static void drop_trailers(struct gantry_grpc_answer *answer)
{
    for (size_t i = 0; i < answer->trailer_count; i++)
        free(answer->trailers[i].name);
    free(answer->trailers);
    answer->trailers = NULL;
    answer->trailer_count = 0;
}

void gantry_grpc_answer_free(struct gantry_grpc_answer *answer)
{
    drop_trailers(answer);
    free(answer->message);
    answer->message = NULL;
}

int gantry_grpc_answer_begin(struct gantry_grpc_answer *answer, bool last_block)
{
    answer->last_block = last_block;
    answer->block_size = 0;
    return ++answer->blocks <= GANTRY_GRPC_MOST_BLOCKS ? 0 : -1;
}

static bool is_named(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

/* A number of at most three digits, or -1. */
static int short_number(const char *text, size_t length)
{
    int number = 0;

    if (length == 0 || length > 3)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static int read_status(const char *value, size_t length)
{
    int status = short_number(value, length);

    return status >= 0 && status <= HIGHEST_STATUS ? status : GANTRY_GRPC_UNKNOWN;
}

static void keep_content_type(struct gantry_grpc_answer *answer, const char *value, size_t length)
{
    size_t most = sizeof answer->content_type - 1;

    if (length > most)
        length = most;
    memcpy(answer->content_type, value, length);
    answer->content_type[length] = '\0';
}

static int keep_message(struct gantry_grpc_answer *answer, const char *value, size_t length)
{
    char *message = malloc(length + 1);

    if (message == NULL)
        return -1;
    memcpy(message, value, length);
    answer->message_length = gantry_grpc_percent_decode(message, length);
    message[answer->message_length] = '\0';
    free(answer->message);
    answer->message = message;
    return 0;
}

/* The list grows when its count is a power of two; name and value share one piece of memory. */
static int keep_trailer(struct gantry_grpc_answer *answer, const char *name, size_t name_length, const char *value,
                        size_t value_length)
{
    struct gantry_grpc_field *trailers = answer->trailers;
    size_t count = answer->trailer_count;
    char *memory;

    if ((count & (count - 1)) == 0) {
        trailers = realloc(answer->trailers, (count == 0 ? 1 : 2 * count) * sizeof *trailers);
        if (trailers == NULL)
            return -1;
        answer->trailers = trailers;
    }
    memory = malloc(name_length + value_length + 2);
    if (memory == NULL || trailers == NULL) {
        free(memory);
        return -1;
    }
    memcpy(memory, name, name_length);
    memory[name_length] = '\0';
    memcpy(memory + name_length + 1, value, value_length);
    memory[name_length + 1 + value_length] = '\0';
    trailers[count] = (struct gantry_grpc_field){memory, memory + name_length + 1, value_length};
    answer->trailer_count++;
    return 0;
}

int gantry_grpc_answer_field(struct gantry_grpc_answer *answer, const char *name, size_t name_length, const char *value,
                             size_t value_length)
{
    answer->block_size += name_length + value_length;
    if (answer->block_size > GANTRY_GRPC_BLOCK_SIZE)
        return -1;
    if (is_named(name, name_length, ":status")) {
        answer->http_status = short_number(value, value_length);
        return 0;
    }
    if (is_named(name, name_length, "content-type"))
        keep_content_type(answer, value, value_length);
    if (!answer->last_block)
        return 0;

    answer->trailers_size += name_length + value_length + FIELD_SIZE;
    if (answer->trailers_size > GANTRY_GRPC_TRAILERS_SIZE) {
        answer->too_large = true;
        return 0;
    }
    if (is_named(name, name_length, "grpc-status")) {
        answer->status = read_status(value, value_length);
        return 0;
    }
    if (is_named(name, name_length, "grpc-message"))
        return keep_message(answer, value, value_length);
    return keep_trailer(answer, name, name_length, value, value_length);
}

bool gantry_grpc_answer_is_grpc(const struct gantry_grpc_answer *answer)
{
    const char *rest = answer->content_type + strlen(GRPC_TYPE);

    return answer->http_status == 200 && strncmp(answer->content_type, GRPC_TYPE, strlen(GRPC_TYPE)) == 0 &&
           (*rest == '\0' || *rest == '+' || *rest == ';');
}

int gantry_grpc_answer_status(const struct gantry_grpc_answer *answer, char *reason, size_t reason_size)
{
    reason[0] = '\0';
    if (answer->too_large) {
        snprintf(reason, reason_size, "the trailers of the answer are longer than %lu bytes",
                 GANTRY_GRPC_TRAILERS_SIZE);
        return GANTRY_GRPC_RESOURCE_EXHAUSTED;
    }
    if (answer->status >= 0)
        return answer->status;
    if (answer->http_status != 200) {
        snprintf(reason, reason_size, "the peer answered with HTTP status %d instead of gRPC", answer->http_status);
        return gantry_grpc_status_of_http(answer->http_status);
    }
    if (!gantry_grpc_answer_is_grpc(answer))
        snprintf(reason, reason_size, "the peer answered with content of type '%s' instead of gRPC",
                 answer->content_type);
    else
        snprintf(reason, reason_size, "the peer ended the call without a grpc-status");
    return GANTRY_GRPC_INTERNAL;
}
