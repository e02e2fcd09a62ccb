/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tls.c: our end of TLS against a server's end from OpenSSL itself, in memory: who is let in, and what a refusal
 * says. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/tls/certificate.h"
#include "core/tls/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static struct gantry_certificate ours;
static struct gantry_certificate theirs;
static unsigned char *their_der;
static size_t their_der_length;

/* How the server is to be. */
struct manners {
    int highest_version; /* 0: any */
    bool no_h2;
    bool wants_certificate;
};

struct pair {
    SSL_CTX *context;
    SSL *server;
    BIO *incoming;
    BIO *outgoing;
    struct gantry_tls *client;
    struct gantry_error err;
};

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static int set_up(void **state)
{
    struct gantry_error err;
    X509 *certificate;

    (void)state;
    assert_int_equal(gantry_certificate_generate(&ours, &err), 0);
    assert_int_equal(gantry_certificate_generate(&theirs, &err), 0);
    certificate = read_certificate(theirs.certificate);
    their_der_length = (size_t)i2d_X509(certificate, &their_der);
    X509_free(certificate);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gantry_certificate_free(&ours);
    gantry_certificate_free(&theirs);
    OPENSSL_free(their_der);
    return 0;
}

/* ---- the server's end ---- */

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *in,
                     unsigned int in_length, void *data)
{
    (void)ssl, (void)data;
    assert_int_equal(in_length, 3);
    assert_memory_equal(in, "\x02h2", 3);
    *out = in + 1;
    *length = 2;
    return SSL_TLSEXT_ERR_OK;
}

static int accept_any(X509_STORE_CTX *store, void *data)
{
    (void)store, (void)data;
    return 1;
}

static void make_server(struct pair *pair, const struct manners *manners)
{
    X509 *certificate = read_certificate(theirs.certificate);
    BIO *bio = BIO_new_mem_buf(theirs.key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    pair->context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(pair->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(pair->context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (manners->highest_version != 0)
        SSL_CTX_set_max_proto_version(pair->context, manners->highest_version);
    if (!manners->no_h2)
        SSL_CTX_set_alpn_select_cb(pair->context, select_h2, NULL);
    if (manners->wants_certificate)
        SSL_CTX_set_verify(pair->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(pair->context, accept_any, NULL);
    pair->server = SSL_new(pair->context);
    pair->incoming = BIO_new(BIO_s_mem());
    pair->outgoing = BIO_new(BIO_s_mem());
    SSL_set_bio(pair->server, pair->incoming, pair->outgoing);
    SSL_set_accept_state(pair->server);
}

static struct gantry_tls_options our_options(void)
{
    return (struct gantry_tls_options){.certificate = ours.certificate,
                                       .certificate_length = strlen(ours.certificate),
                                       .key = ours.key,
                                       .key_length = strlen(ours.key),
                                       .peer = their_der,
                                       .peer_length = their_der_length};
}

static void begin(struct pair *pair, const struct manners *manners, const struct gantry_tls_options *options)
{
    memset(pair, 0, sizeof *pair);
    make_server(pair, manners);
    if (gantry_tls_new(options, &pair->client, &pair->err) < 0)
        fail_msg("%s: %s", pair->err.code, pair->err.message);
}

static void end(struct pair *pair)
{
    gantry_tls_free(pair->client);
    SSL_free(pair->server);
    SSL_CTX_free(pair->context);
}

/* ---- the wire ---- */

static void carry_to_server(struct pair *pair)
{
    struct gantry_buffer output = {0};

    assert_int_equal(gantry_tls_take(pair->client, &output, &pair->err), 0);
    if (gantry_buffer_length(&output) > 0)
        BIO_write(pair->incoming, gantry_buffer_front(&output), (int)gantry_buffer_length(&output));
    gantry_buffer_free(&output);
}

static void carry_to_client(struct pair *pair)
{
    char bytes[20000];
    int length;

    while ((length = BIO_read(pair->outgoing, bytes, sizeof bytes)) > 0)
        assert_int_equal(gantry_tls_feed(pair->client, bytes, (size_t)length, &pair->err), 0);
}

/* Shakes hands, and reads what the server says after it. Returns 1 once done, or -1 with err set. */
static int shake_hands(struct pair *pair)
{
    char bytes[10];
    bool done = false;

    for (int turn = 0; turn < 10; turn++) {
        if (gantry_tls_handshake(pair->client, &done, &pair->err) < 0)
            return -1;
        carry_to_server(pair);
        SSL_do_handshake(pair->server);
        carry_to_client(pair);
    }
    if (!done)
        return 0;
    return gantry_tls_read(pair->client, bytes, sizeof bytes, &pair->err) < 0 ? -1 : 1;
}

static void assert_refused(struct pair *pair, const char *reason)
{
    assert_int_equal(shake_hands(pair), -1);
    assert_string_equal(pair->err.code, "TLS_FAILED");
    if (strstr(pair->err.message, reason) == NULL)
        fail_msg("'%s' does not say '%s'", pair->err.message, reason);
    end(pair);
}

/* ---- tests ---- */

static void bytes_go_both_ways(void **state)
{
    static const int versions[] = {0, TLS1_2_VERSION};
    struct gantry_tls_options options = our_options();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct manners manners = {.highest_version = versions[i], .wants_certificate = true};
        struct pair pair;
        static char bytes[100000];
        static char received[100000];
        size_t count = 0;

        begin(&pair, &manners, &options);
        assert_int_equal(shake_hands(&pair), 1);
        memset(bytes, 'b', sizeof bytes);
        assert_int_equal(gantry_tls_write(pair.client, bytes, sizeof bytes, &pair.err), 0);
        carry_to_server(&pair);
        while (count < sizeof bytes) {
            int length = SSL_read(pair.server, received + count, (int)(sizeof received - count));

            assert_true(length > 0);
            count += (size_t)length;
        }
        assert_memory_equal(bytes, received, sizeof bytes);
        assert_int_equal(SSL_write(pair.server, "answer", 6), 6);
        carry_to_client(&pair);
        assert_int_equal(gantry_tls_read(pair.client, received, sizeof received, &pair.err), 6);
        assert_memory_equal(received, "answer", 6);
        assert_int_equal(gantry_tls_read(pair.client, received, sizeof received, &pair.err), 0);
        assert_false(gantry_tls_has_ended(pair.client));
        end(&pair);
    }
}

static void only_the_pinned_certificate_is_accepted(void **state)
{
    struct gantry_tls_options options = our_options();
    struct gantry_certificate other;
    struct gantry_certificate kept = theirs;
    struct manners manners = {0};
    struct pair pair;
    struct gantry_error err;

    (void)state;
    assert_int_equal(gantry_certificate_generate(&other, &err), 0);
    theirs = other; /* of the same name, and no less valid */
    begin(&pair, &manners, &options);
    theirs = kept;
    assert_refused(&pair, "not the pinned one");
    gantry_certificate_free(&other);
}

static void a_peer_without_h2_is_refused(void **state)
{
    struct gantry_tls_options options = our_options();
    struct manners manners = {.no_h2 = true};
    struct pair pair;

    (void)state;
    begin(&pair, &manners, &options);
    assert_refused(&pair, "did not select ALPN h2");
}

static void a_missing_certificate_of_ours_is_named(void **state)
{
    static const int versions[] = {0, TLS1_2_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gantry_tls_options options = {.peer = their_der, .peer_length = their_der_length};
        struct manners manners = {.highest_version = versions[i], .wants_certificate = true};
        struct pair pair;

        begin(&pair, &manners, &options);
        assert_refused(&pair, "requires a client certificate");
    }
}

static void what_is_not_tls_is_named(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct gantry_tls_options options = our_options();
    struct manners manners = {0};
    struct pair pair;
    bool done;

    (void)state;
    begin(&pair, &manners, &options);
    assert_int_equal(gantry_tls_handshake(pair.client, &done, &pair.err), 0);
    assert_int_equal(gantry_tls_feed(pair.client, answer, sizeof answer - 1, &pair.err), 0);
    assert_refused(&pair, "does not speak TLS");
}

static void unusable_certificates_are_named(void **state)
{
    static const unsigned char nothing[] = {0x30, 0x03, 1, 2, 3};
    struct gantry_tls_options cases[] = {our_options(), our_options(), our_options(), our_options(),
                                         our_options(), our_options(), our_options()};
    static const char *const reasons[] = {"read our certificate", "private key", "key values mismatch", "give both",
                                          "the peer's",           "the peer's",  "more than one"};
    unsigned char *twice = malloc(2 * their_der_length);

    (void)state;
    assert_non_null(twice);
    memcpy(twice, their_der, their_der_length);
    memcpy(twice + their_der_length, their_der, their_der_length);
    cases[0].certificate = ours.key;
    cases[0].certificate_length = strlen(ours.key);
    cases[1].key_length = 20;
    cases[2].key = theirs.key;
    cases[2].key_length = strlen(theirs.key);
    cases[3].key = NULL;
    cases[4].peer = nothing;
    cases[4].peer_length = sizeof nothing;
    cases[5].peer = NULL;
    cases[6].peer = twice;
    cases[6].peer_length = 2 * their_der_length;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gantry_tls *tls = NULL;
        struct gantry_error err;

        assert_int_equal(gantry_tls_new(&cases[i], &tls, &err), -1);
        assert_null(tls);
        assert_string_equal(err.code, "CERTIFICATE_INVALID");
        if (strstr(err.message, reasons[i]) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, reasons[i]);
    }
    free(twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),           cmocka_unit_test(only_the_pinned_certificate_is_accepted),
        cmocka_unit_test(a_peer_without_h2_is_refused), cmocka_unit_test(a_missing_certificate_of_ours_is_named),
        cmocka_unit_test(what_is_not_tls_is_named),     cmocka_unit_test(unusable_certificates_are_named),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
