/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_json_scan.c: in any bytes, the numbers found lie in the text, in order, hold nothing but what numbers are made
 * of and go on to their end; and each is found with letters that is found without. Plain parts of strings hold nothing
 * that ends them.
 *
 * Input: the text. */
#include "core/base/json_scan.h"

#include "fuzz.h"

static bool is_of_a_number(char byte)
{
    return byte != '\0' && strchr("0123456789+-.eE", byte) != NULL;
}

/* Marks the first byte of each number that is found; returns how many. */
static int scan(const char *text, size_t size, bool letters, char *marks)
{
    size_t from = 0;
    size_t start = 0;
    size_t last = 0;
    int count = 0;

    memset(marks, 0, size);
    while (gantry_json_scan_number(text, size, letters, &from, &start)) {
        HOLDS(last <= start && start < from && from <= size);
        for (size_t at = start; at < from; at++)
            HOLDS(is_of_a_number(text[at]));
        HOLDS(from == size || !is_of_a_number(text[from]));
        marks[start] = 1;
        last = from;
        count++;
    }
    HOLDS(from == size);
    return count;
}

static void scan_plain(const char *text, size_t size)
{
    for (size_t from = 0; from < size; from++) {
        size_t end = gantry_json_scan_plain(text, size, from);

        HOLDS(end >= from && end <= size);
        for (size_t at = from; at < end; at++)
            HOLDS(text[at] != '"' && text[at] != '\\' && (unsigned char)text[at] >= ' ');
        from = end;
    }
    HOLDS(gantry_json_scan_plain(text, size, size) == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = exact_copy(data, size);
    char *some = malloc(size + 1);
    char *all = malloc(size + 1);

    HOLDS(some != NULL && all != NULL);
    HOLDS(scan(text, size, false, some) <= scan(text, size, true, all));
    for (size_t at = 0; at < size; at++)
        HOLDS(!some[at] || all[at]);
    scan_plain(text, size);
    free(all);
    free(some);
    free(text);
    return 0;
}
