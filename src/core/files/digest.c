/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (64UL * 1024)

struct gantry_digest {
    EVP_MD_CTX *context;
    EVP_MD_CTX *copy; /* in which it is finished */
};

int gantry_digest_new(struct gantry_digest **digest, struct gantry_error *err)
{
    struct gantry_digest *made = calloc(1, sizeof *made);

    if (made != NULL) {
        made->context = EVP_MD_CTX_new();
        made->copy = EVP_MD_CTX_new();
    }
    if (made == NULL || made->context == NULL || made->copy == NULL ||
        EVP_DigestInit_ex(made->context, EVP_sha256(), NULL) != 1 ||
        EVP_MD_CTX_copy_ex(made->copy, made->context) != 1) {
        gantry_digest_free(made);
        return gantry_fail(err, "OUT_OF_MEMORY", "begin a SHA-256: out of memory");
    }
    *digest = made;
    return 0;
}

void gantry_digest_free(struct gantry_digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    EVP_MD_CTX_free(digest->copy);
    free(digest);
}

void gantry_digest_reset(struct gantry_digest *digest)
{
    EVP_DigestInit_ex(digest->context, NULL, NULL);
}

void gantry_digest_add(struct gantry_digest *digest, const void *bytes, size_t count)
{
    EVP_DigestUpdate(digest->context, bytes, count);
}

int gantry_digest_add_file(struct gantry_digest *digest, int fd, uint64_t at, size_t limit, size_t *count,
                           struct gantry_error *err)
{
    unsigned char bytes[PIECE];
    size_t done = 0;

    while (done < limit) {
        size_t wanted = limit - done < sizeof bytes ? limit - done : sizeof bytes;
        ssize_t got = pread(fd, bytes, wanted, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gantry_fail_errno(err, errno, "READ_FAILED", "read a file");
        if (got == 0)
            break;
        EVP_DigestUpdate(digest->context, bytes, (size_t)got);
        done += (size_t)got;
    }
    *count = done;
    return 0;
}

void gantry_digest_hex(const struct gantry_digest *digest, char hex[GANTRY_DIGEST_SIZE])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int length = 0;

    hex[0] = '\0';
    if (EVP_MD_CTX_copy_ex(digest->copy, digest->context) != 1 || EVP_DigestFinal_ex(digest->copy, raw, &length) != 1)
        return;
    for (unsigned int i = 0; i < length; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", raw[i]);
}
