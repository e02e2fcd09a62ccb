/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_life.c: connections that come and go, and callbacks that free what they are called for. */
#include "grpc_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct server server;

static int start(void **state)
{
    (void)state;
    start_server(&server, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stop_server(&server);
    return 0;
}

static void await_closed(struct client *client)
{
    while (client->closed == 0)
        step(client);
}

/* ---- freeing inside callbacks ---- */

/* What a callback is to free, and how often it was called. */
struct victim {
    struct gantry_grpc_call *own;
    struct gantry_grpc_call *other;
    struct gantry_grpc **connection;
    int called;
    const int *counter; /* of calls back for the other */
    int counted;        /* what it was when the other was freed */
};

static void destroy(struct victim *victim)
{
    victim->called++;
    gantry_grpc_call_free(victim->own);
    gantry_grpc_call_free(victim->other);
    victim->own = NULL;
    victim->other = NULL;
    victim->counted = victim->counter != NULL ? *victim->counter : 0;
    if (victim->connection != NULL) {
        gantry_grpc_free(*victim->connection);
        *victim->connection = NULL;
    }
}

static void destroy_at_message(void *data, const void *bytes, size_t length)
{
    (void)bytes, (void)length;
    destroy(data);
}

static void destroy_at_end(void *data, const struct gantry_grpc_end *end)
{
    (void)end;
    destroy(data);
}

static void destroy_when_ready(void *data)
{
    destroy(data);
}

static void destroy_when_closed(void *data, const struct gantry_error *why)
{
    (void)why;
    destroy(data);
}

/* Begins a health check that destroys the victim at its message or at its end. */
static struct gantry_grpc_call *begin_fatal(struct client *client, struct victim *victim, bool at_message)
{
    struct gantry_grpc_call_options options = {.path = "/grpc.health.v1.Health/Check",
                                               .on_message = at_message ? destroy_at_message : NULL,
                                               .on_end = at_message ? NULL : destroy_at_end,
                                               .data = victim};
    struct gantry_grpc_call *call = NULL;
    struct gantry_error err;

    assert_ok(gantry_grpc_call_new(client->connection, &options, &call, &err));
    assert_ok(gantry_grpc_call_send(call, "\x0a\x06plugin", 8, &err));
    gantry_grpc_call_finish(call);
    return call;
}

static void a_callback_may_free_its_call_and_another(void **state)
{
    (void)state;
    for (int at_message = 0; at_message < 2; at_message++) {
        struct client client;
        struct victim victim = {0};
        struct call other = {0};

        connect_client(&client, server.socket, NULL);
        victim.own = begin_fatal(&client, &victim, at_message != 0);
        begin_unary(&client, &other, "/gantry.Test/Echo", "x", 1); /* its answer comes in the same read */
        victim.other = other.call;
        victim.counter = &other.ended;
        while (victim.called == 0)
            step(&client);
        check_health(&client);
        assert_int_equal(victim.called, 1);
        assert_int_equal(other.ended, victim.counted);
        close_client(&client);
    }
}

static void a_callback_may_free_the_connection(void **state)
{
    (void)state;
    for (int at_message = 0; at_message < 2; at_message++) {
        struct client client;
        struct victim victim = {0};
        struct call other = {0};
        struct gantry_grpc_call *call;
        struct gantry_error err;

        connect_client(&client, server.socket, NULL);
        begin_call(&client, &other, "/gantry.Test/Chat");
        victim.connection = &client.connection;
        call = begin_fatal(&client, &victim, at_message != 0);
        while (victim.called == 0)
            step(&client);
        assert_ok(gantry_loop_step(client.loop, 0, &err));
        assert_int_equal(other.ended + client.closed, 0);
        /* What is left is inert. */
        assert_ok(gantry_grpc_call_send(other.call, "x", 1, &err));
        gantry_grpc_call_pause(other.call);
        gantry_grpc_call_resume(other.call);
        gantry_grpc_call_finish(other.call);
        gantry_grpc_call_free(other.call);
        gantry_grpc_call_free(call);
        close_client(&client);
    }
}

static void on_ready_and_on_closed_may_free_the_connection(void **state)
{
    static const char *const sockets[] = {server.socket, "/nonexistent/socket"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct victim victim = {0};
        struct gantry_grpc *connection = NULL;
        struct gantry_grpc_options options = {
            .socket = sockets[i], .on_ready = destroy_when_ready, .on_closed = destroy_when_closed, .data = &victim};
        struct gantry_loop *loop;
        struct gantry_error err;

        victim.connection = &connection;
        assert_ok(gantry_loop_new(&loop, &err));
        assert_ok(gantry_grpc_connect(loop, &options, &connection, &err));
        while (victim.called == 0)
            assert_ok(gantry_loop_step(loop, STEP_MS, &err));
        assert_null(connection);
        assert_ok(gantry_loop_step(loop, 0, &err));
        assert_int_equal(victim.called, 1);
        gantry_loop_free(loop);
    }
}

static void freeing_before_the_first_step_is_silent(void **state)
{
    struct client client;
    struct call call = {0};
    struct gantry_error err;

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_health_check(&client, &call);
    gantry_grpc_free(client.connection);
    client.connection = NULL;
    assert_ok(gantry_loop_step(client.loop, 0, &err));
    assert_int_equal(call.ended + client.ready + client.closed, 0);
    gantry_grpc_call_free(call.call);
    close_client(&client);
}

static void the_loop_may_go_first(void **state)
{
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_health_check(&client, &call);
    gantry_loop_free(client.loop);
    gantry_grpc_call_free(call.call);
    gantry_grpc_free(client.connection);
}

/* ---- connections that fail ---- */

static void what_cannot_be_reached_is_told(void **state)
{
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, "/nonexistent/socket", NULL);
    begin_health_check(&client, &call);
    assert_int_equal(client.closed + call.ended, 0);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_CONNECT_FAILED");
    assert_int_equal(client.why.os_error, ENOENT);
    assert_int_equal(call.ended, 1);
    assert_int_equal(call.status, GANTRY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(call.message, "/nonexistent/socket"));
    end_call(&call);
    begin_health_check(&client, &call); /* on a connection that is closed */
    assert_int_equal(call.ended, 0);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_UNAVAILABLE);
    end_call(&call);
    assert_int_equal(client.closed, 1);
    close_client(&client);
}

static void what_can_never_work_fails_at_once(void **state)
{
    char path[200];
    const struct {
        struct gantry_grpc_options options;
        const char *code;
    } cases[] = {
        {{.socket = path}, "SOCKET_PATH_TOO_LONG"},
        {{.socket = ""}, "ADDRESS_INVALID"},
        {{.host = "example.org", .port = 1}, "ADDRESS_INVALID"},
        {{0}, "ADDRESS_INVALID"},
    };
    struct gantry_loop *loop;
    struct gantry_error err;

    (void)state;
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_ok(gantry_loop_new(&loop, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gantry_grpc *connection = NULL;

        assert_true(gantry_grpc_connect(loop, &cases[i].options, &connection, &err) < 0);
        assert_string_equal(err.code, cases[i].code);
        assert_null(connection);
    }
    gantry_loop_free(loop);
}

static void a_peer_that_says_nothing_is_given_up(void **state)
{
    char path[128];
    int listener;
    struct client client = {0};
    struct call call = {0};
    struct gantry_grpc_options options = {.socket = path,
                                          .connect_timeout_ns = 50000000,
                                          .on_ready = note_ready,
                                          .on_closed = note_closed,
                                          .data = &client};
    struct gantry_error err;

    (void)state;
    listener = listen_beside(&server, "mute", path, sizeof path);
    assert_ok(gantry_loop_new(&client.loop, &err));
    assert_ok(gantry_grpc_connect(client.loop, &options, &client.connection, &err));
    begin_health_check(&client, &call);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_TIMEOUT");
    assert_int_equal(client.ready, 0);
    assert_int_equal(call.status, GANTRY_GRPC_UNAVAILABLE);
    end_call(&call);
    close_client(&client);
    close(listener);
    unlink(path);
}

static void a_peer_that_speaks_something_else_is_named(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    char path[128];
    int listener;
    int accepted;
    struct client client;

    (void)state;
    listener = listen_beside(&server, "web", path, sizeof path);
    connect_client(&client, path, NULL);
    step(&client);
    accepted = accept(listener, NULL, NULL);
    assert_int_equal(write(accepted, answer, sizeof answer - 1), sizeof answer - 1);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_PROTOCOL_FAILED");
    assert_non_null(strstr(client.why.message, "HTTP/2"));
    close(accepted);
    close(listener);
    unlink(path);
    close_client(&client);
}

static void tcp_is_spoken_too(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct client client = {0};
    struct gantry_grpc_options options = {.host = "localhost", .on_closed = note_closed, .data = &client};
    struct gantry_error err;
    char preface[24];
    int accepted;

    (void)state;
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    options.port = ntohs(address.sin_port);
    assert_ok(gantry_loop_new(&client.loop, &err));
    assert_ok(gantry_grpc_connect(client.loop, &options, &client.connection, &err));
    step(&client);
    accepted = accept(listener, NULL, NULL);
    assert_int_equal(recv(accepted, preface, sizeof preface, MSG_WAITALL), sizeof preface);
    assert_memory_equal(preface, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sizeof preface);
    close(accepted);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_CONNECTION_LOST");
    gantry_grpc_free(client.connection);
    close(listener);

    client.closed = 0;
    assert_ok(gantry_grpc_connect(client.loop, &options, &client.connection, &err)); /* nobody is there any more */
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_CONNECT_FAILED");
    assert_int_equal(client.why.os_error, ECONNREFUSED);
    close_client(&client);
}

/* ---- connections that end ---- */

static void a_lost_server_ends_all_calls(void **state)
{
    struct server own;
    struct client client;
    struct call calls[3] = {{0}, {0}, {.pause_at_first = true}};
    uint8_t order[9] = {0, 0, 0, 5, 0, 0, 0, 10, 1}; /* five messages of ten bytes, and the stream stays */

    (void)state;
    start_server(&own, NULL);
    connect_client(&client, own.socket, NULL);
    begin_unary(&client, &calls[0], "/gantry.Test/Never", "", 0);
    begin_call(&client, &calls[1], "/gantry.Test/Chat");
    begin_unary(&client, &calls[2], "/gantry.Test/Download", order, sizeof order);
    while (calls[2].messages < 1)
        step(&client);
    for (int i = 0; i < 20; i++)
        check_health(&client);
    kill(own.pid, SIGKILL);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_CONNECTION_LOST");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(calls[i].status, GANTRY_GRPC_UNAVAILABLE);
        end_call(&calls[i]);
    }
    /* What had come for the paused one is not lost. */
    assert_int_equal(calls[2].ended, 0);
    gantry_grpc_call_resume(calls[2].call);
    await_end(&client, &calls[2]);
    assert_int_equal(calls[2].messages, 5);
    assert_int_equal(calls[2].status, GANTRY_GRPC_UNAVAILABLE);
    end_call(&calls[2]);
    close_client(&client);
    stop_server(&own);
}

static void a_leaving_server_finishes_what_it_has(void **state)
{
    struct server own;
    struct client client;
    struct call leaving = {0};
    struct call late = {0};

    (void)state;
    start_server(&own, NULL);
    connect_client(&client, own.socket, NULL);
    begin_unary(&client, &leaving, "/gantry.Test/Leave", "", 0);
    while (late.ended == 0) { /* until it refuses */
        if (late.call == NULL)
            begin_unary(&client, &late, "/gantry.Test/Echo", "x", 1);
        await_end(&client, &late);
        if (late.status == GANTRY_GRPC_OK)
            end_call(&late);
    }
    assert_int_equal(late.status, GANTRY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(late.message, "GOAWAY"));
    await_end(&client, &leaving);
    assert_int_equal(leaving.status, GANTRY_GRPC_OK);
    assert_int_equal(leaving.messages, 2);
    await_closed(&client);
    assert_string_equal(client.why.code, "GRPC_CONNECTION_LOST");
    end_call(&leaving);
    end_call(&late);
    close_client(&client);
    stop_server(&own);
}

/* A call that is made anew whenever it fails does not keep a step going for ever. */
struct stubborn {
    struct client *client;
    struct gantry_grpc_call *call;
    int attempts;
};

static void try_again(void *data, const struct gantry_grpc_end *end)
{
    struct stubborn *stubborn = data;
    struct gantry_grpc_call_options options = {.path = "/a.B/C", .on_end = try_again, .data = stubborn};
    struct gantry_error err;

    (void)end;
    gantry_grpc_call_free(stubborn->call);
    stubborn->attempts++;
    assert_ok(gantry_grpc_call_new(stubborn->client->connection, &options, &stubborn->call, &err));
}

static void a_stubborn_caller_has_one_turn_a_step(void **state)
{
    struct client client;
    struct stubborn stubborn = {.client = &client};
    struct gantry_grpc_call_options options = {.path = "/a.B/C", .on_end = try_again, .data = &stubborn};
    struct gantry_error err;

    (void)state;
    connect_client(&client, "/nonexistent/socket", NULL);
    assert_ok(gantry_grpc_call_new(client.connection, &options, &stubborn.call, &err));
    for (int i = 1; i < 10; i++) {
        step(&client);
        assert_in_range(stubborn.attempts, 1, i);
    }
    assert_true(stubborn.attempts > 1);
    gantry_grpc_call_free(stubborn.call);
    close_client(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_may_free_its_call_and_another),
        cmocka_unit_test(a_callback_may_free_the_connection),
        cmocka_unit_test(on_ready_and_on_closed_may_free_the_connection),
        cmocka_unit_test(freeing_before_the_first_step_is_silent),
        cmocka_unit_test(the_loop_may_go_first),
        cmocka_unit_test(what_cannot_be_reached_is_told),
        cmocka_unit_test(what_can_never_work_fails_at_once),
        cmocka_unit_test(a_peer_that_says_nothing_is_given_up),
        cmocka_unit_test(a_peer_that_speaks_something_else_is_named),
        cmocka_unit_test(tcp_is_spoken_too),
        cmocka_unit_test(a_lost_server_ends_all_calls),
        cmocka_unit_test(a_leaving_server_finishes_what_it_has),
        cmocka_unit_test(a_stubborn_caller_has_one_turn_a_step),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
