/* SPDX-License-Identifier: Apache-2.0
 *
 * json_scan.h: finds the numbers of a text of JSON that a double may not hold, and where strings are interrupted.
 *
 * Pure; owns nothing. Any bytes may be given: what is no JSON is scanned all the same, and left to its parser. */
#ifndef GANTRY_JSON_SCAN_H
#define GANTRY_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the first number at or after `*from`, which is outside of strings, that has more than 15 digits or an exponent,
 * or does not begin and end with a digit; with `letters` also any that can be written in another way, such as -0 and
 * 1.10. True where there is one: `*start` is where it begins and `*from` where it ends. Else `*from` is `length`. */
bool gantry_json_scan_number(const char *text, size_t length, bool letters, size_t *from, size_t *start);

/* Where the plain part of a string ends that goes on at `from`: at a quote, a backslash or a control character, or at
 * `length`. */
size_t gantry_json_scan_plain(const char *text, size_t length, size_t from);

#endif
