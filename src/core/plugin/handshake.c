/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/handshake.h"

#include "core/base/base64.h"
#include "core/system/unix_address.h"

#include <stdio.h>
#include <string.h>

#define CORE_VERSION 1
#define FIELDS 7
#define SHOWN 120 /* bytes of a line that a message shows */

/* Older plugins put other things than a certificate into its field; go-plugin takes nothing shorter for one. */
#define SHORTEST_CERTIFICATE 50

static bool handshake_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Writes what was read for a message: bounded, and nothing but printable ASCII, since it may reach a terminal. */
static const char *shown(const char *text, size_t size, char out[4 * SHOWN + 4])
{
    size_t used = 0;

    for (size_t i = 0; i < size && i < SHOWN; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte >= ' ' && byte <= '~' && byte != '\\')
            out[used++] = (char)byte;
        else
            used += (size_t)snprintf(out + used, 5, "\\x%02x", byte);
    }
    memcpy(out + used, size > SHOWN ? "..." : "", size > SHOWN ? 4 : 1);
    return out;
}

static int invalid(const char *field, struct gantry_slice got, const char *wanted, struct gantry_error *err)
{
    char text[4 * SHOWN + 4];

    return gantry_fail(err, "HANDSHAKE_INVALID", "handshake field %s must be %s, got '%s'", field, wanted,
                       shown(got.bytes, got.size, text));
}

static bool equals(struct gantry_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.bytes, text, slice.size) == 0;
}

static bool handshake_parse_number(struct gantry_slice slice, int *number)
{
    int value = 0;

    if (slice.size == 0 || slice.size > 9)
        return false;
    for (size_t i = 0; i < slice.size; i++) {
        if (!handshake_is_digit(slice.bytes[i]))
            return false;
        value = value * 10 + (slice.bytes[i] - '0');
    }
    *number = value;
    return true;
}

/* The spellings of Go's strconv.ParseBool. */
static bool parse_boolean(struct gantry_slice slice, bool *value)
{
    static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                        "0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (equals(slice, words[i])) {
            *value = i < 6;
            return true;
        }
    }
    return false;
}

static struct gantry_slice trim(struct gantry_slice slice)
{
    while (slice.size > 0 && is_space(slice.bytes[0])) {
        slice.bytes++;
        slice.size--;
    }
    while (slice.size > 0 && is_space(slice.bytes[slice.size - 1]))
        slice.size--;
    return slice;
}

/* Splits at '|' into up to seven fields; returns how many there are. */
static size_t split(struct gantry_slice line, struct gantry_slice fields[FIELDS])
{
    size_t count = 0;

    while (count < FIELDS) {
        const char *bar = line.size > 0 ? memchr(line.bytes, '|', line.size) : NULL;
        size_t size = bar != NULL ? (size_t)(bar - line.bytes) : line.size;

        fields[count++] = (struct gantry_slice){line.bytes, size};
        if (bar == NULL)
            break;
        line.bytes += size + 1;
        line.size -= size + 1;
    }
    return count;
}

static int read_versions(const struct gantry_slice *fields, struct gantry_handshake *handshake,
                         struct gantry_error *err)
{
    if (!handshake_parse_number(fields[0], &handshake->core_version))
        return invalid("1 (core protocol version)", fields[0], "a number", err);
    if (handshake->core_version != CORE_VERSION) {
        return gantry_fail(err, "HANDSHAKE_CORE_VERSION",
                           "the plugin speaks go-plugin's core protocol version %d, gantry speaks %d; build it with a "
                           "go-plugin of version 1",
                           handshake->core_version, CORE_VERSION);
    }
    if (!handshake_parse_number(fields[1], &handshake->protocol_version))
        return invalid("2 (application protocol version)", fields[1], "a number", err);
    return 0;
}

static bool handshake_is_path(struct gantry_slice address)
{
    return address.size > 0 && address.size <= GANTRY_UNIX_PATH_SIZE;
}

/* host:port, where the host may hold colons of its own. */
static bool is_host_and_port(struct gantry_slice address)
{
    const char *colon = address.size > 0 ? memrchr(address.bytes, ':', address.size) : NULL;
    int port;

    if (colon == NULL)
        return false;
    address.size -= (size_t)(colon + 1 - address.bytes);
    address.bytes = colon + 1;
    return handshake_parse_number(address, &port) && port > 0 && port <= UINT16_MAX;
}

static bool has_control_characters(struct gantry_slice slice)
{
    for (size_t i = 0; i < slice.size; i++) {
        if ((unsigned char)slice.bytes[i] < ' ' || slice.bytes[i] == 0x7f)
            return true;
    }
    return false;
}

static int handshake_read_address(const struct gantry_slice *fields, struct gantry_handshake *handshake,
                                  struct gantry_error *err)
{
    if (!equals(fields[2], "unix") && !equals(fields[2], "tcp"))
        return invalid("3 (network)", fields[2], "unix or tcp", err);
    if (has_control_characters(fields[3]))
        return invalid("4 (address)", fields[3], "without control characters", err);
    if (equals(fields[2], "unix") && !handshake_is_path(fields[3]))
        return invalid("4 (address)", fields[3], "a path of 1 to 107 bytes", err);
    if (equals(fields[2], "tcp") && !is_host_and_port(fields[3]))
        return invalid("4 (address)", fields[3], "host:port", err);
    handshake->network = fields[2];
    handshake->address = fields[3];
    return 0;
}

static int read_protocol(const struct gantry_slice *fields, size_t count, struct gantry_handshake *handshake,
                         struct gantry_error *err)
{
    static const char netrpc[] = "netrpc";

    handshake->protocol = (struct gantry_slice){netrpc, sizeof netrpc - 1};
    if (count < 5)
        return 0;
    if (!equals(fields[4], "grpc") && !equals(fields[4], "netrpc"))
        return invalid("5 (protocol)", fields[4], "grpc or netrpc", err);
    handshake->protocol = fields[4];
    return 0;
}

static int read_extras(const struct gantry_slice *fields, size_t count, struct gantry_handshake *handshake,
                       struct gantry_error *err)
{
    if (count >= 6 && fields[5].size > SHORTEST_CERTIFICATE)
        handshake->certificate = fields[5];
    if (count < 7 || fields[6].size == 0)
        return 0;
    handshake->has_multiplex = true;
    if (!parse_boolean(fields[6], &handshake->multiplex))
        return invalid("7 (multiplexing)", fields[6], "true or false", err);
    return 0;
}

int gantry_handshake_parse(const char *line, size_t size, struct gantry_handshake *handshake, struct gantry_error *err)
{
    struct gantry_slice trimmed = trim((struct gantry_slice){line, size});
    struct gantry_handshake read = {0};
    struct gantry_slice fields[FIELDS];
    char text[4 * SHOWN + 4];
    size_t count = split(trimmed, fields);

    if (count < 4) {
        return gantry_fail(err, "HANDSHAKE_INVALID",
                           "'%s' is not a go-plugin handshake; nothing but the handshake may be printed to standard "
                           "output first",
                           shown(trimmed.bytes, trimmed.size, text));
    }
    if (read_versions(fields, &read, err) < 0 || handshake_read_address(fields, &read, err) < 0 ||
        read_protocol(fields, count, &read, err) < 0 || read_extras(fields, count, &read, err) < 0)
        return -1;
    *handshake = read;
    return 0;
}

int gantry_handshake_parse_packer(const char *line, size_t size, struct gantry_handshake *handshake,
                                  struct gantry_error *err)
{
    struct gantry_slice trimmed = trim((struct gantry_slice){line, size});
    struct gantry_handshake read = {0};
    struct gantry_slice fields[FIELDS];
    char text[4 * SHOWN + 4];
    size_t count = split(trimmed, fields);

    if (count != 4) {
        return gantry_fail(err, "HANDSHAKE_INVALID",
                           "'%s' is not the handshake of a plugin for Packer; nothing but that may be printed to "
                           "standard output first",
                           shown(trimmed.bytes, trimmed.size, text));
    }
    if (!handshake_parse_number(fields[0], &read.core_version))
        return invalid("1 (API major version)", fields[0], "a number", err);
    if (!handshake_parse_number(fields[1], &read.protocol_version))
        return invalid("2 (API minor version)", fields[1], "a number", err);
    if (handshake_read_address(fields, &read, err) < 0)
        return -1;
    read_protocol(fields, count, &read, err);
    *handshake = read;
    return 0;
}

/* go-plugin writes the standard alphabet without padding, and nothing else. */
static bool is_raw_base64(struct gantry_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '=' || text.bytes[i] == '-' || text.bytes[i] == '_')
            return false;
    }
    return true;
}

int gantry_handshake_certificate(const struct gantry_handshake *handshake, uint8_t *der, struct gantry_error *err)
{
    struct gantry_slice text = handshake->certificate;
    ptrdiff_t size = is_raw_base64(text) ? gantry_base64_decode(text.bytes, text.size, der) : -1;

    if (size < 0)
        return invalid("6 (certificate)", text, "base64 without padding", err);
    return (int)size;
}
