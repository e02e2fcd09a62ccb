/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_tls.c: TLS and client certificates, against `openssl s_server` and certificates made for the run. */
#include "http_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

static char folder[64];

/* ---- certificates ---- */

/* Two authorities; a server and a client of the first, a client of the second. */
static const char make_certificates[] =
    "set -e; cd \"$1\"; exec >log 2>&1\n"
    "make() { name=$1; shift; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    "  -subj \"/CN=$name\" -keyout $name.key -out $name.pem \"$@\"; }\n"
    "make ca -addext keyUsage=critical,keyCertSign\n"
    "make other -addext keyUsage=critical,keyCertSign\n"
    "of() { echo -CA $1.pem -CAkey $1.key -addext basicConstraints=critical,CA:FALSE; }\n"
    "make server $(of ca) -addext subjectAltName=IP:127.0.0.1\n"
    "make client $(of ca) -addext extendedKeyUsage=clientAuth\n"
    "make stranger $(of other) -addext extendedKeyUsage=clientAuth\n"
    "cat client.pem client.key > both.pem\n"
    "dd if=/dev/zero of=large bs=1M count=0 seek=64\n";

static int run(const char *script)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char name[] = "sh";
    char *text = strdup(script);
    char *const argv[] = {shell, option, text, name, folder, NULL};
    int status = -1;
    pid_t pid;

    if (posix_spawn(&pid, shell, NULL, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    free(text);
    return status;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/gantry-http-tls-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    return run(make_certificates);
}

static int remove_folder(void **state)
{
    (void)state;
    return run("rm -r \"$1\"");
}

/* ---- the server: pages and files of the folder ---- */

static struct {
    pid_t pid;
    int output;
    int port;
} tls;

#define WANTS_CERTIFICATE "-CAfile ca.pem -Verify 1 -verify_return_error -www"

static void start_tls(const char *options)
{
    char command[512];
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char *const argv[] = {shell, option, command, NULL};
    posix_spawn_file_actions_t actions;
    char line[256] = "";
    int output[2];
    FILE *lines;

    snprintf(command, sizeof command,
             "cd %s && exec openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key %s", folder, options);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&tls.pid, shell, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(output[1]);
    lines = fdopen(output[0], "r");
    tls.port = 0;
    while (tls.port == 0 && fgets(line, sizeof line, lines) != NULL)
        sscanf(line, "ACCEPT 127.0.0.1:%d", &tls.port);
    tls.output = dup(output[0]); /* the pipe is to stay open, or the server would end */
    fclose(lines);
    if (tls.port == 0)
        fail_msg("openssl s_server %s does not serve: %s", options, line);
}

static void stop_tls(void)
{
    kill(tls.pid, SIGKILL);
    waitpid(tls.pid, NULL, 0);
    close(tls.output);
}

static int set_up_loop(void **state)
{
    (void)state;
    return gantry_loop_new(&loop, &err);
}

static int tear_down_loop(void **state)
{
    (void)state;
    gantry_http_free(client);
    client = NULL;
    gantry_loop_free(loop);
    loop = NULL;
    return 0;
}

/* ---- requests ---- */

/* A name in the folder; a few may be in use at once. */
static const char *in_folder(const char *name)
{
    static char paths[4][96];
    static int next;
    char *path = paths[next++ % 4];

    if (name == NULL)
        return NULL;
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void new_tls_client(const char *host, const char *ca, const char *cert, const char *key, bool verify)
{
    char url[64];
    struct gantry_http_endpoint endpoint = {.url = url,
                                            .ca_file = in_folder(ca),
                                            .cert_file = in_folder(cert),
                                            .key_file = in_folder(key),
                                            .verify = verify};

    snprintf(url, sizeof url, "https://%s:%d", host, tls.port);
    gantry_http_free(client);
    new_client(&endpoint);
}

static void expect_answer(void)
{
    struct answer answer = {0};

    get(&answer, "/");
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.text, "s_server"));
}

static void expect_tls_failure(const char *code, const char *words)
{
    struct answer answer = {0};

    get(&answer, "/");
    finish(&answer);
    assert_failed(&answer, code);
    assert_int_equal(answer.headers, 0);
    if (strstr(answer.error.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", answer.error.message, words);
}

static void test_client_certificate(void **state)
{
    (void)state;
    start_tls(WANTS_CERTIFICATE);
    new_tls_client("127.0.0.1", "ca.pem", "client.pem", "client.key", true);
    expect_answer();
    expect_answer();
    new_tls_client("127.0.0.1", "ca.pem", "both.pem", NULL, true);
    expect_answer();
    stop_tls();
}

static void check_refusals(const char *code)
{
    new_tls_client("127.0.0.1", "ca.pem", NULL, NULL, true);
    expect_tls_failure(code, "no certificate");
    new_tls_client("127.0.0.1", "ca.pem", "stranger.pem", "stranger.key", true);
    expect_tls_failure(code, "stranger.pem");
    new_tls_client("127.0.0.1", "ca.pem", "client.pem", "client.key", true);
    expect_answer();
}

static void test_certificate_that_the_server_refuses(void **state)
{
    (void)state;
    start_tls(WANTS_CERTIFICATE " -tls1_3");
    check_refusals("HTTP_TLS_REFUSED");
    stop_tls();
    start_tls(WANTS_CERTIFICATE " -tls1_2");
    check_refusals("HTTP_TLS_FAILED");
    stop_tls();
}

static void test_server_that_is_not_trusted(void **state)
{
    (void)state;
    start_tls("-www");
    new_tls_client("127.0.0.1", "other.pem", NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_UNTRUSTED", "certificate");
    new_tls_client("127.0.0.1", NULL, NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_UNTRUSTED", "certificate");
    new_tls_client("localhost", "ca.pem", NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_NAME", "localhost");
    new_tls_client("localhost", "other.pem", NULL, NULL, false);
    expect_answer();
    new_tls_client("127.0.0.1", "ca.pem", NULL, NULL, true);
    expect_answer();
    stop_tls();
}

static void test_files_that_cannot_be_used(void **state)
{
    (void)state;
    start_tls("-www");
    new_tls_client("127.0.0.1", "none.pem", NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_FILE", "none.pem");
    new_tls_client("127.0.0.1", "ca.pem", "none.pem", "client.key", true);
    expect_tls_failure("HTTP_TLS_FILE", "none.pem");
    new_tls_client("127.0.0.1", "ca.pem", "client.pem", "none.key", true);
    expect_tls_failure("HTTP_TLS_FILE", "none.key");
    new_tls_client("127.0.0.1", "ca.pem", "client.pem", "server.key", true);
    expect_tls_failure("HTTP_TLS_FILE", "client.pem");
    stop_tls();
}

static void test_old_protocol(void **state)
{
    (void)state;
    start_tls("-www -tls1_1 -cipher ALL:@SECLEVEL=0");
    new_tls_client("127.0.0.1", "ca.pem", NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_FAILED", "TLS");
    stop_tls();
}

static void test_server_without_tls(void **state)
{
    (void)state;
    start_server(true);
    tls.port = server.port;
    new_tls_client("127.0.0.1", "ca.pem", NULL, NULL, true);
    expect_tls_failure("HTTP_TLS_FAILED", "TLS");
    gantry_http_free(client);
    client = NULL;
    stop_server();
}

static void test_large_file(void **state)
{
    struct answer answer = {0};
    int64_t begin = gantry_clock_ns();

    (void)state;
    start_tls("-CAfile ca.pem -Verify 1 -verify_return_error -WWW");
    new_tls_client("127.0.0.1", "ca.pem", "client.pem", "client.key", true);
    stream(&answer, "/large");
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.bytes, 64 * MIB);
    print_message("TLS: %.0f MB/s\n", (double)answer.bytes / (double)(gantry_clock_ns() - begin) * 1e3);
    stop_tls();
}

/* What is left of the connection then ends without the loop, and without a signal where the server is gone as well. */
static void test_free_in_flight(void **state)
{
    struct answer answers[2] = {0};

    (void)state;
    start_tls("-WWW");
    new_tls_client("127.0.0.1", "ca.pem", NULL, NULL, true);
    stream(&answers[0], "/large");
    gantry_loop_step(loop, STEP_MS, &err);
    gantry_http_cancel(answers[0].request); /* in the handshake */
    stream(&answers[1], "/large");
    while (answers[1].pieces == 0)
        step();
    stop_tls();
    gantry_http_free(client);
    client = NULL;
    assert_int_equal(answers[0].done + answers[1].done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client_certificate, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_certificate_that_the_server_refuses, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_server_that_is_not_trusted, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_files_that_cannot_be_used, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_old_protocol, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_server_without_tls, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_large_file, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(test_free_in_flight, set_up_loop, tear_down_loop),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
