/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin's output on its way: frames in any pieces, the handshake held back, our own messages among whole lines. */
#include "face/relay.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct gantry_relay relay;
    int engine; /* what it writes is what the engine sends */
};

static int set_up(void **state)
{
    static struct fixture fixture;
    int ends[2];

    gantry_relay_init(&fixture.relay);
    assert_int_equal(pipe(ends), 0);
    fixture.relay.input = ends[0];
    fixture.engine = ends[1];
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    gantry_buffer_free(&fixture->relay.output);
    gantry_buffer_free(&fixture->relay.error);
    gantry_buffer_free(&fixture->relay.own);
    if (fixture->relay.input >= 0)
        close(fixture->relay.input);
    if (fixture->engine >= 0)
        close(fixture->engine);
    return 0;
}

static void send_frame(struct fixture *fixture, char stream, const char *text, size_t piece)
{
    char frame[256] = {stream, 0, 0, 0, 0, 0, 0, (char)strlen(text)};
    size_t size = 8 + strlen(text);

    memcpy(frame + 8, text, strlen(text));
    for (size_t at = 0; at < size; at += piece) {
        size_t count = size - at < piece ? size - at : piece;

        assert_int_equal(write(fixture->engine, frame + at, count), count);
        gantry_relay_read(&fixture->relay);
    }
}

static void assert_buffer(const struct gantry_buffer *buffer, const char *text)
{
    assert_int_equal(gantry_buffer_length(buffer), strlen(text));
    if (text[0] != '\0')
        assert_memory_equal(gantry_buffer_front(buffer), text, strlen(text));
}

static void test_handshake_is_held(void **state)
{
    struct fixture *fixture = *state;

    for (size_t piece = 1; piece < 20; piece++) {
        send_frame(fixture, 1, "1|1|unix", piece);
        assert_false(fixture->relay.handshake_complete);
        send_frame(fixture, 1, "|/x|grpc\nand more\n", piece);
        assert_true(fixture->relay.handshake_held);
        assert_false(gantry_relay_waits(&fixture->relay, STDOUT_FILENO));
        assert_buffer(&fixture->relay.output, "1|1|unix|/x|grpc\n");
        tear_down(state);
        set_up(state);
    }
}

/* What comes with the handshake line goes nowhere before it. */
static void test_nothing_passes_the_handshake(void **state)
{
    struct fixture *fixture = *state;
    int out = dup(STDOUT_FILENO);
    int ends[2];
    char byte;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    send_frame(fixture, 1, "1|1|unix|/x|grpc\n", 64);
    send_frame(fixture, 1, "too early\n", 64);
    dup2(out, STDOUT_FILENO);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_buffer(&fixture->relay.output, "1|1|unix|/x|grpc\n");
    close(out);
    close(ends[0]);
    close(ends[1]);
}

/* A plugin that is started once more: nothing of its first handshake is seen, and all of its errors are. */
static void test_another_stream_takes_its_place(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];

    send_frame(fixture, 2, "first\n", 64);
    send_frame(fixture, 1, "1|1|unix|/tmp/x|grpc\n", 64);
    assert_int_equal(write(fixture->engine, "\1\0\0", 3), 3); /* half a frame */
    gantry_relay_read(&fixture->relay);
    gantry_relay_let_go(&fixture->relay);
    assert_int_equal(fixture->relay.input, -1);
    assert_int_equal(fixture->relay.state, GANTRY_RELAY_OPEN);
    assert_false(fixture->relay.handshake_complete || fixture->relay.handshake_held);
    assert_buffer(&fixture->relay.output, "");
    close(fixture->engine);
    assert_int_equal(pipe(ends), 0);
    fixture->relay.input = ends[0];
    fixture->engine = ends[1];
    send_frame(fixture, 2, "second\n", 5);
    send_frame(fixture, 1, "1|1|unix|/run/x|grpc\n", 5);
    assert_true(fixture->relay.handshake_held);
    assert_buffer(&fixture->relay.output, "1|1|unix|/run/x|grpc\n");
    assert_buffer(&fixture->relay.error, "first\nsecond\n");
}

/* What no host takes for a handshake is something that it wants to read: nothing of it is dropped. */
static void test_other_text_goes_on(void **state)
{
    struct fixture *fixture = *state;

    for (size_t piece = 1; piece < 20; piece++) {
        send_frame(fixture, 1, "usage: |x|", piece);
        assert_false(fixture->relay.passes);
        send_frame(fixture, 1, "\n  -a\n", piece);
        send_frame(fixture, 1, "  -b\n", piece);
        assert_true(fixture->relay.passes && fixture->relay.handshake_held);
        assert_buffer(&fixture->relay.output, "usage: |x|\n  -a\n  -b\n");
        tear_down(state);
        set_up(state);
    }
}

static void test_plain_messages(void **state)
{
    struct fixture *fixture = *state;

    fixture->relay.plain = true;
    gantry_relay_say(&fixture->relay, "warn", "a \"quote\" and a\nline");
    assert_buffer(&fixture->relay.error, "[WARN] gantry: a \"quote\" and a line\n");
}

static void test_messages_stand_between_lines(void **state)
{
    struct fixture *fixture = *state;
    char text[512];

    send_frame(fixture, 2, "one half", 100);
    gantry_relay_add_lines(&fixture->relay, "ours\n", 5);
    assert_buffer(&fixture->relay.error, "one half");
    send_frame(fixture, 2, ", other half\nnext", 3);
    assert_buffer(&fixture->relay.error, "one half, other half\nours\nnext");
    gantry_relay_say(&fixture->relay, "warn", "a \"quote\" and a\nline");
    close(fixture->engine);
    fixture->engine = -1;
    gantry_relay_read(&fixture->relay);
    assert_int_equal(fixture->relay.state, GANTRY_RELAY_ENDED);
    snprintf(text, sizeof text, "%.*s", (int)gantry_buffer_length(&fixture->relay.error),
             (const char *)gantry_buffer_front(&fixture->relay.error));
    assert_non_null(strstr(text, "\nours\nnext\n{\"@level\":\"warn\",\"@module\":\"gantry\",\"@timestamp\":\"20"));
    assert_non_null(strstr(text, "\"@message\":\"a \\\"quote\\\" and a\\u000aline\"}\n"));
}

static void test_garbage_ends_it(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(write(fixture->engine, "HTTP/1.1 500", 12), 12);
    gantry_relay_read(&fixture->relay);
    assert_int_equal(fixture->relay.state, GANTRY_RELAY_BROKEN);
    assert_int_equal(fixture->relay.input, -1);
}

static void test_room_ends(void **state)
{
    struct fixture *fixture = *state;
    char line[200];
    int sent = 0;

    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    line[sizeof line - 2] = '\n';
    for (; gantry_relay_has_room(&fixture->relay); sent++) {
        char head[8] = {2, 0, 0, 0, 0, 0, 0, (char)strlen(line)};

        assert_int_equal(write(fixture->engine, head, 8), 8);
        assert_int_equal(write(fixture->engine, line, strlen(line)), strlen(line));
        gantry_relay_read(&fixture->relay);
        assert_true(sent < 100000);
    }
    assert_int_equal(gantry_buffer_length(&fixture->relay.error), (size_t)sent * strlen(line));
}

/* A pipe each for standard output and error, of which either may end first. */
static void test_pipes(void **state)
{
    for (int first = 0; first < 2; first++) {
        struct fixture *fixture = *state;
        struct gantry_relay *relay = &fixture->relay;
        int out[2];
        int err[2];

        assert_int_equal(pipe2(out, O_NONBLOCK), 0);
        assert_int_equal(pipe2(err, O_NONBLOCK), 0);
        gantry_relay_let_go(relay);
        gantry_relay_take_pipes(relay, (const int[2]){out[0], err[0]});
        gantry_relay_read_pipe(relay, 0); /* nothing has come */
        assert_int_equal(write(err[1], "one half", 8), 8);
        gantry_relay_read_pipe(relay, 1);
        gantry_relay_add_lines(relay, "ours\n", 5);
        assert_int_equal(write(out[1], "1|1|unix|/x|grpc\n", 17), 17);
        gantry_relay_read_pipe(relay, 0);
        assert_true(relay->handshake_held);
        assert_buffer(&relay->output, "1|1|unix|/x|grpc\n");
        close(first == 0 ? out[1] : err[1]);
        gantry_relay_read_pipe(relay, first);
        assert_int_equal(relay->state, GANTRY_RELAY_OPEN);
        assert_buffer(&relay->error, "one half");
        close(first == 0 ? err[1] : out[1]);
        gantry_relay_read_pipe(relay, 1 - first);
        assert_int_equal(relay->state, GANTRY_RELAY_ENDED);
        assert_buffer(&relay->error, "one half\nours\n");
        tear_down(state);
        set_up(state);
    }
}

/* Those of a plugin that is started once more elsewhere. */
static void test_pipes_are_let_go(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    gantry_relay_let_go(&fixture->relay);
    gantry_relay_take_pipes(&fixture->relay, (const int[2]){ends[0], -1});
    gantry_relay_let_go(&fixture->relay);
    assert_int_equal(fixture->relay.pipes[0], -1);
    assert_int_equal(fixture->relay.state, GANTRY_RELAY_OPEN);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshake_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_passes_the_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_stream_takes_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_text_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_stand_between_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_room_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipes_are_let_go, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
