/* SPDX-License-Identifier: Apache-2.0
 *
 * test_certificate.c: the pair for AutoMTLS has the fields that go-plugin's own has. */

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/tls/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct gantry_certificate generate(void)
{
    struct gantry_certificate pair;
    struct gantry_error err;

    if (gantry_certificate_generate(&pair, &err) < 0)
        fail_msg("%s: %s", err.code, err.message);
    return pair;
}

/* What the openssl command says of the certificate, or of both: `%s` is a file that holds the pair. */
static void ask_openssl(const struct gantry_certificate *pair, const char *command, char *answer, size_t size)
{
    char path[] = "/tmp/gantry-certificate-XXXXXX";
    char line[512];
    int fd = mkstemp(path);
    FILE *output;
    size_t length;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, pair->certificate, strlen(pair->certificate)), strlen(pair->certificate));
    assert_int_equal(write(fd, pair->key, strlen(pair->key)), strlen(pair->key));
    close(fd);
    snprintf(line, sizeof line, "f=%s; %s", path, command);
    output = popen(line, "re"); /* NOLINT(cert-env33-c): the command is ours */
    assert_non_null(output);
    length = fread(answer, 1, size - 1, output);
    answer[length] = '\0';
    assert_int_equal(pclose(output), 0);
    unlink(path);
}

static void the_fields_are_those_of_go_plugin(void **state)
{
    static const char *const fields[] = {
        "Version: 3",
        "ecdsa-with-SHA256",
        "NIST CURVE: P-256",
        "Issuer: O = HashiCorp, CN = localhost",
        "Subject: O = HashiCorp, CN = localhost",
        "DNS:localhost",
        "TLS Web Client Authentication, TLS Web Server Authentication",
        "Digital Signature, Key Encipherment, Key Agreement, Certificate Sign",
        "CA:TRUE",
    };
    struct gantry_certificate pair = generate();
    char text[8192];

    (void)state;
    /* The spaces in names differ between versions of OpenSSL. */
    ask_openssl(&pair, "openssl x509 -in $f -noout -text | sed 's/\\([A-Z]\\)=/\\1 = /g'", text, sizeof text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strstr(text, fields[i]) == NULL)
            fail_msg("no '%s' in\n%s", fields[i], text);
    }
    gantry_certificate_free(&pair);
}

static void it_is_valid_from_now_and_by_itself(void **state)
{
    struct gantry_certificate pair = generate();
    char text[1024];

    (void)state;
    ask_openssl(&pair, "openssl verify -x509_strict -purpose sslserver -verify_hostname localhost -CAfile $f $f", text,
                sizeof text);
    assert_non_null(strstr(text, ": OK"));
    ask_openssl(&pair, "openssl x509 -in $f -noout -checkend 946000000", text,
                sizeof text); /* just short of 30 years */
    gantry_certificate_free(&pair);
}

static void the_key_belongs_to_it(void **state)
{
    struct gantry_certificate pair = generate();
    char public_key[1024];
    char of_certificate[1024];

    (void)state;
    ask_openssl(&pair, "openssl pkey -in $f -pubout", public_key, sizeof public_key);
    ask_openssl(&pair, "openssl x509 -in $f -noout -pubkey", of_certificate, sizeof of_certificate);
    assert_string_equal(public_key, of_certificate);
    gantry_certificate_free(&pair);
}

static void each_pair_is_another(void **state)
{
    struct gantry_certificate one = generate();
    struct gantry_certificate two = generate();

    (void)state;
    assert_string_not_equal(one.certificate, two.certificate);
    assert_string_not_equal(one.key, two.key);
    gantry_certificate_free(&one);
    gantry_certificate_free(&two);
    assert_null(one.key);
    gantry_certificate_free(&one); /* once more is no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_are_those_of_go_plugin),
        cmocka_unit_test(it_is_valid_from_now_and_by_itself),
        cmocka_unit_test(the_key_belongs_to_it),
        cmocka_unit_test(each_pair_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
