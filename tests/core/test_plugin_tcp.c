/* SPDX-License-Identifier: Apache-2.0
 *
 * test_plugin_tcp.c: which TCP addresses of a plugin its host may dial, and who listens there. */
#include "core/plugin/plugin_tcp.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void takes_loopback_apart(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:1234", "127.0.0.1", 1234}, {"127.9.9.9:1", "127.9.9.9", 1},
        {"[::1]:65535", "::1", 65535},         {"::1:80", "::1", 80},
        {"localhost:7", "localhost", 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[GANTRY_TCP_HOST_SIZE];
        struct gantry_error err;
        uint16_t port;

        assert_int_equal(gantry_plugin_tcp_split(cases[i].text, host, &port, &err), 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void refuses_all_others(void **state)
{
    static const char *const texts[] = {
        "10.0.0.1:80",
        "0.0.0.0:80",
        "[::]:80",
        "128.0.0.1:80",
        "example.org:80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        ":80",
        "127.0.0.1:65536",
        "127.0.0.1:+80",
        "127.0.0.1:80x",
        "[::ffff:1.2.3.4]:1",
        "127.1:80",
        "[]:80",
        "",
        "localhost.evil:80",
        "169.254.169.254:80",
        "127.0.0.1:99999999999999999999",
        "111111111111111111111111111111111111111111111111111111111111111111111111:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char host[GANTRY_TCP_HOST_SIZE];
        struct gantry_error err;
        uint16_t port;

        assert_int_equal(gantry_plugin_tcp_split(texts[i], host, &port, &err), -1);
        assert_string_equal(err.code, "HANDSHAKE_NETWORK");
        assert_int_equal(gantry_plugin_tcp_check(texts[i], true, &err), -1);
    }
}

static void needs_the_hosts_network(void **state)
{
    struct gantry_error err;

    (void)state;
    assert_int_equal(gantry_plugin_tcp_check("127.0.0.1:1", true, &err), 0);
    assert_int_equal(gantry_plugin_tcp_check("127.0.0.1:1", false, &err), -1);
    assert_string_equal(err.code, "HANDSHAKE_NETWORK");
    assert_non_null(strstr(err.message, "networks = { \"host\" }"));
}

static void tells_who_listens(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct gantry_error err;
    char text[32];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(gantry_plugin_tcp_dial(text, &err), -1);
    assert_string_equal(err.code, "DIAL_FAILED");
    assert_int_equal(listen(fd, 1), 0);
    for (int i = 0; i < 5; i++) /* a full queue has an owner, too */
        assert_int_equal(gantry_plugin_tcp_dial(text, &err), 0);
    close(fd);
    assert_int_equal(gantry_plugin_tcp_dial("10.0.0.1:80", &err), -1);
    assert_string_equal(err.code, "HANDSHAKE_NETWORK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_loopback_apart),
        cmocka_unit_test(refuses_all_others),
        cmocka_unit_test(needs_the_hosts_network),
        cmocka_unit_test(tells_who_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
