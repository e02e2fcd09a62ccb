/* SPDX-License-Identifier: Apache-2.0 */
#include "core/gate/gate_request.h"
#include "gate/protocol.h"

#include <stdio.h>
#include <string.h>

static int add_piece(struct gantry_buffer *body, char kind, const char *text)
{
    if (gantry_buffer_append(body, &kind, 1) < 0)
        return -1;
    return gantry_buffer_append(body, text, strlen(text) + 1);
}

static int add_all(struct gantry_buffer *body, char kind, const char *const *texts)
{
    for (; texts != NULL && *texts != NULL; texts++)
        if (add_piece(body, kind, *texts) < 0)
            return -1;
    return 0;
}

static int add_body(struct gantry_buffer *body, const struct gantry_gate_request *request)
{
    static const char *const numbers[] = {"1", "2"};

    if (add_all(body, GATE_PROGRAM, request->program) < 0 || add_all(body, GATE_ARGUMENT, request->arguments) < 0 ||
        add_all(body, GATE_ENVIRONMENT, request->environment) < 0 || add_all(body, GATE_LIMIT, request->limits) < 0)
        return -1;
    if (request->directory != NULL && add_piece(body, GATE_DIRECTORY, request->directory) < 0)
        return -1;
    if (request->clears_environment && add_piece(body, GATE_CLEAR, "") < 0)
        return -1;
    if (request->is_owned_by_input && add_piece(body, GATE_OWNER, "input") < 0)
        return -1;
    if (request->outlives_asker && add_piece(body, GATE_OWNER, "nobody") < 0)
        return -1;
    if (request->tells_handshake && add_piece(body, GATE_HANDSHAKE, "") < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (request->descriptors[i] >= 0 && add_piece(body, GATE_DESCRIPTOR, numbers[i]) < 0)
            return -1;
    return 0;
}

int gantry_gate_encode(const struct gantry_gate_request *request, struct gantry_buffer *bytes, struct gantry_error *err)
{
    struct gantry_buffer body = {0};
    char header[GATE_HEADER_SIZE];
    int result = add_body(&body, request);
    size_t length = gantry_buffer_length(&body);

    snprintf(header, sizeof header, "gate %d %zu\n", GATE_VERSION, length);
    if (result < 0 || gantry_buffer_reserve(bytes, strlen(header) + length) == NULL) {
        result = gantry_fail(err, "OUT_OF_MEMORY", "ask a gate: out of memory");
    } else if (length > GATE_REQUEST_SIZE) {
        result = gantry_fail(err, "GATE_REQUEST_TOO_LONG",
                             "ask a gate: environment and arguments are %zu bytes, more than any kernel takes; "
                             "give the plugin less environment",
                             length);
    }
    if (result == 0 && gantry_buffer_append(bytes, header, strlen(header)) == 0)
        gantry_buffer_append(bytes, gantry_buffer_front(&body), length);
    gantry_buffer_free(&body);
    return result;
}
