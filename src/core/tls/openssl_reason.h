/* SPDX-License-Identifier: Apache-2.0
 *
 * openssl_reason.h: OpenSSL's own words about what has just failed. */
#ifndef GANTRY_OPENSSL_REASON_H
#define GANTRY_OPENSSL_REASON_H

#include <openssl/err.h>

/* The reason on top of the thread's queue of errors, which stays as it is; OpenSSL's, and never NULL. */
static inline const char *gantry_openssl_reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

    return reason != NULL ? reason : "no reason given";
}

#endif
