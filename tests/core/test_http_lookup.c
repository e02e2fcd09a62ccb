/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_lookup.c: a name that is looked up for ever holds neither a step nor an end.
 *
 * The program's own getaddrinfo stands in front of the C library's and waits at a gate that opens when the tests are
 * over. Whoever waited for a lookup would never come back. */
#include "http_fixture.h"

#include <netdb.h>
#include <semaphore.h>

#define TICKS 20
#define TIMEOUT_MS 1500 /* long enough for a lookup to begin on a machine that has much else to do */

static sem_t gate;  /* one for each lookup that may end */
static sem_t began; /* one for each that has begun */
static sem_t over;

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict name, const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict result)
{
    (void)name, (void)service, (void)hints;
    *result = NULL;
    sem_post(&began);
    while (sem_wait(&gate) != 0)
        continue;
    sem_post(&over);
    return EAI_AGAIN;
}

/* ---- fixture ---- */

static struct gantry_timer *timer;
static int ticks;
static int lookups;

static void tick(void *data)
{
    (void)data;
    ticks++;
    gantry_timer_set(timer, 1000000);
}

static int open_client(void **state)
{
    const struct gantry_http_endpoint endpoint = {.url = "http://engine.example:2375", .verify = true};

    (void)state;
    ticks = 0;
    if (gantry_loop_new(&loop, &err) < 0 || gantry_timer_new(loop, tick, NULL, &timer, &err) < 0)
        return -1;
    gantry_timer_set(timer, 1000000);
    new_client(&endpoint);
    return 0;
}

static int close_loop(void **state)
{
    (void)state;
    gantry_timer_free(timer);
    gantry_loop_free(loop);
    return 0;
}

static int open_gate(void **state)
{
    (void)state;
    for (int i = 0; i < lookups; i++)
        sem_post(&gate);
    for (int i = 0; i < lookups; i++)
        sem_wait(&over);
    return 0;
}

/* Begins a request and comes back once its name is being looked up. */
static void begin(struct answer *answer, int64_t timeout_ms)
{
    memset(answer, 0, sizeof *answer);
    start(answer, (struct gantry_http_options){.path = "/_ping", .timeout_ms = timeout_ms});
    while (sem_trywait(&began) != 0) {
        assert_int_equal(answer->done, 0);
        step();
    }
    lookups++;
}

/* ---- tests ---- */

static void a_timeout_does_not_wait_for_it(void **state)
{
    struct answer answer;

    (void)state;
    begin(&answer, TIMEOUT_MS);
    finish(&answer);
    assert_failed(&answer, "HTTP_TIMEOUT");
    gantry_http_free(client);
}

static void timers_go_on_meanwhile(void **state)
{
    struct answer answer;

    (void)state;
    begin(&answer, 0);
    while (ticks < TICKS)
        step();
    assert_int_equal(answer.done, 0);
    gantry_http_cancel(answer.request);
    gantry_http_free(client);
}

static void the_end_of_a_client_does_not_wait_for_it(void **state)
{
    struct answer answers[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        begin(&answers[i], 0);
    gantry_http_free(client);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_timeout_does_not_wait_for_it, open_client, close_loop),
        cmocka_unit_test_setup_teardown(timers_go_on_meanwhile, open_client, close_loop),
        cmocka_unit_test_setup_teardown(the_end_of_a_client_does_not_wait_for_it, open_client, close_loop),
    };

    sem_init(&gate, 0, 0);
    sem_init(&began, 0, 0);
    sem_init(&over, 0, 0);
    return cmocka_run_group_tests(tests, NULL, open_gate);
}
