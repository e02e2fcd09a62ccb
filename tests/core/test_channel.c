/* SPDX-License-Identifier: Apache-2.0
 *
 * test_channel.c: the socket at which faces ask a resident: who may be heard at it, and that nobody holds it up. */
#include "core/system/channel.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const int none[] = {-1, -1};
static char directory[] = "/tmp/gantry-channel-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void says_who_connects_and_what_they_say(void **state)
{
    static struct gantry_packet packet;
    struct gantry_error err;
    struct ucred peer;
    int listening, face, resident;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(gantry_channel_connect(path, &face), -1);
    assert_int_equal(gantry_channel_listen(path, &listening, &err), 0);
    assert_int_equal(gantry_channel_accept(listening, &peer), -1);
    assert_int_equal(gantry_channel_connect(path, &face), 0);
    resident = gantry_channel_accept(listening, &peer);
    assert_true(resident >= 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(gantry_channel_receive(resident, &packet), 0);
    assert_int_equal(gantry_channel_send(face, GANTRY_CHANNEL_REQUEST, "a\0b", 3, ends, &err), 0);
    assert_int_equal(gantry_channel_receive(resident, &packet), 1);
    assert_int_equal(packet.kind, GANTRY_CHANNEL_REQUEST);
    assert_int_equal(packet.size, 3);
    assert_memory_equal(packet.text, "a\0b", 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fcntl(packet.fds[i], F_GETFD), FD_CLOEXEC);
        close(packet.fds[i]);
        close(ends[i]);
    }
    close(face);
    assert_int_equal(gantry_channel_receive(resident, &packet), 1);
    assert_int_equal(packet.kind, 0);
    close(resident);
    close(listening);
}

static void takes_the_place_of_one_that_was_killed_alone(void **state)
{
    struct gantry_error err;
    int first, second;

    (void)state;
    assert_int_equal(gantry_channel_listen(path, &first, &err), 0);
    assert_int_equal(gantry_channel_listen(path, &second, &err), -1);
    assert_string_equal(err.code, "RESIDENT_BUSY");
    close(first);
    assert_int_equal(gantry_channel_listen(path, &second, &err), 0);
    close(second);
}

static void never_waits_for_a_face_that_does_not_read(void **state)
{
    static const char text[4096] = "x";
    struct gantry_error err;
    struct ucred peer;
    int listening, face, resident, sent = 0;

    (void)state;
    assert_int_equal(gantry_channel_listen(path, &listening, &err), 0);
    assert_int_equal(gantry_channel_connect(path, &face), 0);
    resident = gantry_channel_accept(listening, &peer);
    while (sent < 100000 && gantry_channel_send(resident, GANTRY_CHANNEL_LOG, text, sizeof text, none, &err) == 0)
        sent++;
    assert_in_range(sent, 1, 99999);
    assert_string_equal(err.code, "CHANNEL_FAILED");
    close(face);
    close(resident);
    close(listening);
}

static void knows_kinds_by_name(void **state)
{
    (void)state;
    assert_int_equal(gantry_channel_kind_named("record"), GANTRY_CHANNEL_RECORD);
    assert_int_equal(gantry_channel_kind_named("taken"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_connects_and_what_they_say),
        cmocka_unit_test(takes_the_place_of_one_that_was_killed_alone),
        cmocka_unit_test(never_waits_for_a_face_that_does_not_read),
        cmocka_unit_test(knows_kinds_by_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
