/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc.c: calls of every kind against the real grpc-go. */
#include "core/grpc/grpc_internal.h"
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

/* Asks for `count` messages of `size` bytes; with `stays`, the stream is left open. */
static void begin_download(struct client *client, struct call *call, uint32_t count, uint32_t size, bool stays)
{
    uint8_t order[9] = {(uint8_t)(count >> 24), (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count,
                        (uint8_t)(size >> 24),  (uint8_t)(size >> 16),  (uint8_t)(size >> 8),  (uint8_t)size};

    begin_call(client, call, "/gantry.Test/Download");
    send_bytes(call, order, stays ? 9 : 8);
    gantry_grpc_call_finish(call->call);
}

static void unary_calls_are_answered(void **state)
{
    struct client client;

    (void)state;
    connect_client(&client, server.socket, NULL);
    for (int i = 0; i < 20; i++)
        check_health(&client);
    assert_int_equal(client.ready, 1);
    assert_int_equal(client.closed, 0);
    close_client(&client);
}

/* The length of a google.protobuf.BytesValue as Go writes it: an empty field is not on the wire. */
static size_t wrapped_length(size_t length)
{
    size_t digits = 1;

    for (size_t rest = length; rest > 0x7f; rest >>= 7)
        digits++;
    return length == 0 ? 0 : 1 + digits + length;
}

static void messages_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 16379, 16384, 70000, 300000, 5000000};
    struct client client;
    uint8_t *bytes = malloc(5000000);

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 'g', 5000000);
    connect_client(&client, server.socket, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct call call = {0};

        begin_unary(&client, &call, "/gantry.Test/Echo", bytes, sizes[i]);
        await_end(&client, &call);
        assert_int_equal(call.status, GANTRY_GRPC_OK);
        assert_int_equal(call.messages, 1);
        assert_int_equal(call.last_length, wrapped_length(sizes[i]));
        end_call(&call);
    }
    close_client(&client);
    free(bytes);
}

static void metadata_goes_out_and_trailers_come_back(void **state)
{
    static const struct gantry_grpc_metadata metadata[] = {{"x-request", 9, "hello", 5}};
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_with(
        &client, &call,
        (struct gantry_grpc_call_options){.path = "/gantry.Test/Metadata", .metadata = metadata, .metadata_count = 1});
    send_bytes(&call, "", 0);
    gantry_grpc_call_finish(call.call);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    assert_memory_equal(call.last, "\x0a\x05hello", 7);
    assert_non_null(strstr(call.trailers, "x-answer=one;"));
    assert_non_null(strstr(call.trailers, "x-answer=two;"));
    assert_non_null(strstr(call.trailers, "x-data-bin=AP8;"));
    end_call(&call);
    close_client(&client);
}

static void bad_metadata_is_refused(void **state)
{
    static const struct gantry_grpc_metadata bad[] = {{"X-Upper", 7, "v", 1},
                                                      {"", 0, "v", 1},
                                                      {":path", 5, "v", 1},
                                                      {"grpc-status", 11, "0", 1},
                                                      {"x", 1, "a\nb", 3}};
    struct client client;

    (void)state;
    connect_client(&client, server.socket, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gantry_grpc_call_options options = {
            .path = "/gantry.Test/Echo", .metadata = &bad[i], .metadata_count = 1};
        struct gantry_grpc_call *call = NULL;
        struct gantry_error err;

        assert_true(gantry_grpc_call_new(client.connection, &options, &call, &err) < 0);
        assert_string_equal(err.code, "METADATA_INVALID");
        assert_null(call);
    }
    check_health(&client);
    close_client(&client);
}

static void errors_carry_status_message_and_details(void **state)
{
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_unary(&client, &call, "/gantry.Test/Fail", "", 0);
    await_end(&client, &call);
    assert_int_equal(call.status, 9);
    assert_string_equal(call.message, "50% done\n\u00fcber-long \u2713 ");
    assert_non_null(strstr(call.trailers, "grpc-status-details-bin="));
    assert_int_equal(call.messages, 0);
    end_call(&call);
    close_client(&client);
}

static void an_answer_of_headers_alone_is_a_status(void **state)
{
    struct client client;

    (void)state;
    connect_client(&client, server.socket, NULL);
    for (int i = 0; i < 50; i++) {
        struct call call = {0};

        begin_unary(&client, &call, i % 2 == 0 ? "/gantry.Test/None" : "/no.Such/Method", "x", 1);
        await_end(&client, &call);
        assert_int_equal(call.status, GANTRY_GRPC_UNIMPLEMENTED);
        assert_non_null(strstr(call.message, "unknown"));
        end_call(&call);
    }
    close_client(&client);
}

static void a_server_may_end_first(void **state)
{
    struct client client;
    struct call call = {0};
    struct gantry_error err;

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_call(&client, &call, "/gantry.Test/Refuse");
    await_end(&client, &call);
    assert_int_equal(call.status, 6);
    assert_string_equal(call.message, "refused at once");
    assert_ok(gantry_grpc_call_send(call.call, "late", 4, &err)); /* its end has been told: no error, no effect */
    end_call(&call);
    check_health(&client);
    close_client(&client);
}

static void both_sides_stream(void **state)
{
    struct client client;
    struct call call = {0};
    struct gantry_error err;

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_call(&client, &call, "/gantry.Test/Chat");
    for (int i = 1; i <= 30; i++) {
        send_bytes(&call, "ping", 4);
        while (call.messages < i)
            step(&client);
        assert_memory_equal(call.last, "\x0a\x04ping", 6);
    }
    assert_int_equal(call.ended, 0);
    gantry_grpc_call_finish(call.call);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    assert_true(gantry_grpc_call_send(call.call, "x", 1, &err) < 0);
    assert_string_equal(err.code, "GRPC_FINISHED");
    end_call(&call);
    close_client(&client);
}

static void a_client_stream_is_larger_than_any_window(void **state)
{
    struct client client;
    struct call call = {0};
    uint8_t piece[50000];

    (void)state;
    memset(piece, 'p', sizeof piece);
    connect_client(&client, server.socket, NULL);
    begin_call(&client, &call, "/gantry.Test/Upload");
    for (int i = 0; i < 200; i++)
        send_bytes(&call, piece, sizeof piece);
    gantry_grpc_call_finish(call.call);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    assert_memory_equal(call.last, "\x0a\x08\x00\x00\x00\x00\x00\x98\x96\x80", 10); /* ten million */
    end_call(&call);
    close_client(&client);
}

static void a_server_stream_arrives_whole(void **state)
{
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_download(&client, &call, 2000, 3000, false);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    assert_int_equal(call.messages, 2000);
    assert_int_equal(call.bytes, 2000 * 3003);
    assert_int_equal(call.last[20], 1999 & 0xff);
    end_call(&call);
    close_client(&client);
}

/* A paused stream fills its own window and no other; resumed, it delivers all, in order. */
static void a_paused_stream_stalls_nobody(void **state)
{
    struct client client;
    struct call paused[3] = {{0}, {0}, {0}};

    (void)state;
    connect_client(&client, server.socket, NULL);
    for (int i = 0; i < 3; i++) {
        paused[i].pause_at_first = true;
        begin_download(&client, &paused[i], 300, 100000, false); /* 30 MB each: far beyond the connection's window */
    }
    for (int i = 0; i < 200; i++)
        check_health(&client);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(paused[i].messages, 1);
        assert_int_equal(paused[i].ended, 0);
        assert_true(paused[i].call->held <= GANTRY_GRPC_DEFAULT_WINDOW);
        gantry_grpc_call_resume(paused[i].call);
    }
    for (int i = 0; i < 3; i++) {
        await_end(&client, &paused[i]);
        assert_int_equal(paused[i].status, GANTRY_GRPC_OK);
        assert_int_equal(paused[i].messages, 300);
        assert_int_equal(paused[i].bytes, 300 * 100004);
        end_call(&paused[i]);
    }
    close_client(&client);
}

/* A window of one's own: what a paused call takes before the server stops. */
static void a_window_can_be_larger(void **state)
{
    struct client client;
    struct call call = {.pause_at_first = true};
    uint8_t order[8] = {0, 0, 0, 100, 0, 0, 0xea, 0x60}; /* 100 messages of 60000 bytes */

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_with(&client, &call,
               (struct gantry_grpc_call_options){.path = "/gantry.Test/Download", .window = 8UL * 1024 * 1024});
    send_bytes(&call, order, sizeof order);
    gantry_grpc_call_finish(call.call);
    for (int i = 0; i < 1000 && call.call->held < 5000000; i++)
        check_health(&client);
    assert_true(call.call->held >= 5000000);
    gantry_grpc_call_resume(call.call);
    await_end(&client, &call);
    assert_int_equal(call.messages, 100);
    end_call(&call);
    close_client(&client);
}

/* Two hundred calls at once of three kinds, beside an open stream that is read, and one that is not. */
static void two_hundred_calls_at_once(void **state)
{
    static const char *const paths[] = {"/gantry.Test/Echo", "/gantry.Test/None", "/gantry.Test/Fail"};
    static const int statuses[] = {GANTRY_GRPC_OK, GANTRY_GRPC_UNIMPLEMENTED, 9};
    static struct call calls[200];
    struct client client;
    struct call streams[2] = {{0}, {.pause_at_first = true}};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_download(&client, &streams[0], 100, 20000, true);
    begin_download(&client, &streams[1], 100, 20000, true);
    memset(calls, 0, sizeof calls);
    for (int i = 0; i < 200; i++)
        begin_unary(&client, &calls[i], paths[i % 3], "hello", 5);
    for (int i = 0; i < 200; i++) {
        await_end(&client, &calls[i]);
        assert_int_equal(calls[i].status, statuses[i % 3]);
        end_call(&calls[i]);
    }
    while (streams[0].messages < 100)
        step(&client);
    assert_int_equal(streams[0].ended, 0);
    assert_int_equal(streams[1].messages, 1);
    end_call(&streams[0]);
    end_call(&streams[1]);
    check_health(&client);
    close_client(&client);
}

static void a_deadline_ends_a_call(void **state)
{
    static const char *const paths[] = {"/gantry.Test/Never", "/gantry.Test/Chat"};
    struct client client;
    int64_t begun = gantry_clock_ns();

    (void)state;
    connect_client(&client, server.socket, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct call call = {0};

        begin_with(&client, &call, (struct gantry_grpc_call_options){.path = paths[i], .timeout_ns = 50000000});
        send_bytes(&call, "", 0);
        await_end(&client, &call);
        assert_int_equal(call.status, GANTRY_GRPC_DEADLINE_EXCEEDED);
        assert_string_not_equal(call.message, "");
        end_call(&call);
    }
    assert_true(gantry_clock_ns() - begun >= 90000000);
    check_health(&client);
    close_client(&client);
}

static void a_deadline_ends_a_paused_call(void **state)
{
    struct client client;
    struct call call = {.pause_at_first = true};
    uint8_t order[9] = {0, 0, 0, 100, 0, 0, 0xea, 0x60, 1};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_with(&client, &call,
               (struct gantry_grpc_call_options){.path = "/gantry.Test/Download", .timeout_ns = 300000000});
    send_bytes(&call, order, sizeof order);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_DEADLINE_EXCEEDED);
    assert_true(call.messages <= 1);
    end_call(&call);
    check_health(&client);
    close_client(&client);
}

static void a_slow_answer_is_waited_for(void **state)
{
    struct client client;
    struct call call = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_unary(&client, &call, "/gantry.Test/Slow", "s", 1);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_OK);
    end_call(&call);
    close_client(&client);
}

static void a_message_beyond_the_limit_ends_the_call(void **state)
{
    struct client client;
    struct call call = {0};
    char bytes[1000] = {0};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_with(&client, &call, (struct gantry_grpc_call_options){.path = "/gantry.Test/Echo", .limit = 1000});
    send_bytes(&call, bytes, sizeof bytes);
    gantry_grpc_call_finish(call.call);
    await_end(&client, &call);
    assert_int_equal(call.status, GANTRY_GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(call.message, "1003 bytes"));
    assert_int_equal(call.messages, 0);
    end_call(&call);
    check_health(&client);
    close_client(&client);
}

static void cancelled_calls_say_nothing(void **state)
{
    struct client client;
    struct call calls[4] = {{0}, {0}, {0}, {0}};

    (void)state;
    connect_client(&client, server.socket, NULL);
    begin_unary(&client, &calls[0], "/gantry.Test/Never", "", 0);
    gantry_grpc_call_free(calls[0].call); /* before a byte of it has gone out */
    check_health(&client);
    begin_unary(&client, &calls[1], "/gantry.Test/Never", "", 0);
    begin_download(&client, &calls[2], 1000, 100000, false);
    begin_unary(&client, &calls[3], "/gantry.Test/Echo", "x", 1);
    while (calls[2].messages < 3)
        step(&client);
    gantry_grpc_call_free(calls[1].call);
    gantry_grpc_call_free(calls[2].call);
    calls[2].messages = 0;
    await_end(&client, &calls[3]);
    check_health(&client);
    assert_int_equal(calls[0].ended + calls[1].ended + calls[2].ended + calls[2].messages, 0);
    end_call(&calls[3]);
    close_client(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_calls_are_answered),
        cmocka_unit_test(messages_of_all_sizes_come_back),
        cmocka_unit_test(metadata_goes_out_and_trailers_come_back),
        cmocka_unit_test(bad_metadata_is_refused),
        cmocka_unit_test(errors_carry_status_message_and_details),
        cmocka_unit_test(an_answer_of_headers_alone_is_a_status),
        cmocka_unit_test(a_server_may_end_first),
        cmocka_unit_test(both_sides_stream),
        cmocka_unit_test(a_client_stream_is_larger_than_any_window),
        cmocka_unit_test(a_server_stream_arrives_whole),
        cmocka_unit_test(a_paused_stream_stalls_nobody),
        cmocka_unit_test(a_window_can_be_larger),
        cmocka_unit_test(two_hundred_calls_at_once),
        cmocka_unit_test(a_deadline_ends_a_call),
        cmocka_unit_test(a_deadline_ends_a_paused_call),
        cmocka_unit_test(a_slow_answer_is_waited_for),
        cmocka_unit_test(a_message_beyond_the_limit_ends_the_call),
        cmocka_unit_test(cancelled_calls_say_nothing),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
