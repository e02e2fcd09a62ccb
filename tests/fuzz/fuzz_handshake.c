/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_handshake.c: any line is a handshake, whose parts lie in it, or fails with a message for people that says where.
 *
 * Input: the line. */
#include "core/plugin/handshake.h"

#include "fuzz.h"

static bool lies_in(struct gantry_slice slice, const char *line, size_t size)
{
    return slice.size == 0 || (slice.bytes >= line && slice.bytes + slice.size <= line + size);
}

static bool equals(struct gantry_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.bytes, text, slice.size) == 0;
}

static void check_error(const struct gantry_error *err)
{
    HOLDS(strstr(err->message, "handshake field ") != NULL || strstr(err->message, "is not a go-plugin handshake") ||
          strstr(err->message, "is not the handshake of a plugin for Packer") ||
          (strcmp(err->code, "HANDSHAKE_CORE_VERSION") == 0 && strstr(err->message, "core protocol version")));
    HOLDS(strcmp(err->code, "HANDSHAKE_CORE_VERSION") == 0 || strcmp(err->code, "HANDSHAKE_INVALID") == 0);
    HOLDS(strlen(err->message) < GANTRY_ERROR_MESSAGE_SIZE - 1);
    for (const char *at = err->message; *at != '\0'; at++)
        HOLDS(*at >= ' ' && *at <= '~');
}

static void check_certificate(const struct gantry_handshake *shake)
{
    size_t most = shake->certificate.size * 3 / 4;
    uint8_t *der = malloc(most + (most == 0)); /* exactly what the header asks for */
    struct gantry_error err;
    int size;

    HOLDS(der != NULL);
    size = gantry_handshake_certificate(shake, der, &err);
    if (size < 0)
        check_error(&err);
    else
        HOLDS((size_t)size == most);
    free(der);
}

static void check_handshake(const struct gantry_handshake *shake, const char *line, size_t size)
{
    HOLDS(shake->core_version == 1 && shake->protocol_version >= 0);
    HOLDS(equals(shake->network, "unix") || equals(shake->network, "tcp"));
    HOLDS(equals(shake->protocol, "grpc") || equals(shake->protocol, "netrpc"));
    HOLDS(shake->address.size > 0 && memchr(shake->address.bytes, '\0', shake->address.size) == NULL);
    HOLDS(!equals(shake->network, "unix") || shake->address.size <= 107);
    HOLDS(lies_in(shake->network, line, size) && lies_in(shake->address, line, size) &&
          lies_in(shake->certificate, line, size));
    check_certificate(shake);
}

/* The same line with white space around it is the same handshake. */
static void check_spaced(const char *line, size_t size, int result)
{
    char *spaced = malloc(size + 4);
    struct gantry_handshake shake;
    struct gantry_error err;

    HOLDS(spaced != NULL);
    memcpy(spaced, " \t", 2);
    memcpy(spaced + 2, line, size);
    memcpy(spaced + 2 + size, "\r\n", 2);
    HOLDS(gantry_handshake_parse(spaced, size + 4, &shake, &err) == result);
    free(spaced);
}

/* Packer's, of the same line: where both take it, they agree on its address. */
static void check_packer(const char *line, size_t size, const struct gantry_handshake *shake)
{
    struct gantry_handshake packer;
    struct gantry_error err;

    if (gantry_handshake_parse_packer(line, size, &packer, &err) < 0) {
        check_error(&err);
        return;
    }
    HOLDS(lies_in(packer.network, line, size) && lies_in(packer.address, line, size));
    HOLDS(packer.address.size > 0 && equals(packer.protocol, "netrpc"));
    HOLDS(shake == NULL || shake->address.bytes == packer.address.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = exact_copy(data, size);
    struct gantry_handshake shake;
    struct gantry_error err;
    int result = gantry_handshake_parse(line, size, &shake, &err);

    if (result < 0)
        check_error(&err);
    else
        check_handshake(&shake, line, size);
    check_spaced(line, size, result);
    check_packer(line, size, result < 0 ? NULL : &shake);
    free(line);
    return 0;
}
