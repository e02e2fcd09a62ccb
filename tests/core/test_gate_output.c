/* SPDX-License-Identifier: Apache-2.0
 *
 * test_gate_output.c: a plugin's standard output through its gate: all of it where the gate's own goes, its first line
 * to the asker as well, and nobody in the way of anybody else. */
#include "core/gate/gate_client.h"

#include "gate_fixture.h"

#include <poll.h>

static int output = -1; /* of the gate, as an engine reads it */

static void open_output(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    output = ends[0];
    gate_output = ends[1];
}

/* From here on the gate and its plugin alone write there. */
static void let_go_of_output(void)
{
    close(gate_output);
    gate_output = -1;
}

static int close_output(void **state)
{
    if (gate_output >= 0)
        let_go_of_output();
    close(output);
    return tear_down(state);
}

static void ask_for_handshake(struct asker *asker, bool outlives)
{
    ask(asker, (struct gantry_gate_request){.tells_handshake = true, .outlives_asker = outlives});
}

static void wait_for_output(struct asker *asker, const char *text)
{
    int64_t limit = now_ms() + PATIENCE_MS;

    while (asker->output_length < strlen(text) && now_ms() < limit)
        assert_true(gantry_loop_step(loop, 100, &err) >= 0);
    assert_int_equal(asker->output_length, strlen(text));
    assert_memory_equal(asker->output, text, strlen(text));
}

/* The length of all that comes until its end; its beginning is left in `text`. */
static size_t read_all(char *text, size_t size)
{
    static char more[65536];
    size_t length = 0;
    ssize_t got;

    memset(text, 0, size);
    while ((got = read(output, more, sizeof more)) > 0) {
        if (length < size - 1)
            memcpy(text + length, more, (size_t)got < size - 1 - length ? (size_t)got : size - 1 - length);
        length += (size_t)got;
    }
    return length;
}

static void test_first_line_to_both(void **state)
{
    struct asker asker;
    char text[64];

    (void)state;
    open_output();
    ONCE(SHELL("printf '1|2|'; until test -e \"$GO.a\"; do sleep 0.01; done; echo unix; "
               "until test -e \"$GO.b\"; do sleep 0.01; done; echo more; exit 5"));
    let_go_of_output();
    {
        char go[96];
        char path[112];
        const char *environment[] = {go, NULL};

        snprintf(go, sizeof go, "GO=%s/go", folder);
        ask(&asker, (struct gantry_gate_request){.environment = environment, .tells_handshake = true});
        wait_for_output(&asker, "1|2|"); /* as it comes */
        snprintf(path, sizeof path, "%s.a", go + 3);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        wait_for_output(&asker, "1|2|unix\n");
        snprintf(path, sizeof path, "%s.b", go + 3);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 5);
    wait_for_output(&asker, "1|2|unix\n"); /* the rest is not told */
    let_go(&asker);
    assert_int_equal(read_all(text, sizeof text), 14);
    assert_string_equal(text, "1|2|unix\nmore\n");
    assert_int_equal(gate_status(), 5);
}

static void begin_lingering(struct asker *asker)
{
    open_output();
    ONCE(SHELL("sleep 1000 & echo $!; exit 5"));
    let_go_of_output();
    ask_for_handshake(asker, false);
    wait_for(asker, GANTRY_GATE_EXIT);
    assert_int_equal(waitpid(gate, NULL, WNOHANG), 0);
    assert_int_equal(gantry_gate_descriptor(asker->gate), -1);
    assert_int_equal(gantry_gate_signal(asker->gate, SIGUSR1, &err), -1);
    assert_string_equal(err.code, "GATE_GONE");
}

/* Whoever was told of the end has the container for a while: what clears it away does not yet compete with what comes
 * in its place. Nothing of the plugin is there any more. */
static void test_lingers_until_let_go(void **state)
{
    struct asker asker;
    struct asker other;

    (void)state;
    begin_lingering(&asker);
    assert_true(is_gone_soon((pid_t)strtol(asker.output, NULL, 10)));
    ask(&other, (struct gantry_gate_request){0});
    wait_for(&other, GANTRY_GATE_FAILED);
    assert_string_equal(other.what, "busy");
    let_go(&other);
    assert_int_equal(waitpid(gate, NULL, WNOHANG), 0);
    let_go(&asker);
    assert_int_equal(gate_status(), 5);
}

static void test_lingers_not_for_ever(void **state)
{
    struct asker asker;

    (void)state;
    begin_lingering(&asker);
    assert_int_equal(gate_status(), 5);
    let_go(&asker);
}

/* As an engine stops it meanwhile: it ends with its plugin's status all the same. */
static void test_told_to_end_while_lingering(void **state)
{
    struct asker asker;

    (void)state;
    begin_lingering(&asker);
    kill(gate, SIGTERM);
    assert_int_equal(gate_status(), 5);
    let_go(&asker);
}

/* All that a plugin wrote is there after its end, though its asker has gone long ago. */
static void test_asker_goes_output_stays(void **state)
{
    struct asker asker;
    char text[16];

    (void)state;
    open_output();
    ONCE(SHELL("echo line; trap '' TERM; head -c 3000000 /dev/zero; echo end >&2; exit 6"));
    let_go_of_output();
    ask_for_handshake(&asker, true);
    wait_for_output(&asker, "line\n");
    let_go(&asker);
    assert_int_equal(read_all(text, sizeof text), 5 + 3000000);
    assert_memory_equal(text, "line\n", 5);
    assert_int_equal(gate_status(), 6);
}

static void wait_until_full(void)
{
    struct pollfd entry = {.fd = gate_output, .events = POLLOUT};
    int64_t limit = now_ms() + PATIENCE_MS;

    while (poll(&entry, 1, 0) != 0 && now_ms() < limit)
        usleep(1000);
    let_go_of_output();
}

/* Nobody reads: the plugin waits, as it would without a gate, and the gate does not. */
static void test_nobody_reads(void **state)
{
    struct asker asker;
    struct asker other;
    char text[16];

    (void)state;
    open_output();
    ONCE(SHELL("trap 'exit 7' USR1; echo line; head -c 1000000 /dev/zero & wait"));
    ask_for_handshake(&asker, false);
    wait_for_output(&asker, "line\n");
    wait_until_full();
    ask(&other, (struct gantry_gate_request){0});
    wait_for(&other, GANTRY_GATE_FAILED);
    assert_string_equal(other.what, "busy");
    let_go(&other);
    assert_int_equal(gantry_gate_signal(asker.gate, SIGUSR1, &err), 0);
    assert_true(read_all(text, sizeof text) > 5); /* what it left goes with it */
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.code, 7);
    let_go(&asker);
    assert_int_equal(gate_status(), 7);
}

/* As for any program that writes where nobody reads any more. */
static void test_reader_is_gone(void **state)
{
    struct asker asker;

    (void)state;
    open_output();
    ONCE(SHELL("echo line; while echo more; do :; done"));
    let_go_of_output();
    close(output);
    output = -1;
    ask_for_handshake(&asker, false);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.last.signal, SIGPIPE);
    let_go(&asker);
    assert_int_equal(gate_status(), 128 + SIGPIPE);
}

/* Where a line does not end, it is no handshake, and the rest is not told. */
static void test_no_line(void **state)
{
    struct asker asker;
    char text[16];

    (void)state;
    open_output();
    ONCE(SHELL("head -c 1000000 /dev/zero"));
    let_go_of_output();
    ask_for_handshake(&asker, false);
    wait_for(&asker, GANTRY_GATE_STARTED);
    assert_int_equal(read_all(text, sizeof text), 1000000);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_true(asker.count[GANTRY_GATE_OUTPUT] >= 1 && asker.count[GANTRY_GATE_OUTPUT] < 200);
    let_go(&asker);
    assert_int_equal(gate_status(), 0);
}

/* One that serves has many plugins' output: none is in the way of another's. */
static void test_serving(void **state)
{
    struct asker asker;
    char text[16];

    (void)state;
    open_output();
    SERVE(SHELL("echo line"));
    let_go_of_output();
    ask_for_handshake(&asker, false);
    wait_for(&asker, GANTRY_GATE_EXIT);
    assert_int_equal(asker.count[GANTRY_GATE_OUTPUT], 0);
    kill(gate, SIGTERM);
    gate_status();
    assert_int_equal(read_all(text, sizeof text), 5);
    let_go(&asker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_output)
    const struct CMUnitTest tests[] = {
        TEST(test_first_line_to_both),
        TEST(test_lingers_until_let_go),
        TEST(test_lingers_not_for_ever),
        TEST(test_told_to_end_while_lingering),
        TEST(test_asker_goes_output_stays),
        TEST(test_nobody_reads),
        TEST(test_reader_is_gone),
        TEST(test_no_line),
        TEST(test_serving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
