/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_fixture.h: what the gRPC tests share: the real server as a child process, and calls that note what they saw.
 *
 * The server is the program in GANTRY_GRPC_SERVER (see tests/core/grpc_server). It ends with its standard input, so it
 * never outlives a test program. */
#ifndef GRPC_FIXTURE_H
#define GRPC_FIXTURE_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/grpc/grpc.h"
#include "core/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 20000
#define MAX_SEEN 64

struct server {
    char directory[64];
    char socket[96];
    char raw_socket[104]; /* a raw HTTP/2 server, without TLS */
    char line[8192];      /* what it printed once it served */
    pid_t pid;
    int input;
};

struct client {
    struct gantry_loop *loop;
    struct gantry_grpc *connection;
    int ready;
    int closed;
    struct gantry_error why;
};

/* A call and what came of it. */
struct call {
    struct gantry_grpc_call *call;
    int messages;
    size_t bytes;
    size_t last_length;
    uint8_t last[MAX_SEEN]; /* the beginning of the last message */
    int ended;
    int status;
    char message[512];
    char trailers[512]; /* "name=value;..." */
    bool pause_at_first;
};

static inline void fail_with(const struct gantry_error *err)
{
    fail_msg("%s: %s", err->code, err->message);
}

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if ((call) < 0)                                                                                                \
            fail_with(&err);                                                                                           \
    } while (0)

/* ---- the server ---- */

static inline pid_t spawn_server(struct server *server, const char *program, const char *const *options, int input,
                                 int output)
{
    char *argv[8] = {0};
    posix_spawn_file_actions_t actions;
    int count = 0;
    pid_t pid;

    argv[count++] = strdup(program);
    while (options != NULL && *options != NULL)
        argv[count++] = strdup(*options++);
    argv[count++] = strdup(server->socket);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    while (count > 0)
        free(argv[--count]);
    return pid;
}

/* Starts the server with `options` (NULL-terminated, or NULL) and waits until it serves. */
static inline void start_server(struct server *server, const char *const *options)
{
    const char *program = getenv("GANTRY_GRPC_SERVER");
    int input[2];
    int output[2];
    FILE *lines;

    if (program == NULL || access(program, X_OK) != 0) {
        fail_msg("GANTRY_GRPC_SERVER must name the program built from tests/core/grpc_server");
        abort(); /* not reached, which the analyzer cannot know */
    }
    snprintf(server->directory, sizeof server->directory, "/tmp/gantry-grpc-XXXXXX");
    assert_non_null(mkdtemp(server->directory));
    snprintf(server->socket, sizeof server->socket, "%s/socket", server->directory);
    snprintf(server->raw_socket, sizeof server->raw_socket, "%s.raw", server->socket);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    server->pid = spawn_server(server, program, options, input[0], output[1]);
    server->input = input[1];
    close(input[0]);
    close(output[1]);
    lines = fdopen(output[0], "r");
    assert_non_null(lines);
    assert_non_null(fgets(server->line, sizeof server->line, lines));
    server->line[strcspn(server->line, "\n")] = '\0';
    fclose(lines);
}

static inline void stop_server(struct server *server)
{
    int status;

    close(server->input);
    waitpid(server->pid, &status, 0);
    unlink(server->raw_socket);
    unlink(server->socket);
    rmdir(server->directory);
}

/* A Unix socket on which nobody accepts, named `name` in the folder of the server; its path goes to `path`. */
static inline int listen_beside(const struct server *server, const char *name, char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_in_range(snprintf(path, size, "%s/%s", server->directory, name), 1, sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* ---- the client ---- */

static inline void note_ready(void *data)
{
    struct client *client = data;

    client->ready++;
}

static inline void note_closed(void *data, const struct gantry_error *why)
{
    struct client *client = data;

    client->closed++;
    client->why = *why;
}

static inline void connect_client(struct client *client, const char *socket, const struct gantry_tls_options *tls)
{
    struct gantry_error err;
    struct gantry_grpc_options options = {.socket = socket,
                                          .tls = tls,
                                          .connect_timeout_ns = 20000000000,
                                          .on_ready = note_ready,
                                          .on_closed = note_closed,
                                          .data = client};

    memset(client, 0, sizeof *client);
    assert_ok(gantry_loop_new(&client->loop, &err));
    assert_ok(gantry_grpc_connect(client->loop, &options, &client->connection, &err));
}

static inline void close_client(struct client *client)
{
    gantry_grpc_free(client->connection);
    gantry_loop_free(client->loop);
}

static inline void step(struct client *client)
{
    struct gantry_error err;

    assert_ok(gantry_loop_step(client->loop, STEP_MS, &err));
}

/* ---- calls ---- */

static inline void note_message(void *data, const void *bytes, size_t length)
{
    struct call *call = data;

    call->messages++;
    call->bytes += length;
    call->last_length = length;
    memcpy(call->last, bytes, length < MAX_SEEN ? length : MAX_SEEN);
    if (call->pause_at_first && call->messages == 1)
        gantry_grpc_call_pause(call->call);
}

static inline void note_end(void *data, const struct gantry_grpc_end *end)
{
    struct call *call = data;
    size_t used = 0;

    call->ended++;
    call->status = end->status;
    snprintf(call->message, sizeof call->message, "%.*s", (int)end->message_length, end->message);
    for (size_t i = 0; i < end->trailer_count && used < sizeof call->trailers; i++)
        used += (size_t)snprintf(call->trailers + used, sizeof call->trailers - used, "%s=%s;", end->trailers[i].name,
                                 end->trailers[i].value);
}

/* A google.protobuf.BytesValue that holds `length` bytes; returns its length. */
static inline size_t wrap(uint8_t *message, const void *bytes, size_t length)
{
    size_t used = 0;

    message[used++] = 0x0a;
    for (size_t rest = length;; rest >>= 7) {
        message[used++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        if (rest <= 0x7f)
            break;
    }
    if (length > 0)
        memcpy(message + used, bytes, length);
    return used + length;
}

static inline void begin_with(struct client *client, struct call *call, struct gantry_grpc_call_options options)
{
    struct gantry_error err;

    call->status = -1;
    options.on_message = note_message;
    options.on_end = note_end;
    options.data = call;
    assert_ok(gantry_grpc_call_new(client->connection, &options, &call->call, &err));
}

static inline void begin_call(struct client *client, struct call *call, const char *path)
{
    begin_with(client, call, (struct gantry_grpc_call_options){.path = path});
}

static inline void send_bytes(struct call *call, const void *bytes, size_t length)
{
    struct gantry_error err;
    uint8_t *message = malloc(length + 8);

    assert_non_null(message);
    assert_ok(gantry_grpc_call_send(call->call, message, wrap(message, bytes, length), &err));
    free(message);
}

/* Begins a call that sends one message and no more. */
static inline void begin_unary(struct client *client, struct call *call, const char *path, const void *bytes,
                               size_t length)
{
    begin_call(client, call, path);
    send_bytes(call, bytes, length);
    gantry_grpc_call_finish(call->call);
}

static inline void begin_health_check(struct client *client, struct call *call)
{
    static const uint8_t request[] = {0x0a, 6, 'p', 'l', 'u', 'g', 'i', 'n'};
    struct gantry_error err;

    begin_call(client, call, "/grpc.health.v1.Health/Check");
    assert_ok(gantry_grpc_call_send(call->call, request, sizeof request, &err));
    gantry_grpc_call_finish(call->call);
}

static inline void end_call(struct call *call)
{
    gantry_grpc_call_free(call->call);
    memset(call, 0, sizeof *call);
}

static inline void await_end(struct client *client, struct call *call)
{
    while (call->ended == 0)
        step(client);
}

/* One health check from beginning to end. */
static inline void check_health(struct client *client)
{
    struct call call = {0};

    begin_health_check(client, &call);
    await_end(client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    assert_int_equal(call.messages, 1);
    assert_int_equal(call.last_length, 2);
    assert_memory_equal(call.last, "\x08\x01", 2); /* SERVING */
    end_call(&call);
}

#endif
