/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz.h: what the fuzz drivers share: failing, cutting input into chunks, and a main for compilers without libFuzzer.
 *
 * A driver is one file with LLVMFuzzerTestOneInput. As CMake builds it, it replays the files and folders it is given,
 * which is a test. To search for more, from this folder:
 *
 *     clang -g -O1 -D_GNU_SOURCE -DGANTRY_LIBFUZZER -fsanitize=fuzzer,address,undefined -I../../src \
 *         fuzz_lines.c ../../src/core/base/{lines,error}.c -o /tmp/fuzz_lines && /tmp/fuzz_lines corpus/lines
 *
 * and keep what it finds as a file of corpus/NAME. */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A size from 1 to 16 that depends on `seed` alone, which moves on. */
static inline size_t next_chunk(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return 1 + (*seed >> 28);
}

/* An exact copy, so that reading past its end is noticed. */
static inline char *exact_copy(const void *bytes, size_t size)
{
    char *copy = malloc(size + (size == 0));

    HOLDS(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

#ifndef GANTRY_LIBFUZZER

static int replay_file(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rbe");
    size_t size;

    HOLDS(file != NULL);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    fprintf(stderr, "%s (%zu bytes)\n", path, size);
    LLVMFuzzerTestOneInput(bytes, size);
    return 1;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    char inner[4096];
    int count = 0;

    if (folder == NULL)
        return replay_file(path);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        count += replay_file(inner);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}

#endif
#endif
