/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin's first line on its way to the host: what a container says there never has its host connect to a socket
 * that is not the plugin's own, however the line is cut. */
#include "face/face_plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct gantry_face face;
static char root[32];
static char directory[64];
static int engine = -1; /* what it writes is what the engine sends */

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void begin(void)
{
    int ends[2];

    face = (struct gantry_face){.channel = -1, .exit = -1, .gate = -1, .start_by_ms = INT64_MAX};
    assert_int_equal(pipe(ends), 0);
    gantry_relay_init(&face.relay);
    face.relay.input = ends[0];
    engine = ends[1];
    strcpy(face.plugin, "kv");
    strcpy(face.directory, directory);
}

static void end(void)
{
    gantry_buffer_free(&face.relay.output);
    gantry_buffer_free(&face.relay.error);
    gantry_buffer_free(&face.relay.own);
    if (face.relay.input >= 0)
        close(face.relay.input);
    close(engine);
}

static int set_up(void **state)
{
    char path[128];

    (void)state;
    strcpy(root, "/tmp/gantry-line-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(directory, sizeof directory, "%s/kv", root);
    mkdir(directory, 0700);
    snprintf(path, sizeof path, "%s/host.sock", root);
    make_socket(path);
    snprintf(path, sizeof path, "%s/plugin1", directory);
    make_socket(path);
    snprintf(path, sizeof path, "%s/link", directory);
    return symlink("../host.sock", path);
}

static int tear_down(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

/* Sends `line` in pieces; what waits for the host in the end, or at any moment before, is given to `look`. */
static void send_line(const char *line, size_t piece, void (*look)(const char *text))
{
    char frame[512] = {1, 0, 0, 0, 0, 0, 0, (char)strlen(line)};
    size_t size = 8 + strlen(line);

    begin();
    memcpy(frame + 8, line, strlen(line));
    for (size_t at = 0; at < size; at += piece) {
        size_t count = size - at < piece ? size - at : piece;
        char text[1024] = "";

        assert_int_equal(write(engine, frame + at, count), count);
        gantry_relay_read(&face.relay);
        gantry_face_check_handshake(&face);
        if (gantry_relay_waits(&face.relay, STDOUT_FILENO))
            snprintf(text, sizeof text, "%.*s", (int)gantry_buffer_length(&face.relay.output),
                     (const char *)gantry_buffer_front(&face.relay.output));
        look(text);
    }
    end();
}

static void assert_refused(const char *text)
{
    if (text[0] == '\0')
        return; /* nothing is out yet */
    assert_memory_equal(text, "gantry: plugin 'kv'", strlen("gantry: plugin 'kv'"));
    assert_null(strchr(text, '|'));
    assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
}

static void test_addresses_of_others_are_refused(void **state)
{
    /* "~" stands for the runtime directory. */
    static const char *const addresses[] = {
        "unix|~/host.sock",
        "unix|~/kv/../host.sock",
        "unix|~/kv/link",
        "unix|~/kv",
        "unix|~/kv/",
        "unix|~/kv/nosuch",
        "unix|~/kv/./plugin1",
        "unix|~/kv/plugin1x",
        "unix|~/kv/a/b",
        "tcp|127.0.0.1:22",
        "unix|~/kvx/plugin1",
        "unix|/var/run/docker.sock",
        "unix|",
    };

    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const char *mark = strchr(addresses[i], '~');
        size_t head = mark != NULL ? (size_t)(mark - addresses[i]) : strlen(addresses[i]);
        char line[256];

        snprintf(line, sizeof line, "1|1|%.*s%s%s|grpc\n", (int)head, addresses[i], mark != NULL ? root : "",
                 mark != NULL ? mark + 1 : "");
        for (size_t piece = 1; piece < 60; piece += 7)
            send_line(line, piece, assert_refused);
    }
}

static void test_lines_that_a_host_could_read_otherwise_are_refused(void **state)
{
    static const char *const heads[] = {"+1|1", " 1|1", "01|1", "1 |1", "1|+1", "2|1", "1|x", "\t1|1", "1|", "|"};

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char line[256];

        snprintf(line, sizeof line, "%s|unix|%s/host.sock|grpc\n", heads[i], root);
        send_line(line, sizeof line, assert_refused);
    }
}

static const char *expected;

static void assert_whole(const char *text)
{
    assert_true(text[0] == '\0' || strcmp(text, expected) == 0);
}

static void test_the_plugins_own_is_handed_on_whole(void **state)
{
    char line[256];

    (void)state;
    snprintf(line, sizeof line, "1|1|unix|%s/plugin1|grpc\n", directory);
    expected = line;
    for (size_t piece = 1; piece < strlen(line) + 8; piece++)
        send_line(line, piece, assert_whole);
}

static void test_text_that_is_no_handshake_is_shown(void **state)
{
    (void)state;
    expected = "panic: no configuration\n";
    send_line(expected, 5, assert_whole);
}

static void test_a_line_without_its_end_is_no_handshake(void **state)
{
    char line[256];
    char frame[300] = {1};

    (void)state;
    snprintf(line, sizeof line, "1|1|unix|%s/host.sock|grpc", root);
    frame[7] = (char)strlen(line);
    memcpy(frame + 8, line, strlen(line));
    begin();
    assert_int_equal(write(engine, frame, 8 + strlen(line)), 8 + strlen(line));
    gantry_relay_read(&face.relay);
    gantry_face_check_handshake(&face);
    assert_false(gantry_relay_waits(&face.relay, STDOUT_FILENO));
    face.relay.state = GANTRY_RELAY_ENDED;
    face.answer.known = true;
    gantry_face_decide(&face);
    assert_true(gantry_relay_waits(&face.relay, STDOUT_FILENO));
    assert_null(memchr(gantry_buffer_front(&face.relay.output), '|', gantry_buffer_length(&face.relay.output)));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_of_others_are_refused),
        cmocka_unit_test(test_lines_that_a_host_could_read_otherwise_are_refused),
        cmocka_unit_test(test_the_plugins_own_is_handed_on_whole),
        cmocka_unit_test(test_text_that_is_no_handshake_is_shown),
        cmocka_unit_test(test_a_line_without_its_end_is_no_handshake),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
