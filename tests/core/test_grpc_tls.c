/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_tls.c: AutoMTLS with the real grpc-go, both sides pinned as go-plugin does it. */
#include "core/tls/certificate.h"
#include "grpc_fixture.h"

static struct gantry_certificate pair;

static int make_pair(void **state)
{
    struct gantry_error err;

    (void)state;
    assert_ok(gantry_certificate_generate(&pair, &err));
    setenv("PLUGIN_CLIENT_CERT", pair.certificate, 1); /* NOLINT(concurrency-mt-unsafe): one thread */
    return 0;
}

static int free_pair(void **state)
{
    (void)state;
    gantry_certificate_free(&pair);
    return 0;
}

/* Decodes the standard alphabet without padding, as field six of a handshake line. */
static size_t decode(const char *text, unsigned char *bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    size_t length = 0;

    for (; *text != '\0'; text++) {
        const char *digit = strchr(alphabet, *text);

        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[length++] = (unsigned char)(bits >> count);
        }
    }
    return length;
}

/* A server with TLS, and the options that fit it. */
static struct gantry_tls_options start_tls(struct server *server, unsigned char *der, const char *further)
{
    const char *options[] = {"-tls", further, NULL};

    start_server(server, options);
    return (struct gantry_tls_options){.certificate = pair.certificate,
                                       .certificate_length = strlen(pair.certificate),
                                       .key = pair.key,
                                       .key_length = strlen(pair.key),
                                       .peer = der,
                                       .peer_length = decode(server->line, der)};
}

static void calls_go_over_mutual_tls(void **state)
{
    static const char *const versions[] = {NULL, "-tls12"};
    static char bytes[3000000];

    (void)state;
    memset(bytes, 't', sizeof bytes);
    for (size_t i = 0; i < 2; i++) {
        struct server server;
        unsigned char der[4096];
        struct gantry_tls_options tls = start_tls(&server, der, versions[i]);
        struct client client;
        struct call call = {0};
        struct call paused = {.pause_at_first = true};
        uint8_t order[8] = {0, 0, 0, 100, 0, 1, 0, 0}; /* a hundred messages of 64 KiB */

        connect_client(&client, server.socket, &tls);
        begin_unary(&client, &paused, "/gantry.Test/Download", order, sizeof order);
        for (int turn = 0; turn < 50; turn++)
            check_health(&client);
        assert_int_equal(client.ready, 1);
        begin_unary(&client, &call, "/gantry.Test/Echo", bytes, sizeof bytes);
        await_end(&client, &call);
        assert_int_equal(call.status, GANTRY_GRPC_OK);
        assert_int_equal(call.last_length, sizeof bytes + 5);
        gantry_grpc_call_resume(paused.call);
        await_end(&client, &paused);
        assert_int_equal(paused.messages, 100);
        end_call(&paused);
        end_call(&call);
        close_client(&client);
        stop_server(&server);
    }
}

/* Connects, and asserts that it fails with TLS_FAILED for `reason`; a call says the same. */
static void assert_refused(const char *socket, const struct gantry_tls_options *tls, const char *reason)
{
    struct client client;
    struct call call = {0};

    connect_client(&client, socket, tls);
    begin_health_check(&client, &call);
    while (client.closed == 0)
        step(&client);
    if (strcmp(client.why.code, "TLS_FAILED") != 0 || strstr(client.why.message, reason) == NULL)
        fail_msg("%s: '%s' does not say '%s'", client.why.code, client.why.message, reason);
    assert_int_equal(client.ready, 0);
    assert_int_equal(call.status, GANTRY_GRPC_UNAVAILABLE);
    assert_string_equal(call.message, client.why.message);
    assert_non_null(strstr(call.message, socket));
    end_call(&call);
    close_client(&client);
}

static void refusals_say_what_is_wrong(void **state)
{
    static const char *const versions[] = {NULL, "-tls12"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct server server;
        struct server other;
        unsigned char der[4096];
        unsigned char other_der[4096];
        struct gantry_tls_options tls = start_tls(&server, der, versions[i]);
        struct gantry_tls_options changed = start_tls(&other, other_der, versions[i]);
        struct gantry_certificate stranger;
        struct gantry_error err;

        assert_refused(server.socket, &changed, "not the pinned one");
        changed = tls;
        changed.certificate = NULL;
        changed.key = NULL;
        assert_refused(server.socket, &changed, "requires a client certificate");
        assert_ok(gantry_certificate_generate(&stranger, &err));
        changed = tls;
        changed.certificate = stranger.certificate;
        changed.certificate_length = strlen(stranger.certificate);
        changed.key = stranger.key;
        changed.key_length = strlen(stranger.key);
        assert_refused(server.socket, &changed, "refused our certificate");
        gantry_certificate_free(&stranger);
        stop_server(&server);
        stop_server(&other);
    }
}

static void a_server_without_h2_is_refused(void **state)
{
    struct server server;
    unsigned char der[4096];
    struct gantry_tls_options tls = start_tls(&server, der, "-no-alpn");

    (void)state;
    assert_refused(server.socket, &tls, "ALPN");
    stop_server(&server);
}

static void a_server_without_tls_is_named(void **state)
{
    struct server plain;
    struct server server;
    unsigned char der[4096];
    struct gantry_tls_options tls = start_tls(&server, der, NULL);

    (void)state;
    start_server(&plain, NULL);
    assert_refused(plain.socket, &tls, "TLS");
    stop_server(&plain);
    stop_server(&server);
}

static void tls_on_one_side_only_is_a_lost_connection(void **state)
{
    struct server server;
    unsigned char der[4096];
    struct client client;

    (void)state;
    start_tls(&server, der, NULL);
    connect_client(&client, server.socket, NULL);
    while (client.closed == 0)
        step(&client);
    assert_int_equal(client.ready, 0);
    close_client(&client);
    stop_server(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_go_over_mutual_tls),
        cmocka_unit_test(refusals_say_what_is_wrong),
        cmocka_unit_test(a_server_without_h2_is_refused),
        cmocka_unit_test(a_server_without_tls_is_named),
        cmocka_unit_test(tls_on_one_side_only_is_a_lost_connection),
    };

    return cmocka_run_group_tests(tests, make_pair, free_pair);
}
