/* SPDX-License-Identifier: Apache-2.0
 *
 * libssl.h: OpenSSL's two libraries, loaded on first use: loading them costs more than all else at process start.
 *
 * One list names the functions; the struct has a pointer of the right type for each. Many calls of OpenSSL's manual are
 * macros over SSL_ctrl and SSL_CTX_ctrl: those are called by what they expand to. Once loaded they stay for the life of
 * the process and belong to nobody. */
#ifndef GANTRY_LIBSSL_H
#define GANTRY_LIBSSL_H

#include "error.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define GANTRY_LIBSSL_FUNCTIONS(FUNCTION)                                                                              \
    FUNCTION(SSL_CTX_ctrl)                                                                                             \
    FUNCTION(SSL_CTX_free)                                                                                             \
    FUNCTION(SSL_CTX_new)                                                                                              \
    FUNCTION(SSL_CTX_set_alpn_protos)                                                                                  \
    FUNCTION(SSL_CTX_set_cert_verify_callback)                                                                         \
    FUNCTION(SSL_CTX_set_options)                                                                                      \
    FUNCTION(SSL_CTX_set_verify)                                                                                       \
    FUNCTION(SSL_CTX_use_PrivateKey)                                                                                   \
    FUNCTION(SSL_CTX_use_certificate)                                                                                  \
    FUNCTION(SSL_ctrl)                                                                                                 \
    FUNCTION(SSL_do_handshake)                                                                                         \
    FUNCTION(SSL_free)                                                                                                 \
    FUNCTION(SSL_get0_alpn_selected)                                                                                   \
    FUNCTION(SSL_get_error)                                                                                            \
    FUNCTION(SSL_new)                                                                                                  \
    FUNCTION(SSL_read)                                                                                                 \
    FUNCTION(SSL_set_bio)                                                                                              \
    FUNCTION(SSL_set_connect_state)                                                                                    \
    FUNCTION(SSL_write)                                                                                                \
    FUNCTION(TLS_client_method)

#define GANTRY_LIBCRYPTO_FUNCTIONS(FUNCTION)                                                                           \
    FUNCTION(ASN1_INTEGER_free)                                                                                        \
    FUNCTION(BIO_ctrl_pending)                                                                                         \
    FUNCTION(BIO_free)                                                                                                 \
    FUNCTION(BIO_new)                                                                                                  \
    FUNCTION(BIO_new_mem_buf)                                                                                          \
    FUNCTION(BIO_read)                                                                                                 \
    FUNCTION(BIO_s_mem)                                                                                                \
    FUNCTION(BIO_write)                                                                                                \
    FUNCTION(BN_free)                                                                                                  \
    FUNCTION(BN_new)                                                                                                   \
    FUNCTION(BN_rand)                                                                                                  \
    FUNCTION(BN_to_ASN1_INTEGER)                                                                                       \
    FUNCTION(CRYPTO_free)                                                                                              \
    FUNCTION(ERR_clear_error)                                                                                          \
    FUNCTION(ERR_peek_last_error)                                                                                      \
    FUNCTION(ERR_reason_error_string)                                                                                  \
    FUNCTION(EVP_PKEY_Q_keygen)                                                                                        \
    FUNCTION(EVP_PKEY_free)                                                                                            \
    FUNCTION(EVP_sha256)                                                                                               \
    FUNCTION(PEM_read_bio_PrivateKey)                                                                                  \
    FUNCTION(PEM_read_bio_X509)                                                                                        \
    FUNCTION(PEM_write_bio_PrivateKey)                                                                                 \
    FUNCTION(PEM_write_bio_X509)                                                                                       \
    FUNCTION(X509V3_EXT_conf_nid)                                                                                      \
    FUNCTION(X509V3_set_ctx)                                                                                           \
    FUNCTION(X509_EXTENSION_free)                                                                                      \
    FUNCTION(X509_NAME_add_entry_by_txt)                                                                               \
    FUNCTION(X509_STORE_CTX_get0_cert)                                                                                 \
    FUNCTION(X509_STORE_CTX_set_error)                                                                                 \
    FUNCTION(X509_add_ext)                                                                                             \
    FUNCTION(X509_free)                                                                                                \
    FUNCTION(X509_get_subject_name)                                                                                    \
    FUNCTION(X509_getm_notAfter)                                                                                       \
    FUNCTION(X509_getm_notBefore)                                                                                      \
    FUNCTION(X509_new)                                                                                                 \
    FUNCTION(X509_set_issuer_name)                                                                                     \
    FUNCTION(X509_set_pubkey)                                                                                          \
    FUNCTION(X509_set_serialNumber)                                                                                    \
    FUNCTION(X509_set_version)                                                                                         \
    FUNCTION(X509_sign)                                                                                                \
    FUNCTION(X509_time_adj_ex)                                                                                         \
    FUNCTION(d2i_X509)                                                                                                 \
    FUNCTION(i2d_X509)

struct gantry_libssl {
/* The names are the libraries' own, so they are no arguments to put into parentheses. */
#define GANTRY_LIBSSL_FIELD(name) __typeof__(&name) name; /* NOLINT(bugprone-macro-parentheses) */
    GANTRY_LIBSSL_FUNCTIONS(GANTRY_LIBSSL_FIELD)
    GANTRY_LIBCRYPTO_FUNCTIONS(GANTRY_LIBSSL_FIELD)
#undef GANTRY_LIBSSL_FIELD
};

/* The libraries, loaded where they are not yet. Returns NULL where that fails, with LIBRARY_MISSING (one of them, or a
 * function in it, is not there). Any thread may call it. */
const struct gantry_libssl *gantry_libssl(struct gantry_error *err);

/* The reason of OpenSSL's last error on this thread, for a message; never NULL, static. */
const char *gantry_libssl_reason(const struct gantry_libssl *lib);

#endif
