/* SPDX-License-Identifier: Apache-2.0
 *
 * test_control.c: the control server against a client that writes bytes on a socket. */
#include "core/control/control.h"

#include <arpa/inet.h>
#include <errno.h>
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

#define STEPS 2000 /* of 10 ms at most, each */
#define PLACES 8

static char path[108];
static struct gantry_loop *loop;
static struct gantry_error err;

static struct {
    struct gantry_control *control;
    struct gantry_control_request *request; /* the last that came, not yet given back */
    int client;
    char answer[4096];
    size_t size;
} test;

static void keep(void *data, struct gantry_control_request *request)
{
    (void)data;
    test.request = request;
}

static void connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, sizeof path);
    test.client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(0, connect(test.client, (const struct sockaddr *)&address, sizeof address));
}

static int serve_to(gantry_control_fn *on_request, unsigned idle_seconds)
{
    struct gantry_control_options options = {
        .body_limit = 1000, .connections = PLACES, .idle_seconds = idle_seconds, .on_request = on_request};

    memset(&test, 0, sizeof test);
    snprintf(path, sizeof path, "/tmp/gantry-control-%d", getpid());
    if (gantry_loop_new(&loop, &err) < 0 || gantry_control_listen(path, 0660, (gid_t)-1, &options.fd, &err) < 0)
        return -1;
    if (gantry_control_open(loop, &options, &test.control, &err) < 0)
        return -1;
    connect_client();
    return 0;
}

static int serve(unsigned idle_seconds)
{
    return serve_to(keep, idle_seconds);
}

static int set_up(void **state)
{
    (void)state;
    return serve(30);
}

static int set_up_impatient(void **state)
{
    (void)state;
    return serve(1);
}

static int tear_down(void **state)
{
    (void)state;
    gantry_control_free(test.control);
    gantry_control_request_free(test.request);
    close(test.client);
    gantry_loop_free(loop);
    unlink(path);
    return 0;
}

static void send_text(const char *text)
{
    assert_int_equal(strlen(text), write(test.client, text, strlen(text)));
}

static void await_request(void)
{
    for (int i = 0; i < STEPS && test.request == NULL; i++)
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    assert_non_null(test.request);
}

/* Steps until the answer so far holds a text. */
static void await_answer(const char *text)
{
    for (int i = 0; i < STEPS && strstr(test.answer, text) == NULL; i++) {
        ssize_t size = read(test.client, test.answer + test.size, sizeof test.answer - 1 - test.size);

        if (size > 0)
            test.size += (size_t)size;
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    }
    assert_non_null(strstr(test.answer, text));
}

static void give_back(void)
{
    gantry_control_request_free(test.request);
    test.request = NULL;
}

static void test_whole_answer(void **state)
{
    size_t count;

    (void)state;
    send_text("POST /v1/a%20b?x=1%262&y HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    await_request();
    assert_string_equal("POST", gantry_control_request_method(test.request));
    assert_string_equal("/v1/a b", gantry_control_request_path(test.request));
    assert_string_equal("1&2", gantry_control_request_argument(test.request, "x"));
    assert_null(gantry_control_request_argument(test.request, "z"));
    assert_memory_equal("hello", gantry_control_request_body(test.request, &count), 5);
    assert_int_equal(5, count);
    gantry_control_request_answer(test.request, 201, "text/plain", "done", 4);
    gantry_control_request_answer(test.request, 500, "text/plain", "twice", 5);
    give_back();
    await_answer("\r\n\r\ndone");
    assert_non_null(strstr(test.answer, "HTTP/1.1 201"));
    /* The connection goes on. */
    send_text("GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
    give_back();
    await_answer("was not answered");
}

static void test_headers(void **state)
{
    (void)state;
    send_text("GET / HTTP/1.1\r\nHost: x\r\nX-One: a b\r\n\r\n");
    await_request();
    assert_string_equal("a b", gantry_control_request_header(test.request, "x-one"));
    assert_null(gantry_control_request_header(test.request, "X-Two"));
    gantry_control_request_add_header(test.request, "X-Three", "3");
    gantry_control_request_add_header(test.request, "X-Five", "5");
    gantry_control_request_answer(test.request, 200, "text/plain", "done", 4);
    give_back();
    await_answer("\r\n\r\ndone");
    assert_non_null(strstr(test.answer, "\r\nX-Three: 3\r\n"));
    assert_non_null(strstr(test.answer, "\r\nX-Five: 5\r\n"));
}

/* What cannot be a header is no reason to answer without it. */
static void test_invalid_header(void **state)
{
    (void)state;
    send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
    gantry_control_request_add_header(test.request, "X-Three", "3\r\nX-Four: 4");
    gantry_control_request_answer(test.request, 200, "text/plain", "done", 4);
    give_back();
    for (int i = 0; i < STEPS && read(test.client, test.answer, sizeof test.answer) < 0; i++)
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    assert_int_equal(0, read(test.client, test.answer, sizeof test.answer));
}

static void test_tcp(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    in_port_t port = 0;
    in_port_t same = 0;
    int second = -1;
    int fd = -1;

    (void)state;
    assert_int_equal(0, gantry_control_listen_tcp("127.0.0.1", 0, &fd, &port, &err));
    assert_int_not_equal(0, port);
    assert_int_equal(-1, gantry_control_listen_tcp("127.0.0.1", port, &second, &same, &err));
    assert_string_equal("CONTROL_BUSY", err.code);
    assert_int_equal(-1, gantry_control_listen_tcp("localhost", 0, &second, &same, &err));
    assert_string_equal("CONTROL_ADDRESS", err.code);
    close(test.client);
    test.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(0, connect(test.client, (const struct sockaddr *)&address, sizeof address));
    close(fd);
    assert_int_equal(-1, second);
}

static void test_certificate_that_is_none(void **state)
{
    struct gantry_control_options options = {.connections = 1, .on_request = keep, .certificate = "x", .key = "y"};
    struct gantry_control *control;
    in_port_t port;

    (void)state;
    assert_int_equal(0, gantry_control_listen_tcp("127.0.0.1", 0, &options.fd, &port, &err));
    assert_int_equal(-1, gantry_control_open(loop, &options, &control, &err));
    assert_string_equal("CONTROL_CERTIFICATE", err.code);
}

static void test_stream(void **state)
{
    (void)state;
    send_text("GET /s HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
    gantry_control_request_stream(test.request, 200, "text/plain");
    await_answer("HTTP/1.1 200");
    assert_int_equal(4, gantry_control_request_write(test.request, "one\n", 4));
    await_answer("one\n");
    assert_true(gantry_control_request_write(test.request, "two\n", 4) >= 4);
    give_back();
    await_answer("two\n\r\n0\r\n");
}

static int deliveries;

static void keep_and_write(void *data, struct gantry_control_request *request)
{
    deliveries++;
    assert_int_equal(-1, gantry_control_request_write(request, "x", 1));
    keep(data, request);
}

static int set_up_writer(void **state)
{
    (void)state;
    deliveries = 0;
    return serve_to(keep_and_write, 30);
}

/* Calls that make no sense at the time change nothing: a request comes once, and has one answer. */
static void test_calls_in_any_order(void **state)
{
    (void)state;
    send_text("GET /early HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
    for (int i = 0; i < 5; i++)
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    assert_int_equal(1, deliveries);
    gantry_control_request_stream(test.request, 200, "text/plain");
    gantry_control_request_answer(test.request, 404, "text/plain", "no", 2);
    gantry_control_request_stream(test.request, 404, "text/plain");
    assert_true(gantry_control_request_write(test.request, "yes", 3) >= 0);
    await_answer("yes");
    gantry_control_request_answer(test.request, 404, "text/plain", "no", 2);
    assert_non_null(strstr(test.answer, "200 OK"));
    assert_null(strstr(test.answer, "404"));
    give_back();
    await_answer("0\r\n\r\n");
    assert_int_equal(1, deliveries);
}

static void test_client_that_goes(void **state)
{
    ssize_t held = 0;

    (void)state;
    send_text("GET /s HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
    gantry_control_request_stream(test.request, 200, "text/plain");
    close(test.client);
    for (int i = 0; i < STEPS && held >= 0; i++) {
        held = gantry_control_request_write(test.request, "x", 1);
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    }
    assert_int_equal(-1, held);
    assert_null(gantry_control_request_argument(test.request, "x"));
    gantry_control_request_answer(test.request, 200, "text/plain", "late", 4);
    test.client = -1;
}

static void test_too_large(void **state)
{
    char text[1200];

    (void)state;
    memset(text, 'z', sizeof text);
    send_text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1200\r\n\r\n");
    assert_int_equal(sizeof text, write(test.client, text, sizeof text));
    await_answer("HTTP/1.1 413");
    assert_null(test.request);
}

static void test_garbage(void **state)
{
    (void)state;
    send_text("\x01\x02 nonsense\r\n\r\n");
    for (int i = 0; i < 20; i++)
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    assert_null(test.request);
    close(test.client);
    connect_client();
    send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
}

/* A byte now and then began the library's patience anew each time: such a client was never dropped. A request has its
 * time as a whole. */
static void test_client_that_dribbles(void **state)
{
    ssize_t size = -1;

    (void)state;
    send_text("GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < STEPS && size != 0 && (size > 0 || errno != ECONNRESET); i++) {
        (void)send(test.client, "x", 1, MSG_NOSIGNAL);
        assert_true(gantry_loop_step(loop, 10, &err) >= 0); /* takes the byte */
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
        size = read(test.client, test.answer, sizeof test.answer);
    }
    assert_true(size == 0 || errno == ECONNRESET);
    assert_null(test.request);
    close(test.client);
    connect_client();
    send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await_request();
}

/* A server whose places are all taken does not look at new clients; nor did it when they were free again, for the
 * library was not run then. A connection that ends has it run. */
static void test_more_clients_than_places(void **state)
{
    int others[PLACES];

    (void)state;
    for (int i = 0; i < PLACES; i++) {
        others[i] = test.client;
        send_text("GET /");
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
        connect_client();
    }
    send_text("GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 20; i++)
        assert_true(gantry_loop_step(loop, 10, &err) >= 0);
    assert_null(test.request);
    for (int i = 0; i < PLACES; i++)
        close(others[i]);
    await_request();
    assert_string_equal("/last", gantry_control_request_path(test.request));
}

static void test_socket(void **state)
{
    struct stat status;
    char long_path[200];
    int fd;

    (void)state;
    assert_int_equal(0, stat(path, &status));
    assert_int_equal(0660, status.st_mode & 07777);
    assert_int_equal(-1, gantry_control_listen(path, 0600, (gid_t)-1, &fd, &err));
    assert_string_equal("CONTROL_BUSY", err.code);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(-1, gantry_control_listen(long_path, 0600, (gid_t)-1, &fd, &err));
    assert_string_equal("SOCKET_PATH_TOO_LONG", err.code);
    /* What nobody serves is taken over. */
    gantry_control_free(test.control);
    test.control = NULL;
    assert_int_equal(0, gantry_control_listen(path, 0600, (gid_t)-1, &fd, &err));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_invalid_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_that_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls_in_any_order, set_up_writer, tear_down),
        cmocka_unit_test_setup_teardown(test_client_that_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_that_dribbles, set_up_impatient, tear_down),
        cmocka_unit_test_setup_teardown(test_more_clients_than_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
