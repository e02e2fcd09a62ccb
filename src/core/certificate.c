/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate.c: a self-signed certificate and its key, through OpenSSL's libcrypto. */
#include "certificate.h"

#include "libssl.h"

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

static int fail(const struct gantry_libssl *lib, const char *what, struct gantry_error *err)
{
    gantry_fail(err, "CERTIFICATE_FAILED", "make a certificate: %s: %s", what, gantry_libssl_reason(lib));
    lib->ERR_clear_error(); /* the queue is the thread's, and thus the host's as well */
    return -1;
}

static bool add_extension(const struct gantry_libssl *lib, X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context = {0};
    bool added;

    lib->X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = lib->X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return false;
    added = lib->X509_add_ext(certificate, extension, -1) == 1;
    lib->X509_EXTENSION_free(extension);
    return added;
}

static bool add_extensions(const struct gantry_libssl *lib, X509 *certificate)
{
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        if (!add_extension(lib, certificate, extensions[i].nid, extensions[i].value))
            return false;
    }
    return true;
}

static bool set_serial(const struct gantry_libssl *lib, X509 *certificate)
{
    BIGNUM *number = lib->BN_new();
    ASN1_INTEGER *serial = NULL;
    bool set = false;

    if (number != NULL && lib->BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1)
        serial = lib->BN_to_ASN1_INTEGER(number, NULL);
    if (serial != NULL)
        set = lib->X509_set_serialNumber(certificate, serial) == 1;
    lib->ASN1_INTEGER_free(serial);
    lib->BN_free(number);
    return set;
}

static bool add_name(const struct gantry_libssl *lib, X509_NAME *name, const char *field, const char *value)
{
    return lib->X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool set_names(const struct gantry_libssl *lib, X509 *certificate)
{
    X509_NAME *name = lib->X509_get_subject_name(certificate);

    return add_name(lib, name, "O", "HashiCorp") && add_name(lib, name, "CN", "localhost") &&
           lib->X509_set_issuer_name(certificate, name) == 1;
}

static bool set_times(const struct gantry_libssl *lib, X509 *certificate)
{
    return lib->X509_time_adj_ex(lib->X509_getm_notBefore(certificate), 0, -EARLIER_SECONDS, NULL) != NULL &&
           lib->X509_time_adj_ex(lib->X509_getm_notAfter(certificate), LIFE_DAYS, LIFE_SECONDS, NULL) != NULL;
}

static bool fill(const struct gantry_libssl *lib, X509 *certificate, EVP_PKEY *key)
{
    return lib->X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(lib, certificate) &&
           set_names(lib, certificate) && set_times(lib, certificate) && lib->X509_set_pubkey(certificate, key) == 1 &&
           add_extensions(lib, certificate) && lib->X509_sign(certificate, key, lib->EVP_sha256()) > 0;
}

/* The content of a memory BIO as a string of its own, or NULL. */
static char *take_text(const struct gantry_libssl *lib, BIO *bio)
{
    size_t length = lib->BIO_ctrl_pending(bio);
    char *text = malloc(length + 1);

    if (text == NULL)
        return NULL;
    if (lib->BIO_read(bio, text, (int)length) != (int)length) {
        free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}

static int write_pair(const struct gantry_libssl *lib, X509 *certificate, EVP_PKEY *key,
                      struct gantry_certificate *pair, struct gantry_error *err)
{
    BIO *bio = lib->BIO_new(lib->BIO_s_mem());
    struct gantry_certificate made = {NULL, NULL};

    if (bio != NULL && lib->PEM_write_bio_X509(bio, certificate) == 1)
        made.certificate = take_text(lib, bio);
    if (made.certificate != NULL && lib->PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        made.key = take_text(lib, bio);
    lib->BIO_free(bio);
    if (made.key == NULL) {
        gantry_certificate_free(&made);
        return fail(lib, "write it as PEM", err);
    }
    *pair = made;
    return 0;
}

int gantry_certificate_generate(struct gantry_certificate *pair, struct gantry_error *err)
{
    const struct gantry_libssl *lib = gantry_libssl(err);
    X509 *certificate;
    EVP_PKEY *key;
    int result = -1;

    if (lib == NULL)
        return -1;
    lib->ERR_clear_error();
    key = lib->EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    certificate = lib->X509_new();
    if (key == NULL || certificate == NULL)
        fail(lib, "make its key", err);
    else if (!fill(lib, certificate, key))
        fail(lib, "fill and sign it", err);
    else
        result = write_pair(lib, certificate, key, pair, err);
    lib->X509_free(certificate);
    lib->EVP_PKEY_free(key);
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
