/* SPDX-License-Identifier: Apache-2.0
 *
 * test_host_kind.c: what is wanted of a policy that is executed, by variables that may be inherited and by arguments.
 */
#include "face/host_kind.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int tear_down(void **state)
{
    (void)state;
    unsetenv("PLUGIN_MIN_PORT");
    unsetenv("PLUGIN_PROTOCOL_VERSIONS");
    unsetenv("PACKER_PLUGIN_MAGIC_COOKIE");
    return 0;
}

/* The kind for the words of a command line, while standard output is `output`. */
static enum gantry_host_kind kind_of(const char *words, int output)
{
    int before = dup(STDOUT_FILENO);
    char *arguments[8] = {NULL};
    enum gantry_host_kind kind;
    char text[128];
    size_t count = 0;
    char *rest;

    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    fflush(stdout);
    dup2(output, STDOUT_FILENO);
    kind = gantry_host_kind_find(arguments);
    dup2(before, STDOUT_FILENO);
    close(before);
    return kind;
}

#define assert_kind(words, output, kind)                                                                               \
    assert_string_equal(gantry_host_kind_name(kind_of(words, output)), gantry_host_kind_name(kind))

static void test_kinds(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int terminal;
    int other;

    (void)state;
    assert_int_equal(openpty(&other, &terminal, NULL, NULL, NULL), 0);
    assert_kind("", nowhere, GANTRY_HOST_NONE);
    assert_kind("describe", nowhere, GANTRY_HOST_ASKS);
    assert_kind("start builder x", nowhere, GANTRY_HOST_ASKS);
    assert_kind("describe", terminal, GANTRY_HOST_NONE);

    setenv("PLUGIN_PROTOCOL_VERSIONS", "5", 1);
    assert_kind("", nowhere, GANTRY_HOST_GO_PLUGIN);
    assert_kind("", terminal, GANTRY_HOST_GO_PLUGIN);
    assert_kind("-debug", nowhere, GANTRY_HOST_GO_PLUGIN);
    unsetenv("PLUGIN_PROTOCOL_VERSIONS");
    setenv("PLUGIN_MIN_PORT", "1", 1);
    assert_kind("", nowhere, GANTRY_HOST_GO_PLUGIN);

    /* A plugin for Packer runs a go-plugin host, or the other way round. */
    setenv("PACKER_PLUGIN_MAGIC_COOKIE", "x", 1);
    assert_kind("", nowhere, GANTRY_HOST_GO_PLUGIN);
    assert_kind("start builder x", nowhere, GANTRY_HOST_PACKER);

    unsetenv("PLUGIN_MIN_PORT");
    assert_kind("", nowhere, GANTRY_HOST_PACKER);
    assert_kind("start builder x --protobuf", terminal, GANTRY_HOST_PACKER);
    assert_kind("--protobuf start builder x", nowhere, GANTRY_HOST_PACKER);
    assert_kind("describe", nowhere, GANTRY_HOST_ASKS);
    assert_kind("describe", terminal, GANTRY_HOST_NONE);
    assert_kind("--protobuf", nowhere, GANTRY_HOST_ASKS);
    close(nowhere);
    close(terminal);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_kinds, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
