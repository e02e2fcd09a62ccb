/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_raw.c: answers that a gRPC server in its right mind never gives. */
#include "grpc_fixture.h"

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

static void ask(struct call *call, const char *path)
{
    struct client client;

    memset(call, 0, sizeof *call);
    connect_client(&client, server.raw_socket, NULL);
    begin_unary(&client, call, path, "x", 1);
    await_end(&client, call);
    if (client.closed != 0)
        fail_with(&client.why);
    gantry_grpc_call_free(call->call);
    close_client(&client);
}

static void odd_answers_have_a_status_and_a_reason(void **state)
{
    static const struct {
        const char *path;
        int messages;
        int status;
        const char *reason;
    } cases[] = {
        {"/raw/NoStatus", 1, GANTRY_GRPC_INTERNAL, "without a grpc-status"},
        {"/raw/Compressed", 0, GANTRY_GRPC_INTERNAL, "no compression was offered"},
        {"/raw/Truncated", 0, GANTRY_GRPC_INTERNAL, "inside a message"},
        {"/raw/Split", 3, GANTRY_GRPC_OK, ""},
        {"/raw/Huge", 0, GANTRY_GRPC_RESOURCE_EXHAUSTED, "4294967295 bytes"},
        {"/raw/OddStatus", 0, GANTRY_GRPC_UNKNOWN, ""},
        {"/raw/HTML", 0, GANTRY_GRPC_INTERNAL, "of type 'text/html'"},
        {"/raw/Unavailable", 0, GANTRY_GRPC_UNAVAILABLE, "HTTP status 503"},
        {"/raw/Nowhere", 0, GANTRY_GRPC_UNIMPLEMENTED, "HTTP status 404"},
        {"/raw/Reset", 0, GANTRY_GRPC_INTERNAL, "reset (INTERNAL_ERROR)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct call call;

        ask(&call, cases[i].path);
        if (call.messages != cases[i].messages || call.status != cases[i].status ||
            strstr(call.message, cases[i].reason) == NULL)
            fail_msg("%s: %d messages, status %d '%s'", cases[i].path, call.messages, call.status, call.message);
    }
}

static void they_spoil_nothing_for_others(void **state)
{
    static const char *const paths[] = {"/raw/Reset", "/raw/Compressed", "/raw/Huge", "/raw/HTML", "/raw/Split"};
    static struct call calls[100];
    struct client client;

    (void)state;
    connect_client(&client, server.raw_socket, NULL);
    memset(calls, 0, sizeof calls);
    for (int i = 0; i < 100; i++)
        begin_unary(&client, &calls[i], paths[i % 5], "x", 1);
    for (int i = 0; i < 100; i++) {
        await_end(&client, &calls[i]);
        assert_int_equal(calls[i].messages, i % 5 == 4 ? 3 : 0);
        end_call(&calls[i]);
    }
    if (client.closed != 0)
        fail_with(&client.why);
    close_client(&client);
}

/* ---- a server of bytes ---- */

/* How many frames of `type` with `flags` lie in `bytes`. */
static int count_frames(const uint8_t *bytes, ssize_t length, uint8_t type, uint8_t flags)
{
    int count = 0;

    for (ssize_t at = 0; at + 9 <= length; at += 9 + (bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2]))
        count += bytes[at + 3] == type && bytes[at + 4] == flags;
    return count;
}

/* A call that begins when all callbacks of a step have run: nothing of that step has been sent by then. */
struct late_call {
    struct client *client;
    struct call *call;
    int accepted;
};

static void begin_in_turn(void *data)
{
    struct late_call *late = data;
    uint8_t byte;

    assert_int_equal(recv(late->accepted, &byte, 1, MSG_DONTWAIT), -1);
    begin_unary(late->client, late->call, "/a.B/C", "x", 1);
    gantry_loop_on_turn(late->client->loop, NULL, NULL);
}

/* All that one step has to say goes out at once, and what the peer asks of the protocol is answered at once. */
static void one_send_a_step_and_prompt_answers(void **state)
{
    static const uint8_t greeting[] = {0, 0, 0, 4, 0, 0, 0, 0, 0,                          /* SETTINGS */
                                       0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}; /* PING */
    static const uint8_t leaving[] = {0, 0, 11, 7,  0,   0,   0,  0, 0, 0, 0, 0, 1,        /* GOAWAY, last stream 1 */
                                      0, 0, 0,  11, 'b', 'y', 'e'};                        /* ENHANCE_YOUR_CALM */
    static uint8_t bytes[4096];
    char path[128];
    struct client client;
    struct call calls[3] = {{0}, {0}, {0}};
    struct late_call late = {&client, &calls[2], -1};
    ssize_t length;
    int listener;
    int accepted;

    (void)state;
    listener = listen_beside(&server, "bytes", path, sizeof path);
    connect_client(&client, path, NULL);
    begin_unary(&client, &calls[0], "/a.B/C", "x", 1);
    begin_unary(&client, &calls[1], "/a.B/C", "x", 1);
    step(&client);
    accepted = accept(listener, NULL, NULL);
    length = recv(accepted, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_true(length > 24);
    assert_int_equal(count_frames(bytes + 24, length - 24, 4, 0), 1); /* SETTINGS */
    assert_int_equal(count_frames(bytes + 24, length - 24, 8, 0), 1); /* WINDOW_UPDATE */
    assert_int_equal(count_frames(bytes + 24, length - 24, 1, 4), 2); /* HEADERS, END_HEADERS */
    assert_int_equal(count_frames(bytes + 24, length - 24, 0, 1), 2); /* DATA, END_STREAM */

    late.accepted = accepted;
    gantry_loop_on_turn(client.loop, begin_in_turn, &late);
    assert_int_equal(write(accepted, greeting, sizeof greeting), sizeof greeting);
    step(&client);
    assert_int_equal(client.ready, 1);
    length = recv(accepted, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_int_equal(count_frames(bytes, length, 4, 1), 1); /* both acknowledged */
    assert_int_equal(count_frames(bytes, length, 6, 1), 1);
    assert_int_equal(count_frames(bytes, length, 1, 4), 1); /* and what its turn has begun goes with them */
    assert_int_equal(count_frames(bytes, length, 0, 1), 1);

    assert_int_equal(write(accepted, leaving, sizeof leaving), sizeof leaving);
    await_end(&client, &calls[1]);
    assert_int_equal(calls[1].status, GANTRY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(calls[1].message, "ENHANCE_YOUR_CALM: bye"));
    await_end(&client, &calls[2]);
    assert_int_equal(calls[2].status, GANTRY_GRPC_UNAVAILABLE);
    assert_int_equal(calls[0].ended, 0);
    close(accepted);
    await_end(&client, &calls[0]);
    assert_int_equal(calls[0].status, GANTRY_GRPC_UNAVAILABLE);
    end_call(&calls[0]);
    end_call(&calls[1]);
    end_call(&calls[2]);
    close_client(&client);
    close(listener);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_answers_have_a_status_and_a_reason),
        cmocka_unit_test(they_spoil_nothing_for_others),
        cmocka_unit_test(one_send_a_step_and_prompt_answers),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
