/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 60000
#define LONGEST_MS 86400000L

/* The arguments that are not read yet, and the ends of vectors in them: the options between two vectors are read
 * before a NULL takes the place of what follows a vector. */
struct reading {
    int argc;
    char **argv;
    int at;
};

static const char *next_text(struct reading *reading)
{
    return reading->at < reading->argc ? reading->argv[reading->at++] : NULL;
}

static bool next_number(struct reading *reading, long most, long *number)
{
    const char *text = next_text(reading);
    char *end = NULL;

    if (text == NULL || *text == '\0')
        return false;
    errno = 0;
    *number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *number >= 0 && *number <= most;
}

static bool next_time(struct reading *reading, int64_t *time)
{
    long number;

    if (!next_number(reading, LONGEST_MS, &number))
        return false;
    *time = number;
    return true;
}

/* COUNT ARGUMENT…: moved down by one, over COUNT, so that there is room for the NULL. */
static bool next_vector(struct reading *reading, char ***vector)
{
    long count;
    char **first;

    if (!next_number(reading, INT_MAX, &count) || count < 1 || count > reading->argc - reading->at)
        return false;
    first = reading->argv + reading->at - 1;
    memmove(first, first + 1, (size_t)count * sizeof *first);
    first[count] = NULL;
    reading->at += (int)count;
    *vector = first;
    return first[0][0] == '/';
}

static bool next_path(struct reading *reading, const char **path)
{
    *path = next_text(reading);
    return *path != NULL && **path == '/';
}

static bool next_of_list(struct reading *reading, const char **list, size_t *count, size_t most)
{
    const char *text = next_text(reading);

    if (text == NULL || *count == most)
        return false;
    list[(*count)++] = text;
    return true;
}

static bool next_name(struct reading *reading, struct monitor_options *options)
{
    if (!next_of_list(reading, options->removes, &options->remove_count, MONITOR_MOST_REMOVES))
        return false;
    return strchr(options->removes[options->remove_count - 1], '/') == NULL;
}

static bool next_descriptor(struct reading *reading, int *fd)
{
    long number;

    if (!next_number(reading, INT_MAX, &number))
        return false;
    *fd = (int)number;
    return true;
}

static bool read_option(struct monitor_options *options, struct reading *reading, const char *name)
{
    if (strcmp(name, "--outlive") == 0)
        return true;
    if (strcmp(name, "--die-with-owner") == 0)
        return options->dies_with_owner = true, next_time(reading, &options->grace_ms);
    if (strcmp(name, "--foreground") == 0)
        return options->foreground = true;
    if (strcmp(name, "--deadline") == 0)
        return next_time(reading, &options->deadline_ms);
    if (strcmp(name, "--stdin") == 0)
        return next_descriptor(reading, &options->input);
    if (strcmp(name, "--own-cgroup") == 0)
        return next_path(reading, &options->own_cgroup);
    if (strcmp(name, "--hold") == 0)
        return next_of_list(reading, options->holds, &options->hold_count, MONITOR_MOST_HOLDS);
    if (strcmp(name, "--remove") == 0)
        return next_name(reading, options);
    if (strcmp(name, "--run") == 0)
        return next_vector(reading, &options->run);
    if (strcmp(name, "--delete") == 0)
        return next_vector(reading, &options->remove_container);
    return false;
}

const char *monitor_options_read(struct monitor_options *options, int argc, char **argv)
{
    struct reading reading = {argc, argv, 1};
    const char *name;

    *options = (struct monitor_options){.deadline_ms = DEADLINE_MS, .input = -1};
    options->directory = next_text(&reading);
    if (options->directory == NULL || options->directory[0] != '/')
        return "the container's directory, absolute, comes first";
    while ((name = next_text(&reading)) != NULL)
        if (!read_option(options, &reading, name))
            return name;
    if (options->run == NULL || options->remove_container == NULL)
        return "--run and --delete are needed";
    return NULL;
}
