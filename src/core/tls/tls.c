/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c: an SSL object between two memory BIOs. */
#include "core/tls/tls.h"

#include "core/tls/openssl_reason.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME "localhost"

struct gantry_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *incoming; /* both belong to ssl */
    BIO *outgoing;
    unsigned char *pinned;
    size_t pinned_length;
    bool has_certificate; /* of our own */
    bool is_done;         /* the handshake */
    bool showed_other;    /* the peer's certificate is not the pinned one */
    bool has_ended;
};

/* ---- failures ---- */

/* What the alerts and errors of a handshake mean to whoever set the connection up. */
static const struct {
    int reason;
    const char *text;
} meanings[] = {
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the peer requires a client certificate; give a certificate and its key"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
     "the peer refused our certificate; it must be the one the peer was told to trust"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
     "the peer refused our certificate; it must be the one the peer was told to trust"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer refused our certificate; it must be the one the peer was told to trust"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer refused our certificate as expired; make a new pair"},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, "the peer does not speak HTTP/2 (ALPN h2)"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the peer speaks neither TLS 1.2 nor 1.3"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the peer speaks neither TLS 1.2 nor 1.3"},
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
};

static const char *meaning(const struct gantry_tls *tls)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());

    if (tls->showed_other)
        return "the peer's certificate is not the pinned one; it must be the one from the plugin's handshake";
    /* TLS 1.2 has no alert of its own for this: servers take one of two others. */
    if (!tls->has_certificate &&
        (reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE || reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE))
        return "the peer refused the handshake, as one that requires a client certificate; give a certificate and its "
               "key";
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].reason == reason)
            return meanings[i].text;
    }
    return gantry_openssl_reason();
}

/* OpenSSL's queue of errors is the thread's, and thus the host's as well: nothing is left in it. */
static int tls_fail(const struct gantry_tls *tls, const char *what, struct gantry_error *err)
{
    gantry_fail(err, "TLS_FAILED", "%s: %s", what, meaning(tls));
    ERR_clear_error();
    return -1;
}

static int fail_certificate(const char *what, struct gantry_error *err)
{
    gantry_fail(err, "CERTIFICATE_INVALID", "set up TLS: %s: %s", what, gantry_openssl_reason());
    ERR_clear_error();
    return -1;
}

/* ---- set-up ---- */

/* OpenSSL asks whether the peer's chain is good: it is where its first certificate is the pinned one, byte by byte. */
static int is_pinned(X509_STORE_CTX *store, void *data)
{
    struct gantry_tls *tls = data;
    X509 *shown = X509_STORE_CTX_get0_cert(store);
    unsigned char *der = NULL;
    int length = shown != NULL ? i2d_X509(shown, &der) : -1;
    bool same =
        length >= 0 && (size_t)length == tls->pinned_length && memcmp(der, tls->pinned, tls->pinned_length) == 0;

    OPENSSL_free(der);
    tls->showed_other = !same;
    X509_STORE_CTX_set_error(store, same ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return same;
}

static int pin_peer(struct gantry_tls *tls, const struct gantry_tls_options *options, struct gantry_error *err)
{
    const unsigned char *bytes = options->peer;
    long length = options->peer_length < INT_MAX ? (long)options->peer_length : INT_MAX;
    X509 *certificate = bytes != NULL ? d2i_X509(NULL, &bytes, length) : NULL;

    if (certificate == NULL)
        return fail_certificate("read the peer's certificate (DER)", err);
    X509_free(certificate);
    if (bytes != options->peer + options->peer_length)
        return gantry_fail(err, "CERTIFICATE_INVALID",
                           "set up TLS: there is more than one certificate (DER) for the peer");
    tls->pinned = malloc(options->peer_length);
    if (tls->pinned == NULL)
        return gantry_fail(err, "TLS_FAILED", "set up TLS: out of memory");
    memcpy(tls->pinned, options->peer, options->peer_length);
    tls->pinned_length = options->peer_length;
    return 0;
}

static int use_certificate(struct gantry_tls *tls, const char *pem, size_t length, struct gantry_error *err)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool used = certificate != NULL && SSL_CTX_use_certificate(tls->context, certificate) == 1;

    X509_free(certificate);
    BIO_free(bio);
    return used ? 0 : fail_certificate("read our certificate (PEM)", err);
}

/* OpenSSL would ask the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *buffer, int size, int for_writing, void *data)
{
    (void)buffer, (void)size, (void)for_writing, (void)data;
    return -1;
}

static int use_key(struct gantry_tls *tls, const char *pem, size_t length, struct gantry_error *err)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    bool used = key != NULL && SSL_CTX_use_PrivateKey(tls->context, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    return used ? 0 : fail_certificate("use our private key (PEM, not encrypted, of our certificate)", err);
}

static int identify(struct gantry_tls *tls, const struct gantry_tls_options *options, struct gantry_error *err)
{
    if (options->certificate == NULL && options->key == NULL)
        return 0;
    if (options->certificate == NULL || options->key == NULL)
        return gantry_fail(err, "CERTIFICATE_INVALID", "set up TLS: a certificate and its key go together; give both");
    if (options->certificate_length > INT_MAX || options->key_length > INT_MAX)
        return gantry_fail(err, "CERTIFICATE_INVALID", "set up TLS: the certificate or its key is too long");
    tls->has_certificate = true;
    if (use_certificate(tls, options->certificate, options->certificate_length, err) < 0)
        return -1;
    return use_key(tls, options->key, options->key_length, err);
}

static int make_context(struct gantry_tls *tls, const struct gantry_tls_options *options, struct gantry_error *err)
{
    static const unsigned char protocols[] = {2, 'h', '2'};

    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(tls->context, protocols, sizeof protocols) != 0)
        return tls_fail(tls, "set up TLS", err);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls->context, is_pinned, tls);
    if (pin_peer(tls, options, err) < 0)
        return -1;
    return identify(tls, options, err);
}

static int make_ssl(struct gantry_tls *tls, const char *server_name, struct gantry_error *err)
{
    char name[256];

    snprintf(name, sizeof name, "%s", server_name != NULL ? server_name : DEFAULT_NAME);
    tls->ssl = SSL_new(tls->context);
    tls->incoming = BIO_new(BIO_s_mem());
    tls->outgoing = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->incoming == NULL || tls->outgoing == NULL) {
        BIO_free(tls->incoming);
        BIO_free(tls->outgoing);
        return tls_fail(tls, "set up TLS", err);
    }
    SSL_set_bio(tls->ssl, tls->incoming, tls->outgoing);
    SSL_set_connect_state(tls->ssl);
    if (SSL_set_tlsext_host_name(tls->ssl, name) != 1)
        return tls_fail(tls, "set the server's name", err);
    return 0;
}

int gantry_tls_new(const struct gantry_tls_options *options, struct gantry_tls **tls, struct gantry_error *err)
{
    struct gantry_tls *made;

    made = calloc(1, sizeof *made);
    if (made == NULL)
        return gantry_fail(err, "TLS_FAILED", "set up TLS: out of memory");
    ERR_clear_error();
    if (make_context(made, options, err) < 0 || make_ssl(made, options->server_name, err) < 0) {
        gantry_tls_free(made);
        return -1;
    }
    *tls = made;
    return 0;
}

void gantry_tls_free(struct gantry_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls->pinned);
    free(tls);
}

/* ---- at work ---- */

int gantry_tls_feed(struct gantry_tls *tls, const void *bytes, size_t length, struct gantry_error *err)
{
    if (length > INT_MAX || BIO_write(tls->incoming, bytes, (int)length) != (int)length)
        return gantry_fail(err, "TLS_FAILED", "receive: out of memory");
    return 0;
}

/* What a result of 0 or less means: 0 where more bytes of the peer are needed (or none will come), else -1. */
static int judge(struct gantry_tls *tls, int result, const char *what, struct gantry_error *err)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        tls->has_ended = true;
        return 0;
    default:
        return tls_fail(tls, what, err);
    }
}

static int check_protocol(struct gantry_tls *tls, struct gantry_error *err)
{
    const unsigned char *name = NULL;
    unsigned int length = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &length);
    if (length == 2 && memcmp(name, "h2", 2) == 0)
        return 0;
    return gantry_fail(err, "TLS_FAILED", "TLS handshake: the peer does not speak HTTP/2 (it did not select ALPN h2)");
}

int gantry_tls_handshake(struct gantry_tls *tls, bool *done, struct gantry_error *err)
{
    int result;

    *done = tls->is_done;
    if (tls->is_done)
        return 0;
    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (result != 1)
        return judge(tls, result, "TLS handshake", err);
    if (check_protocol(tls, err) < 0)
        return -1;
    tls->is_done = true;
    *done = true;
    return 0;
}

ssize_t gantry_tls_read(struct gantry_tls *tls, void *bytes, size_t size, struct gantry_error *err)
{
    int result;

    ERR_clear_error();
    result = SSL_read(tls->ssl, bytes, size < INT_MAX ? (int)size : INT_MAX);
    return result > 0 ? result : judge(tls, result, "receive over TLS", err);
}

bool gantry_tls_has_ended(const struct gantry_tls *tls)
{
    return tls->has_ended;
}

int gantry_tls_write(struct gantry_tls *tls, const void *bytes, size_t length, struct gantry_error *err)
{
    int result;

    if (length == 0)
        return 0;
    ERR_clear_error();
    result = SSL_write(tls->ssl, bytes, (int)length);
    if (length > INT_MAX || result != (int)length) /* a memory BIO takes all or is out of memory */
        return tls_fail(tls, "send over TLS", err);
    return 0;
}

int gantry_tls_take(struct gantry_tls *tls, struct gantry_buffer *output, struct gantry_error *err)
{
    size_t length = BIO_ctrl_pending(tls->outgoing);
    uint8_t *room;

    if (length == 0)
        return 0;
    room = gantry_buffer_reserve(output, length);
    if (room == NULL || BIO_read(tls->outgoing, room, (int)length) != (int)length)
        return gantry_fail(err, "TLS_FAILED", "send over TLS: out of memory");
    gantry_buffer_grow(output, length);
    return 0;
}
