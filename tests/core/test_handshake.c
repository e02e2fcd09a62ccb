/* SPDX-License-Identifier: Apache-2.0
 *
 * test_handshake.c: a plugin's first line: what is one, what is none, and which field is to blame. */
#include "core/plugin/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct gantry_handshake shake;
static struct gantry_error err;

static int set_up(void **state)
{
    (void)state;
    memset(&shake, 0, sizeof shake);
    memset(&err, 0, sizeof err);
    return 0;
}

static int parse(const char *line)
{
    return gantry_handshake_parse(line, strlen(line), &shake, &err);
}

static void accept(const char *line)
{
    if (parse(line) < 0)
        fail_msg("%s: %s", line, err.message);
}

static void assert_slice(struct gantry_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.bytes, text, slice.size);
}

static void refuse_packer(const char *line, const char *part)
{
    struct gantry_handshake before = shake;

    if (gantry_handshake_parse_packer(line, strlen(line), &shake, &err) >= 0)
        fail_msg("'%s' was accepted", line);
    assert_string_equal(err.code, "HANDSHAKE_INVALID");
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s': the message lacks '%s': %s", line, part, err.message);
    assert_memory_equal(&before, &shake, sizeof shake);
}

/* The message must hold every one of the parts. */
static void refuse(const char *line, const char *code, const char *part, const char *other)
{
    struct gantry_handshake before = shake;

    if (parse(line) >= 0)
        fail_msg("'%s' was accepted", line);
    assert_string_equal(err.code, code);
    if (strstr(err.message, part) == NULL || strstr(err.message, other) == NULL)
        fail_msg("'%s': the message lacks '%s' or '%s': %s", line, part, other, err.message);
    assert_memory_equal(&before, &shake, sizeof shake);
}

static void refuse_field(const char *line, const char *field, const char *shown)
{
    refuse(line, "HANDSHAKE_INVALID", field, shown);
}

/* ---- what is one ---- */

static void test_as_go_plugin_prints_it(void **state)
{
    (void)state;
    accept("1|5|unix|/run/gantry/kv/plugin123|grpc|\n");
    assert_int_equal(shake.core_version, 1);
    assert_int_equal(shake.protocol_version, 5);
    assert_slice(shake.network, "unix");
    assert_slice(shake.address, "/run/gantry/kv/plugin123");
    assert_slice(shake.protocol, "grpc");
    assert_int_equal(shake.certificate.size, 0);
    assert_false(shake.has_multiplex);
}

static void test_four_fields_mean_netrpc(void **state)
{
    (void)state;
    accept("1|1|tcp|127.0.0.1:1234");
    assert_slice(shake.network, "tcp");
    assert_slice(shake.address, "127.0.0.1:1234");
    assert_slice(shake.protocol, "netrpc");
    accept("1|1|tcp|[::1]:65535|netrpc");
    assert_slice(shake.address, "[::1]:65535");
}

static void test_white_space_around_it(void **state)
{
    (void)state;
    accept(" \t1|1|unix|/s|grpc\r\n");
    assert_slice(shake.protocol, "grpc");
    accept("1|1|unix|/a path|grpc|  \v\f");
    assert_slice(shake.address, "/a path");
}

static void test_the_longest_path(void **state)
{
    char line[160] = "1|1|unix|/";

    (void)state;
    memset(line + strlen(line), 'x', 106);
    accept(line);
    assert_int_equal(shake.address.size, 107);
    strcat(line, "x");
    refuse_field(line, "4 (address)", "107");
}

static void test_multiplexing(void **state)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    char line[64];

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        strcpy(line, "1|1|unix|/s|grpc||");
        strcat(line, i < 6 ? yes[i] : no[i - 6]);
        accept(line);
        assert_true(shake.has_multiplex);
        assert_int_equal(shake.multiplex, i < 6);
    }
    accept("1|1|unix|/s|grpc||true|what a later version adds");
    assert_true(shake.multiplex);
    accept("1|1|unix|/s|grpc||");
    assert_false(shake.has_multiplex);
    refuse_field("1|1|unix|/s|grpc||yes", "7 (multiplexing)", "'yes'");
    refuse_field("1|1|unix|/s|grpc||tRUE", "7 (multiplexing)", "'tRUE'");
}

/* ---- certificates ---- */

/* 51 characters, the fewest that count as a certificate: 38 bytes and a quarter. */
#define FIFTY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static int decode(const char *certificate, uint8_t *der)
{
    static char line[256];

    strcpy(line, "1|1|unix|/s|grpc|");
    strcat(line, certificate);
    accept(line);
    assert_int_equal(shake.certificate.size, strlen(certificate));
    return gantry_handshake_certificate(&shake, der, &err);
}

static void test_certificate(void **state)
{
    uint8_t der[64];

    (void)state;
    assert_int_equal(decode(FIFTY "AB", der), 39);
    assert_int_equal(der[38], 1);
    assert_int_equal(decode(FIFTY "+/", der), 39);
    assert_int_equal(der[37], 0x0f);
    assert_int_equal(der[38], 0xbf);
    assert_int_equal(decode(FIFTY "9z", der), 39);
    assert_int_equal(der[37], 0x0f);
    assert_int_equal(der[38], 0x73);
    assert_int_equal(decode(FIFTY "A", der), 38);
}

static void test_junk_where_a_certificate_could_be(void **state)
{
    uint8_t der[64];

    (void)state;
    accept("1|1|unix|/s|grpc|not a certificate");
    assert_int_equal(shake.certificate.size, 0);
    accept("1|1|unix|/s|grpc|" FIFTY);
    assert_int_equal(shake.certificate.size, 0);
    for (const char *const *tail = (const char *const[]){"=", "-_", " A", "AAA", NULL}; *tail != NULL; tail++) {
        char text[64] = FIFTY;

        strcat(text, *tail);
        assert_true(decode(text, der) < 0);
        assert_string_equal(err.code, "HANDSHAKE_INVALID");
        assert_non_null(strstr(err.message, "6 (certificate)"));
    }
}

/* ---- what is none ---- */

static void test_other_text(void **state)
{
    (void)state;
    refuse_field("hello, I am a plugin", "not a go-plugin handshake", "hello, I am a plugin");
    refuse_field("", "not a go-plugin handshake", "''");
    refuse_field("\n", "not a go-plugin handshake", "''");
    refuse_field("1|1|unix", "not a go-plugin handshake", "1|1|unix");
    refuse_field("  |  |  ", "not a go-plugin handshake", "|  |");
}

static void test_versions(void **state)
{
    (void)state;
    refuse("2|1|unix|/s|grpc", "HANDSHAKE_CORE_VERSION", "version 2", "gantry speaks 1");
    refuse("0|junk|junk|junk", "HANDSHAKE_CORE_VERSION", "version 0", "core protocol");
    refuse_field("|1|unix|/s|grpc", "1 (core protocol version)", "''");
    refuse_field("x|1|unix|/s|grpc", "1 (core protocol version)", "'x'");
    refuse_field("-1|1|unix|/s|grpc", "1 (core protocol version)", "'-1'");
    refuse_field("99999999999999999999|1|unix|/s", "1 (core protocol version)", "'99999999999999999999'");
    refuse_field("1||unix|/s|grpc", "2 (application protocol version)", "''");
    refuse_field("1|1.0|unix|/s|grpc", "2 (application protocol version)", "'1.0'");
    refuse_field("1|0x1|unix|/s|grpc", "2 (application protocol version)", "'0x1'");
}

static void test_networks_and_protocols(void **state)
{
    (void)state;
    refuse_field("1|1|udp|/s|grpc", "3 (network)", "'udp'");
    refuse_field("1|1|UNIX|/s|grpc", "3 (network)", "'UNIX'");
    refuse_field("1|1|unix|/s|http", "5 (protocol)", "'http'");
    refuse_field("1|1|unix|/s|", "5 (protocol)", "''");
    refuse_field("1|1|unix|/s|grpc |", "5 (protocol)", "'grpc '");
}

static void test_addresses(void **state)
{
    (void)state;
    refuse_field("1|1|unix||grpc", "4 (address)", "''");
    refuse_field("1|1|unix|/a\33[2J|grpc", "4 (address)", "'/a\\x1b[2J'");
    refuse_field("1|1|tcp|127.0.0.1|grpc", "4 (address)", "'127.0.0.1'");
    refuse_field("1|1|tcp|127.0.0.1:|grpc", "4 (address)", "'127.0.0.1:'");
    refuse_field("1|1|tcp|127.0.0.1:0|grpc", "4 (address)", "host:port");
    refuse_field("1|1|tcp|127.0.0.1:65536|grpc", "4 (address)", "host:port");
    assert_true(gantry_handshake_parse("1|1|unix|/a\0b|grpc", 18, &shake, &err) < 0);
    assert_non_null(strstr(err.message, "'/a\\x00b'"));
}

static void test_what_is_shown_is_bounded_and_printable(void **state)
{
    static char line[70000];

    (void)state;
    memset(line, 0xff, sizeof line);
    assert_true(gantry_handshake_parse(line, sizeof line, &shake, &err) < 0);
    assert_non_null(strstr(err.message, "\\xff...' is not a go-plugin handshake"));
    assert_non_null(strstr(err.message, "standard output first")); /* the remedy is not cut off */
    for (const char *at = err.message; *at != '\0'; at++)
        assert_in_range(*at, ' ', '~');
    refuse_field("back\\slash|x|y|z", "1 (core protocol version)", "back\\x5cslash");
}

static void test_of_packer(void **state)
{
    static const char line[] = "5|0|unix|/run/x/packer-plugin1234567890\n";

    (void)state;
    assert_int_equal(gantry_handshake_parse_packer(line, strlen(line), &shake, &err), 0);
    assert_int_equal(shake.core_version, 5);
    assert_int_equal(shake.protocol_version, 0);
    assert_slice(shake.network, "unix");
    assert_slice(shake.address, "/run/x/packer-plugin1234567890");
    assert_slice(shake.protocol, "netrpc");
    assert_int_equal(gantry_handshake_parse_packer("6|1|tcp|127.0.0.1:10000", 23, &shake, &err), 0);
    assert_slice(shake.network, "tcp");
    refuse_packer("4|unix|/tmp/x", "'4|unix|/tmp/x' is not the handshake of a plugin for Packer");
    refuse_packer("1|5|unix|/tmp/x|netrpc", "is not the handshake of a plugin for Packer");
    refuse_packer("v5|0|unix|/tmp/x", "1 (API major version)");
    refuse_packer("5||unix|/tmp/x", "2 (API minor version)");
    refuse_packer("5|0|udp|/tmp/x", "3 (network)");
    refuse_packer("5|0|unix|", "4 (address)");
    refuse_packer("5|0|unix|/tmp/\033[2J", "4 (address)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_as_go_plugin_prints_it, set_up),
        cmocka_unit_test_setup(test_four_fields_mean_netrpc, set_up),
        cmocka_unit_test_setup(test_white_space_around_it, set_up),
        cmocka_unit_test_setup(test_the_longest_path, set_up),
        cmocka_unit_test_setup(test_multiplexing, set_up),
        cmocka_unit_test_setup(test_certificate, set_up),
        cmocka_unit_test_setup(test_junk_where_a_certificate_could_be, set_up),
        cmocka_unit_test_setup(test_other_text, set_up),
        cmocka_unit_test_setup(test_versions, set_up),
        cmocka_unit_test_setup(test_networks_and_protocols, set_up),
        cmocka_unit_test_setup(test_addresses, set_up),
        cmocka_unit_test_setup(test_of_packer, set_up),
        cmocka_unit_test_setup(test_what_is_shown_is_bounded_and_printable, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
