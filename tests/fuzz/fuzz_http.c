/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http.c: an engine that answers with any bytes, in any chunks, and hangs up: each request ends exactly once, with
 * a whole answer or an error, and nothing is told of it afterwards. One or two follow one another on one client: where
 * the first one's connection stays, the second gets there what the first left of the bytes, or all of them again.
 *
 * Input: a byte of how requests are made, a byte of what their callbacks do, four bytes that choose the chunks, then
 * what each connection gets. */
#include "core/http/http.h"

#include "fuzz_socket.h"

enum { STREAM = 1, HEAD = 2, POST = 4, SMALL = 8 };                /* how */
enum { CANCEL = 1, TAKE_SOCKET = 2, PAUSE = 4, CANCEL_LATER = 8 }; /* callbacks */

struct exchange {
    struct gantry_http_request *request;
    unsigned actions;
    bool streams;
    bool headers;
    bool done; /* nothing may come any more */
    bool paused;
    size_t size;
};

static void cancel(struct exchange *exchange)
{
    gantry_http_cancel(exchange->request);
    exchange->done = true;
}

static void headers_came(void *data, const struct gantry_http_response *response)
{
    struct exchange *exchange = data;
    struct gantry_error err;
    int fd;

    HOLDS(!exchange->done && !exchange->headers && response->status != 0);
    exchange->headers = true;
    for (size_t i = 0; i < response->header_count; i++)
        HOLDS(strlen(response->headers[i].name) + strlen(response->headers[i].value) < 256UL * 1024);
    if (exchange->actions & PAUSE) {
        gantry_http_pause(exchange->request, true);
        exchange->paused = true;
    }
    if (exchange->actions & TAKE_SOCKET) {
        fd = gantry_http_take_socket(exchange->request, &err);
        if (fd >= 0) {
            close(fd);
            exchange->done = true;
            return;
        }
    }
    if (exchange->actions & CANCEL)
        cancel(exchange);
}

static void data_came(void *data, const char *bytes, size_t size)
{
    struct exchange *exchange = data;

    HOLDS(!exchange->done && exchange->headers && !exchange->paused && size > 0);
    free(exact_copy(bytes, size));
    exchange->size += size;
    if (exchange->actions & CANCEL_LATER)
        cancel(exchange);
}

static void request_done(void *data, const struct gantry_error *err, const struct gantry_http_response *response)
{
    struct exchange *exchange = data;

    HOLDS(!exchange->done && !exchange->paused);
    exchange->done = true;
    HOLDS(err == NULL ? response->status != 0 && exchange->headers : err->code != NULL && err->message[0] != '\0');
    HOLDS(err != NULL || exchange->streams == (response->body == NULL));
    if (response->body != NULL)
        free(exact_copy(response->body, response->body_size));
}

static const char *method_of(unsigned how)
{
    if (how & HEAD)
        return "HEAD";
    return how & POST ? "POST" : "GET";
}

static void begin(struct gantry_http *http, unsigned how, struct exchange *exchange)
{
    struct gantry_http_options options = {.method = method_of(how),
                                          .path = "/v1.44/info?x=y",
                                          .limit = how & SMALL ? 8 : 0,
                                          .on_headers = headers_came,
                                          .on_done = request_done,
                                          .data = exchange};
    struct gantry_error err;

    exchange->streams = how & STREAM;
    if (how & STREAM)
        options.on_data = data_came;
    HOLDS(gantry_http_request(http, &options, &exchange->request, &err) == 0);
}

static void finish(struct gantry_loop *loop, struct exchange *exchange, struct peer *peer)
{
    int idle = 0;

    while (!exchange->done) {
        bool busy = step(loop, 0) > 0;

        busy = act(peer) || busy;
        if (!exchange->done && exchange->paused) {
            exchange->paused = false;
            gantry_http_pause(exchange->request, false);
            busy = true;
        }
        if (!busy && !exchange->done && step(loop, 100) == 0)
            HOLDS(++idle < MOST_IDLE);
    }
    if (peer->at == peer->size && peer->seed & KEEPS_OPEN)
        begin_again(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t head = 2 + sizeof(uint32_t);
    struct gantry_http_endpoint endpoint = {.url = "http://engine", .unix_socket = listen_once(), .verify = true};
    struct exchange exchanges[2] = {{0}};
    struct gantry_error err;
    struct gantry_loop *loop = loop_once();
    struct gantry_http *http;
    struct peer peer;
    uint32_t seed;

    if (size < head)
        return 0;
    memcpy(&seed, data + 2, sizeof seed);
    peer = new_peer(data + head, size - head, seed);
    HOLDS(gantry_http_new(loop, &endpoint, &http, &err) == 0);
    for (int i = 0; i < (seed & ONCE ? 1 : 2); i++) {
        exchanges[i].actions = data[1] >> (4 * i);
        begin(http, data[0] >> (4 * i), &exchanges[i]);
        finish(loop, &exchanges[i], &peer);
    }
    step(loop, 0);
    gantry_http_free(http);
    end_all(&peer);
    return 0;
}
