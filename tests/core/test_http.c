/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http.c: requests and whole answers: what is sent, what comes back, and each way to fail. */
#include "http_fixture.h"

#include <sys/resource.h>

/* ---- what is sent ---- */

static void test_get(void **state)
{
    struct answer answer = {0};

    (void)state;
    get(&answer, "/hello?a=b%20c");
    assert_int_equal(answer.done + answer.headers, 0);
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.headers, 1);
    assert_int_equal(answer.done, 1);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.text, "hello");
}

static void test_request_as_sent(void **state)
{
    const char *const headers[] = {"Content-Type: application/json", "X-Mine: 1", NULL};
    struct answer answer = {0};

    (void)state;
    start(&answer, (struct gantry_http_options){
                       .method = "POST", .path = "/echo/../x?q=1", .headers = headers, .body = "{\0}", .body_size = 3});
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(strncmp(answer.text, "POST /echo/../x?q=1 HTTP/1.1\r\n", 30), 0);
    assert_non_null(strstr(answer.text, "\r\nHost: engine\r\n"));
    assert_non_null(strstr(answer.text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(answer.text, "\r\nX-Mine: 1\r\n"));
    assert_non_null(strstr(answer.text, "\r\nContent-Length: 3\r\n"));
    assert_null(strstr(answer.text, "urlencoded"));
    assert_memory_equal(answer.text + answer.bytes - 3, "{\0}", 3);
}

static void test_post_without_body(void **state)
{
    struct answer answer = {0};

    (void)state;
    start(&answer, (struct gantry_http_options){.method = "POST", .path = "/echo"});
    finish(&answer);
    assert_fine(&answer);
    assert_non_null(strstr(answer.text, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(answer.text, "Content-Type"));
    assert_null(strstr(answer.text, "Expect"));
}

static void test_large_body_is_sent_at_once(void **state)
{
    char *body = malloc(60000);
    struct answer answer = {0};

    (void)state;
    memset(body, 'x', 60000);
    start(&answer, (struct gantry_http_options){.method = "PUT", .path = "/echo", .body = body, .body_size = 60000});
    free(body); /* it is copied */
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(strncmp(answer.text, "PUT ", 4), 0);
    assert_null(strstr(answer.text, "Expect"));
    assert_true(answer.bytes > 60000);
}

static void test_other_methods(void **state)
{
    struct answer answers[2] = {0};

    (void)state;
    start(&answers[0], (struct gantry_http_options){.method = "DELETE", .path = "/echo"});
    finish(&answers[0]);
    assert_int_equal(strncmp(answers[0].text, "DELETE /echo HTTP/1.1\r\n", 23), 0);
    assert_null(strstr(answers[0].text, "Content-Length"));
    start(&answers[1], (struct gantry_http_options){.method = "HEAD", .path = "/nothing"});
    finish(&answers[1]);
    assert_fine(&answers[1]);
    assert_int_equal(answers[1].status, 204);
}

static void test_what_cannot_be_sent(void **state)
{
    const char *const split[] = {"X-A: 1\r\nX-B: 2", NULL};
    const char *const nameless[] = {": 1", NULL};
    const struct gantry_http_options bad[] = {
        {.method = "GET", .path = "hello"},
        {.method = "GET", .path = "/a b"},
        {.method = "GET", .path = "/a\r\nX: y"},
        {.method = "get it", .path = "/"},
        {.method = "GET", .path = "/", .headers = split},
        {.method = "GET", .path = "/", .headers = nameless},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gantry_http_request *request = NULL;

        assert_true(gantry_http_request(client, &bad[i], &request, &err) < 0);
        assert_string_equal(err.code, "HTTP_REQUEST_INVALID");
        assert_null(request);
    }
}

/* ---- what comes back ---- */

static void test_any_status_is_an_answer(void **state)
{
    struct answer answer = {0};

    (void)state;
    get(&answer, "/status/409");
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.status, 409);
    assert_string_equal(answer.text, "why");
}

static void test_headers_are_lower_case_and_trimmed(void **state)
{
    struct answer answer = {0};

    (void)state;
    get(&answer, "/chunked");
    finish(&answer);
    assert_string_equal(answer.fields, ";transfer-encoding=chunked;x-odd=two words;");
    assert_string_equal(answer.text, "abcdefgh");
}

static void test_interim_answer_is_passed_over(void **state)
{
    struct answer answer = {0};

    (void)state;
    get(&answer, "/interim");
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.headers, 1);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.fields, ";content-length=5;x-page=sized;");
}

static void test_body_without_length(void **state)
{
    struct answer answer = {0};

    (void)state;
    sem_post(&server.gate);
    get(&answer, "/attach");
    finish(&answer);
    assert_fine(&answer);
    assert_string_equal(answer.text, "attached");
}

static void test_limit(void **state)
{
    struct answer answer = {0};

    (void)state;
    start(&answer, (struct gantry_http_options){.path = "/sized/2", .limit = 2 * MIB});
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.bytes, 2 * MIB);
    answer = (struct answer){0};
    start(&answer, (struct gantry_http_options){.path = "/sized/2", .limit = 2 * MIB - 1});
    finish(&answer);
    assert_failed(&answer, "RESPONSE_TOO_LARGE");
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.bytes, 0);
    answer = (struct answer){0};
    get(&answer, "/headers");
    finish(&answer);
    assert_true(answer.failed); /* libcurl has a bound of its own in some versions */
}

static void headers_of_no_kind_come_without_end(void **state)
{
    static const char *const paths[] = {"/announce", "/trailers", "/many"};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer answer = {0};

        get(&answer, paths[i]);
        finish(&answer);
        assert_true(answer.failed);
    }
}

/* ---- failures ---- */

static void expect_failure(const char *path, const char *code)
{
    struct answer answer = {0};

    get(&answer, path);
    finish(&answer);
    assert_failed(&answer, code);
    assert_int_equal(answer.done, 1);
}

static void test_lost_connections(void **state)
{
    struct answer answer = {0};

    (void)state;
    expect_failure("/cut/head", "HTTP_FAILED");
    expect_failure("/cut/sized", "HTTP_FAILED");
    expect_failure("/cut/chunked", "HTTP_FAILED");
    expect_failure("/cut/headers", "HTTP_FAILED");
    expect_failure("/cut/interim", "HTTP_FAILED");
    expect_failure("/drop", "HTTP_FAILED");
    expect_failure("/garbage", "HTTP_FAILED");
    get(&answer, "/hello"); /* the client goes on */
    finish(&answer);
    assert_fine(&answer);
}

static void test_stale_connection_is_replaced(void **state)
{
    struct answer answers[2] = {0};

    (void)state;
    get(&answers[0], "/hello");
    finish(&answers[0]);
    expect_failure("/drop", "HTTP_FAILED"); /* on the same connection, and once more on a new one */
    get(&answers[1], "/hello");
    finish(&answers[1]);
    assert_fine(&answers[1]);
}

static void test_timeout(void **state)
{
    struct answer answer = {0};
    int64_t begin = gantry_clock_ns();

    (void)state;
    start(&answer, (struct gantry_http_options){.path = "/hang", .timeout_ms = 100});
    finish(&answer);
    assert_failed(&answer, "HTTP_TIMEOUT");
    assert_non_null(strstr(answer.error.message, "/hang"));
    assert_true(gantry_clock_ns() - begin >= 99000000);
    answer = (struct answer){0};
    start(&answer, (struct gantry_http_options){.path = "/endless", .timeout_ms = 100});
    finish(&answer);
    assert_failed(&answer, "HTTP_TIMEOUT");
    assert_int_equal(answer.headers, 1);
}

static void use_socket(const char *path)
{
    struct gantry_http_endpoint endpoint = {.url = "http://engine", .unix_socket = path, .verify = true};

    gantry_http_free(client);
    new_client(&endpoint);
}

static void expect_os_error(int os_error)
{
    struct answer answer = {0};

    get(&answer, "/hello");
    assert_int_equal(answer.done, 0);
    finish(&answer);
    assert_failed(&answer, "HTTP_CONNECT_FAILED");
    assert_int_equal(answer.error.os_error, os_error);
    assert_int_equal(answer.headers, 0);
    assert_int_equal(answer.status, 0);
}

static void test_no_unix_socket(void **state)
{
    char path[128];
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/none", server.directory);
    use_socket(path);
    expect_os_error(ENOENT);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    {
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        memcpy(address.sun_path, path, strlen(path) + 1);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    }
    expect_os_error(ECONNREFUSED);
    close(fd);
    unlink(path);
}

static void test_forbidden_unix_socket(void **state)
{
    (void)state;
    if (geteuid() == 0 && seteuid(65534) != 0)
        skip();
    use_socket("/root/../proc/1/cwd/socket"); /* not to be searched by others */
    expect_os_error(EACCES);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

static void test_socket_path_too_long(void **state)
{
    char path[200] = "/tmp/";
    struct gantry_http_endpoint endpoint = {.url = "http://engine", .unix_socket = path, .verify = true};
    struct gantry_http *none = NULL;

    (void)state;
    memset(path + 5, 'x', 103);
    assert_true(gantry_http_new(loop, &endpoint, &none, &err) < 0);
    assert_string_equal(err.code, "SOCKET_PATH_TOO_LONG");
    assert_null(none);
    path[107] = '\0';
    use_socket(path);
    expect_os_error(ENOENT);
}

static void test_full_queue(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct answer answers[6] = {0};
    int turned_away = 0;

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/full", server.directory);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0); /* and never accepts */
    use_socket(address.sun_path);
    for (int i = 0; i < 6; i++)
        start(&answers[i], (struct gantry_http_options){.path = "/hello", .timeout_ms = 1000});
    for (int i = 0; i < 6; i++) {
        finish(&answers[i]);
        if (strcmp(answers[i].error.code, "HTTP_CONNECT_FAILED") == 0) {
            assert_int_equal(answers[i].error.os_error, EAGAIN);
            turned_away++;
        } else {
            assert_failed(&answers[i], "HTTP_TIMEOUT");
        }
    }
    assert_true(turned_away >= 1);
    close(fd);
    unlink(address.sun_path);
}

static void test_refused_tcp(void **state)
{
    struct gantry_http_endpoint endpoint = {.verify = true};
    char url[64];

    (void)state;
    gantry_http_free(client);
    shutdown(server.fd, SHUT_RDWR); /* the port is no longer listened to, but still taken */
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    endpoint.url = url;
    new_client(&endpoint);
    expect_os_error(ECONNREFUSED);
}

/* ---- cost ---- */

static void test_connection_is_reused(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct answer answer = {0};

        get(&answer, i % 2 == 0 ? "/hello" : "/chunked");
        finish(&answer);
        assert_fine(&answer);
    }
    assert_int_equal(accepted(), 1);
}

static double cpu_ms(void)
{
    struct rusage used;

    getrusage(RUSAGE_THREAD, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static void test_cost_of_a_short_request(void **state)
{
    const int count = 1000;
    double begin = cpu_ms();

    (void)state;
    for (int i = 0; i < count; i++) {
        struct answer answer = {0};

        get(&answer, "/hello");
        finish(&answer);
        assert_fine(&answer);
    }
    print_message("a short request takes %.3f ms of CPU\n", (cpu_ms() - begin) / count);
    assert_int_equal(accepted(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_of_no_kind_come_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_request_as_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_post_without_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_body_is_sent_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_status_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers_are_lower_case_and_trimmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interim_answer_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_body_without_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_connections, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_connection_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_unix_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forbidden_unix_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_path_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_tcp, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_is_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cost_of_a_short_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cost_of_a_short_request, set_up_tcp, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
