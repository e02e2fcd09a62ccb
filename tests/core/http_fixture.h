/* SPDX-License-Identifier: Apache-2.0
 *
 * http_fixture.h: what the HTTP tests share: a client of the tests' server, and requests that note what they saw. */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include "core/http/http.h"
#include "http_server.h"

#define STEP_MS 30000

static struct gantry_loop *loop;
static struct gantry_http *client;
static struct gantry_error err;

/* ---- each test has a loop, a server on a Unix socket and a client of it ---- */

static inline void new_client(const struct gantry_http_endpoint *endpoint)
{
    if (gantry_http_new(loop, endpoint, &client, &err) < 0)
        fail_msg("%s: %s", err.code, err.message);
}

static inline int set_up_with(bool tcp)
{
    struct gantry_http_endpoint endpoint = {.url = "http://engine", .unix_socket = server.socket, .verify = true};
    char url[64];

    start_server(tcp);
    if (gantry_loop_new(&loop, &err) < 0)
        return -1;
    if (tcp) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
        endpoint = (struct gantry_http_endpoint){.url = url, .verify = true};
    }
    new_client(&endpoint);
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    return set_up_with(false);
}

static inline int set_up_tcp(void **state)
{
    (void)state;
    return set_up_with(true);
}

static inline int tear_down(void **state)
{
    (void)state;
    gantry_http_free(client);
    client = NULL;
    gantry_loop_free(loop);
    loop = NULL;
    stop_server();
    return 0;
}

/* ---- requests that note what they saw ---- */

struct answer {
    struct gantry_http_request *request;
    int headers;  /* calls */
    int pieces;   /* of a streamed body */
    size_t bytes; /* of the body */
    int done;     /* calls */
    int status;
    char fields[2048]; /* the headers: ";name=value;..." */
    char text[4096];   /* the beginning of the body */
    bool failed;
    struct gantry_error error;
    void (*at_headers)(struct answer *answer);
    void (*at_piece)(struct answer *answer);
    void (*at_done)(struct answer *answer);
};

static inline void note_fields(struct answer *answer, const struct gantry_http_response *response)
{
    size_t used = (size_t)snprintf(answer->fields, sizeof answer->fields, ";");

    for (size_t i = 0; i < response->header_count && used < sizeof answer->fields; i++)
        used += (size_t)snprintf(answer->fields + used, sizeof answer->fields - used, "%s=%s;",
                                 response->headers[i].name, response->headers[i].value);
}

static inline void note_text(struct answer *answer, const char *bytes, size_t size)
{
    size_t room = answer->bytes < sizeof answer->text - 1 ? sizeof answer->text - 1 - answer->bytes : 0;

    if (size < room)
        room = size;
    if (room > 0)
        memcpy(answer->text + answer->bytes, bytes, room);
    answer->bytes += size;
}

static inline void note_headers(void *data, const struct gantry_http_response *response)
{
    struct answer *answer = data;

    answer->headers++;
    answer->status = response->status;
    note_fields(answer, response);
    if (answer->at_headers != NULL)
        answer->at_headers(answer);
}

static inline void note_piece(void *data, const char *bytes, size_t size)
{
    struct answer *answer = data;

    answer->pieces++;
    note_text(answer, bytes, size);
    if (answer->at_piece != NULL)
        answer->at_piece(answer);
}

static inline void note_done(void *data, const struct gantry_error *error, const struct gantry_http_response *response)
{
    struct answer *answer = data;

    answer->done++;
    answer->status = response->status;
    answer->failed = error != NULL;
    if (error != NULL)
        answer->error = *error;
    if (response->body != NULL)
        note_text(answer, response->body, response->body_size);
    if (answer->at_done != NULL)
        answer->at_done(answer);
}

static inline void start(struct answer *answer, struct gantry_http_options options)
{
    options.on_headers = note_headers;
    options.on_done = note_done;
    options.data = answer;
    if (options.method == NULL)
        options.method = "GET";
    if (gantry_http_request(client, &options, &answer->request, &err) < 0)
        fail_msg("%s: %s", err.code, err.message);
}

static inline void get(struct answer *answer, const char *path)
{
    start(answer, (struct gantry_http_options){.path = path});
}

static inline void stream(struct answer *answer, const char *path)
{
    start(answer, (struct gantry_http_options){.path = path, .on_data = note_piece});
}

static inline void step(void)
{
    int count = gantry_loop_step(loop, STEP_MS, &err);

    if (count < 0)
        fail_msg("%s: %s", err.code, err.message);
    if (count == 0)
        fail_msg("nothing happened for %d ms", STEP_MS);
}

static inline void finish(struct answer *answer)
{
    while (answer->done == 0)
        step();
}

static inline void assert_failed(const struct answer *answer, const char *code)
{
    assert_true(answer->failed);
    if (strcmp(answer->error.code, code) != 0)
        fail_msg("%s, not %s: %s", answer->error.code, code, answer->error.message);
}

static inline void assert_fine(const struct answer *answer)
{
    if (answer->failed)
        fail_msg("%s: %s", answer->error.code, answer->error.message);
}

#endif
