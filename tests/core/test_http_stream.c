/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_stream.c: streamed bodies, many at once, and what a callback may do. */
#include "http_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>

#define STREAMS 300
#define TIMEOUT_MS 1500 /* long enough for a first piece on a machine that has much else to do */

/* ---- streams ---- */

static void test_headers_come_before_any_data(void **state)
{
    struct answer answer = {0};

    (void)state;
    start(&answer, (struct gantry_http_options){.method = "POST", .path = "/attach?stream=1", .on_data = note_piece});
    while (answer.headers == 0)
        step();
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.fields, ";content-type=application/vnd.docker.raw-stream;");
    assert_int_equal(answer.pieces + answer.done, 0);
    sem_post(&server.gate); /* not before: the server has sent no byte of the body */
    finish(&answer);
    assert_fine(&answer);
    assert_string_equal(answer.text, "attached");
}

static void test_chunks_are_joined(void **state)
{
    struct answer answer = {0};

    (void)state;
    stream(&answer, "/chunked");
    finish(&answer);
    assert_fine(&answer);
    assert_string_equal(answer.text, "abcdefgh");
    assert_int_equal(answer.pieces, 1);
}

static void test_piece_before_the_connection_is_lost(void **state)
{
    struct answer answer = {0};

    (void)state;
    stream(&answer, "/cut/sized");
    finish(&answer);
    assert_failed(&answer, "HTTP_FAILED");
    assert_string_equal(answer.text, "only this");
}

static void test_many_streams_beside_short_requests(void **state)
{
    static struct answer answers[STREAMS];

    (void)state;
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < STREAMS; i++)
        stream(&answers[i], "/attach");
    for (int i = 0; i < STREAMS; i++)
        while (answers[i].headers == 0)
            step();
    for (int i = 0; i < 10; i++) {
        struct answer answer = {0};

        get(&answer, "/hello");
        finish(&answer);
        assert_fine(&answer);
    }
    assert_int_equal(accepted(), STREAMS + 1); /* the short ones share a connection */
    for (int i = 0; i < STREAMS; i++)
        sem_post(&server.gate);
    for (int i = 0; i < STREAMS; i++) {
        finish(&answers[i]);
        assert_fine(&answers[i]);
        assert_int_equal(answers[i].bytes, 8);
    }
}

/* ---- a flood ---- */

static bool is_slow(void) /* under valgrind or a sanitizer, which the build and the environment tell */
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#else
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;
#endif
}

static long most_memory_kib(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

static void check_pattern(void *data, const char *bytes, size_t size)
{
    struct answer *answer = data;

    for (size_t i = 0; i < size; i += 4093) /* a sample: the test is to be no slower than what it tests */
        if ((unsigned char)bytes[i] != (answer->bytes + i) % MIB % 251)
            fail_msg("byte %zu is wrong", answer->bytes + i);
    answer->bytes += size;
    answer->pieces++;
}

static void flood_through(const char *path, long mebibytes)
{
    struct answer answer = {0};
    long before = most_memory_kib();
    int64_t begin = gantry_clock_ns();
    double seconds;

    start(&answer, (struct gantry_http_options){.path = path, .on_data = check_pattern});
    finish(&answer);
    assert_fine(&answer);
    assert_int_equal(answer.bytes, mebibytes * MIB);
    seconds = (double)(gantry_clock_ns() - begin) / 1e9;
    print_message("%s: %.0f MB/s in pieces of %zu KiB, memory grew by %ld KiB\n", path,
                  (double)answer.bytes / seconds / 1e6, answer.bytes / (size_t)answer.pieces / 1024,
                  most_memory_kib() - before);
    if (!is_slow())
        assert_true(most_memory_kib() - before < 16 * 1024);
}

static void test_flood(void **state)
{
    (void)state;
    flood_through(is_slow() ? "/flood/16" : "/flood/256", is_slow() ? 16 : 256);
}

static void test_flood_with_length(void **state)
{
    (void)state;
    flood_through(is_slow() ? "/sized/16" : "/sized/256", is_slow() ? 16 : 256);
}

/* ---- pause ---- */

static void pause_it(struct answer *answer)
{
    gantry_http_pause(answer->request, true);
}

static void test_pause_holds_the_sender(void **state)
{
    struct answer answer = {.at_piece = pause_it};
    struct answer other = {0};
    size_t before;

    (void)state;
    stream(&answer, "/flood/32");
    while (answer.pieces == 0)
        step();
    before = answer.bytes;
    for (int i = 0; i < 200; i++) {
        other = (struct answer){0};
        get(&other, "/hello"); /* goes on */
        finish(&other);
    }
    assert_int_equal(answer.bytes, before);
    assert_int_equal(gantry_loop_step(loop, 0, &err), 0); /* a paused stream costs nothing */
    while (answer.done == 0) {
        gantry_http_pause(answer.request, false);
        step();
    }
    assert_fine(&answer);
    assert_int_equal(answer.bytes, 32 * MIB);
}

static void test_pause_holds_back_the_end(void **state)
{
    struct answer answer = {0};

    (void)state;
    stream(&answer, "/hello");
    gantry_http_pause(answer.request, true);
    while (answer.headers == 0)
        step();
    while (gantry_loop_step(loop, 50, &err) > 0)
        ;
    assert_int_equal(answer.pieces + answer.done, 0);
    gantry_http_pause(answer.request, false);
    assert_int_equal(answer.pieces + answer.done, 0);
    finish(&answer);
    assert_string_equal(answer.text, "hello");
}

static void test_resume_survives_what_else_sets_the_timer(void **state)
{
    struct answer answers[2] = {0};

    (void)state;
    stream(&answers[0], "/hello");
    gantry_http_pause(answers[0].request, true);
    while (answers[0].headers == 0)
        step();
    while (gantry_loop_step(loop, 50, &err) > 0)
        ;
    gantry_http_pause(answers[0].request, false);
    get(&answers[1], "/hang");
    gantry_http_cancel(answers[1].request); /* libcurl has nothing to wait for any more */
    finish(&answers[0]);
    assert_int_equal(answers[1].done, 0);
}

static void test_paused_request_times_out_when_it_goes_on(void **state)
{
    int64_t over = gantry_clock_ns() + 2 * TIMEOUT_MS * INT64_C(1000000);
    struct answer answer = {.at_piece = pause_it};

    (void)state;
    start(&answer, (struct gantry_http_options){.path = "/endless", .on_data = note_piece, .timeout_ms = TIMEOUT_MS});
    while (answer.pieces == 0)
        step();
    while (gantry_clock_ns() < over)
        assert_true(gantry_loop_step(loop, TIMEOUT_MS, &err) >= 0);
    assert_int_equal(answer.done, 0);
    gantry_http_pause(answer.request, false);
    finish(&answer);
    assert_failed(&answer, "HTTP_TIMEOUT");
}

/* ---- what a callback may do ---- */

static void cancel_it(struct answer *answer)
{
    gantry_http_cancel(answer->request);
}

static void free_client(struct answer *answer)
{
    (void)answer;
    gantry_http_free(client);
    client = NULL;
}

static void free_loop_too(struct answer *answer)
{
    free_client(answer);
    gantry_loop_free(loop);
    loop = NULL;
}

static void start_another(struct answer *answer)
{
    answer->at_done = NULL;
    get(answer, "/hello");
}

enum place { AT_HEADERS, AT_PIECE, AT_DONE };

/* Runs until `action` was done in a callback of the kind `place`, and sees that nothing comes afterwards. */
static void act_in(enum place place, void (*action)(struct answer *answer))
{
    struct answer answer = {0};
    struct answer beside = {0};
    void (**const actions[])(struct answer *) = {&answer.at_headers, &answer.at_piece, &answer.at_done};
    const int *const counts[] = {&answer.headers, &answer.pieces, &answer.done};
    const int *count = counts[place];

    *actions[place] = action;
    stream(&beside, "/endless");
    stream(&answer, place == AT_DONE ? "/cut/sized" : "/endless");
    while (*count == 0)
        step();
    while (loop != NULL && gantry_loop_step(loop, 20, &err) > 0)
        ;
    assert_int_equal(answer.headers, 1);
    assert_int_equal(answer.pieces, place == AT_HEADERS ? 0 : 1);
    assert_int_equal(answer.done, place == AT_DONE ? 1 : 0);
    assert_int_equal(beside.done, 0);
    if (client != NULL)
        gantry_http_free(client);
    client = NULL;
}

static void act_everywhere(void (*action)(struct answer *answer))
{
    for (enum place place = AT_HEADERS; place <= AT_DONE; place++) {
        act_in(place, action);
        if (loop == NULL)
            assert_int_equal(gantry_loop_new(&loop, &err), 0);
        new_client(&(struct gantry_http_endpoint){.url = "http://engine", .unix_socket = server.socket});
    }
}

static void test_cancel_in_a_callback(void **state)
{
    (void)state;
    act_everywhere(cancel_it);
}

static void test_free_client_in_a_callback(void **state)
{
    (void)state;
    act_everywhere(free_client);
}

static void test_free_loop_in_a_callback(void **state)
{
    (void)state;
    act_everywhere(free_loop_too);
}

static struct answer pair[2];

static void cancel_the_other(struct answer *answer)
{
    gantry_http_cancel(pair[answer == &pair[0]].request);
}

static void test_cancel_another_that_is_ready(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        pair[i] = (struct answer){.at_done = cancel_the_other};
        start(&pair[i], (struct gantry_http_options){.path = "/hang", .timeout_ms = 50});
    }
    while (pair[0].done + pair[1].done == 0) /* both time out at the same moment */
        step();
    while (gantry_loop_step(loop, 100, &err) > 0)
        ;
    assert_int_equal(pair[0].done + pair[1].done, 1);
}

static void test_start_in_a_callback(void **state)
{
    struct answer answer = {.at_done = start_another};

    (void)state;
    get(&answer, "/hello");
    while (answer.done < 2)
        step();
    assert_int_equal(accepted(), 1);
}

static void test_cancel_before_anything(void **state)
{
    struct answer answer = {0};

    (void)state;
    get(&answer, "/hello");
    gantry_http_cancel(answer.request);
    while (gantry_loop_step(loop, 20, &err) > 0)
        ;
    assert_int_equal(answer.headers + answer.done, 0);
    assert_int_equal(accepted(), 0);
}

static void test_free_with_requests_in_flight(void **state)
{
    struct answer answers[4] = {0};

    (void)state;
    stream(&answers[0], "/endless");
    stream(&answers[1], "/flood/64");
    get(&answers[2], "/hang");
    while (answers[0].pieces == 0 || answers[1].pieces == 0)
        step();
    get(&answers[3], "/hello");
    gantry_http_free(client);
    client = NULL;
    assert_int_equal(gantry_loop_step(loop, 20, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(answers[i].done, 0);
}

/* ---- descriptors ---- */

static void test_connections_are_not_inherited(void **state)
{
    struct answer answer = {0};
    DIR *folder;
    int sockets = 0;

    (void)state;
    stream(&answer, "/endless");
    while (answer.headers == 0)
        step();
    folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct sockaddr_un peer = {0};
        socklen_t length = sizeof peer;
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 || strcmp(peer.sun_path, server.socket) != 0)
            continue;
        sockets++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    closedir(folder);
    assert_int_equal(sockets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_headers_come_before_any_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers_come_before_any_data, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_chunks_are_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_piece_before_the_connection_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_streams_beside_short_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flood, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_flood_with_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pause_holds_the_sender, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pause_holds_back_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume_survives_what_else_sets_the_timer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paused_request_times_out_when_it_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_in_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_client_in_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_loop_in_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_another_that_is_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_start_in_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_before_anything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_with_requests_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connections_are_not_inherited, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
