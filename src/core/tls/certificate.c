/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate.c: a self-signed certificate and its key, through OpenSSL's libcrypto. */
#include "core/tls/certificate.h"

#include "core/tls/openssl_reason.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_BITS 128
#define EARLIER_SECONDS (24L * 60 * 60) /* go-plugin has 30 s; a clock that is set back must not end the connection */
#define LIFE_DAYS 10957                 /* and a half: 262980 hours */
#define LIFE_SECONDS (12L * 60 * 60)

/* What go-plugin puts into its own. The authority's bit is what lets Go verify the certificate against itself. */
static const struct {
    int nid;
    const char *value;
} extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE"},
    {NID_key_usage, "critical,digitalSignature,keyEncipherment,keyAgreement,keyCertSign"},
    {NID_ext_key_usage, "clientAuth,serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_subject_alt_name, "DNS:localhost"},
};

static int certificate_fail(const char *what, struct gantry_error *err)
{
    gantry_fail(err, "CERTIFICATE_FAILED", "make a certificate: %s: %s", what, gantry_openssl_reason());
    ERR_clear_error(); /* the queue is the thread's, and thus the host's as well */
    return -1;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context = {0};
    bool added;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return false;
    added = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool add_extensions(X509 *certificate)
{
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        if (!add_extension(certificate, extensions[i].nid, extensions[i].value))
            return false;
    }
    return true;
}

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    ASN1_INTEGER *serial = NULL;
    bool set = false;

    if (number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1)
        serial = BN_to_ASN1_INTEGER(number, NULL);
    if (serial != NULL)
        set = X509_set_serialNumber(certificate, serial) == 1;
    ASN1_INTEGER_free(serial);
    BN_free(number);
    return set;
}

static bool certificate_add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool set_names(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return certificate_add_name(name, "O", "HashiCorp") && certificate_add_name(name, "CN", "localhost") &&
           X509_set_issuer_name(certificate, name) == 1;
}

static bool set_times(X509 *certificate)
{
    return X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -EARLIER_SECONDS, NULL) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), LIFE_DAYS, LIFE_SECONDS, NULL) != NULL;
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) && set_names(certificate) &&
           set_times(certificate) && X509_set_pubkey(certificate, key) == 1 && add_extensions(certificate) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* The content of a memory BIO as a string of its own, or NULL. */
static char *take_text(BIO *bio)
{
    size_t length = BIO_ctrl_pending(bio);
    char *text = malloc(length + 1);

    if (text == NULL)
        return NULL;
    if (BIO_read(bio, text, (int)length) != (int)length) {
        free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}

static int write_pair(X509 *certificate, EVP_PKEY *key, struct gantry_certificate *pair, struct gantry_error *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct gantry_certificate made = {NULL, NULL};

    if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1)
        made.certificate = take_text(bio);
    if (made.certificate != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        made.key = take_text(bio);
    BIO_free(bio);
    if (made.key == NULL) {
        gantry_certificate_free(&made);
        return certificate_fail("write it as PEM", err);
    }
    *pair = made;
    return 0;
}

int gantry_certificate_generate(struct gantry_certificate *pair, struct gantry_error *err)
{
    X509 *certificate;
    EVP_PKEY *key;
    int result = -1;

    ERR_clear_error();
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    certificate = X509_new();
    if (key == NULL || certificate == NULL)
        certificate_fail("make its key", err);
    else if (!certificate_fill(certificate, key))
        certificate_fail("fill and sign it", err);
    else
        result = write_pair(certificate, key, pair, err);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return result;
}

void gantry_certificate_free(struct gantry_certificate *pair)
{
    if (pair->key != NULL)
        explicit_bzero(pair->key, strlen(pair->key));
    free(pair->certificate);
    free(pair->key);
    *pair = (struct gantry_certificate){NULL, NULL};
}
