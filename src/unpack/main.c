/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c: gantry-unpack, which gantry itself starts for what would hold up its loop or reads what anybody may have
 * made:
 *
 *     PARENT image   STORE DIGITS TEMPORARY ENTRIES BYTES [BLOB SHA256 SHA256-OF-ARCHIVE]...
 *     PARENT program STORE DIGITS TEMPORARY FILE SHA256
 *     PARENT remove  STORE DIGITS TEMPORARY
 *     PARENT empty   DIRECTORY
 *     PARENT look    ARCHIVE NAME...
 *     PARENT keep    FILE BYTES [ARCHIVE, else standard input]
 *     PARENT link    TARGET FILE
 *     PARENT tie     BYTES COMMAND...
 *
 * PARENT is the process that starts it and that it ends with. A SHA-256 that nobody knows is "-". `image` and `program`
 * hold the image's lock until standard input ends: their caller writes down what it has before it lets others at it.
 * Failures are a line on standard error: code, errno, message. */
#include "core/files/empty_dir.h"
#include "core/system/descriptor.h"
#include "unpack/archive_look.h"
#include "unpack/builder.h"
#include "unpack/confine.h"
#include "unpack/store_place.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYER_ARGUMENTS 3

static void say_result(const char *line)
{
    puts(line);
    fflush(stdout);
}

static void say_waiting(void)
{
    say_result("waiting");
}

/* A failure of a system call on a path of the store. */
static int told_errno(const char *verb, const char *path)
{
    struct gantry_error err;

    gantry_fail_errno(&err, errno, errno == ENOSPC || errno == EDQUOT ? "STORE_FULL" : "STORE_FAILED", "%s %s", verb,
                      path);
    return gantry_builder_tell(&err);
}

static const char *digest_or_null(const char *text)
{
    return strcmp(text, "-") != 0 ? text : NULL;
}

/* ---- image, program ---- */

/* Makes the root in the temporary directory and moves it to its place. Returns the exit status. */
static int build_and_move(const struct gantry_builder *builder, const struct gantry_store_place *place,
                          const char *temporary)
{
    int directory = open(temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int root = -1, status = 1;

    if (directory < 0)
        return told_errno("open", temporary);
    if (mkdirat(directory, "rootfs", 0755) == 0)
        root = openat(directory, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0 || fchmod(root, 0755) < 0)
        told_errno("make a directory in", temporary);
    else if (gantry_builder_run(builder, root) == 0)
        status = syncfs(root) == 0 && renameat(directory, "rootfs", place->directory, "rootfs") == 0
                     ? 0
                     : told_errno("move what was unpacked out of", temporary);
    gantry_close(&root);
    gantry_close(&directory);
    return status;
}

/* Waits until the caller has written down what it has. */
static void wait_for_caller(void)
{
    char byte;
    ssize_t got;

    do
        got = read(STDIN_FILENO, &byte, 1);
    while (got > 0 || (got < 0 && errno == EINTR));
}

static int make_image(const struct gantry_builder *builder, char **arguments)
{
    struct gantry_store_place place;
    struct gantry_error err;
    int status = 0;

    if (gantry_store_check(arguments[0], &err) < 0 ||
        gantry_store_place_take(arguments[0], arguments[1], say_waiting, &place, &err) < 0)
        return gantry_builder_tell(&err);
    if (gantry_store_place_is_full(&place)) {
        say_result("there");
    } else {
        say_result("unpacking");
        status = build_and_move(builder, &place, arguments[2]);
    }
    if (status == 0) {
        say_result("done");
        wait_for_caller();
    }
    gantry_store_place_close(&place);
    return status;
}

static int open_layers(struct gantry_builder *builder, char **arguments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char **of_layer = arguments + i * LAYER_ARGUMENTS;
        struct gantry_layer *layer = &builder->layers[i];

        layer->fd = open(of_layer[0], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        layer->blob = digest_or_null(of_layer[1]);
        layer->archive = digest_or_null(of_layer[2]);
        if (layer->fd < 0)
            return told_errno("open", of_layer[0]);
    }
    builder->layer_count = count;
    return 0;
}

static int run_image(int count, char **arguments)
{
    size_t layers = (size_t)(count - 5) / LAYER_ARGUMENTS;
    struct gantry_builder builder = {.program = -1, .layers = calloc(layers + 1, sizeof *builder.layers)};
    int status;

    if (builder.layers == NULL)
        return told_errno("unpack", arguments[1]);
    builder.bounds.entries = strtoull(arguments[3], NULL, 10);
    builder.bounds.bytes = strtoull(arguments[4], NULL, 10);
    status = open_layers(&builder, arguments + 5, layers);
    if (status == 0)
        status = make_image(&builder, arguments);
    free(builder.layers);
    return status;
}

static int run_one_program(int count, char **arguments)
{
    struct gantry_builder builder = {.bounds = {.entries = 16}, .program_digest = arguments[4]};

    (void)count;
    builder.program = open(arguments[3], O_RDONLY | O_CLOEXEC);
    if (builder.program < 0)
        return told_errno("open", arguments[3]);
    return make_image(&builder, arguments);
}

/* ---- remove, empty ---- */

static int empty_at(const char *path)
{
    struct gantry_error err;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failed = fd >= 0 ? gantry_empty_dir(fd, path, &err) : 0;

    if (fd < 0)
        return errno == ENOENT ? 0 : told_errno("open", path);
    close(fd);
    if (failed < 0) {
        err.code = "STORE_FAILED";
        return gantry_builder_tell(&err);
    }
    return 0;
}

static int run_empty(int count, char **arguments)
{
    (void)count;
    return empty_at(arguments[0]);
}

/* What nobody holds goes out of the place at once, so that none sees a part of it, and then for good. */
static int run_remove(int count, char **arguments)
{
    struct gantry_store_place place;
    struct gantry_error err;
    char from[4096], to[4096];
    int status = 0;

    (void)count;
    if (gantry_store_place_try(arguments[0], arguments[1], &place, &err) < 0)
        return gantry_builder_tell(&err);
    snprintf(from, sizeof from, "%s/images/%s", arguments[0], arguments[1]);
    snprintf(to, sizeof to, "%s/image", arguments[2]);
    if (rename(from, to) < 0)
        status = told_errno("remove", from);
    gantry_store_place_close(&place);
    return status == 0 ? empty_at(arguments[2]) : status;
}

/* ---- look, keep, link, tie ---- */

static int run_look(int count, char **arguments)
{
    int fd = open(arguments[0], O_RDONLY | O_CLOEXEC);
    struct gantry_error err;

    (void)count;
    if (fd < 0) {
        gantry_fail_errno(&err, errno, "IMAGE_UNREADABLE", "open %s", arguments[0]);
        return gantry_builder_tell(&err);
    }
    if (gantry_unpack_confine(-1, &err) < 0 || gantry_archive_look(fd, (const char *const *)(arguments + 1), &err) < 0)
        return gantry_builder_tell(&err);
    return 0;
}

static int run_keep(int count, char **arguments)
{
    int from = count > 2 ? open(arguments[2], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int to = open(arguments[0], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct gantry_error err;

    if (from < 0 || to < 0)
        return told_errno("keep an archive in", arguments[0]);
    if (gantry_unpack_confine(-1, &err) < 0 ||
        gantry_archive_keep(from, to, strtoull(arguments[1], NULL, 10), &err) < 0)
        return gantry_builder_tell(&err);
    return close(to) == 0 ? 0 : told_errno("write", arguments[0]);
}

static int run_link(int count, char **arguments)
{
    (void)count;
    return symlink(arguments[0], arguments[1]) == 0 ? 0 : told_errno("make", arguments[1]);
}

/* Becomes a command that writes no file larger than BYTES. */
static int run_tie(int count, char **arguments)
{
    const struct rlimit most = {strtoull(arguments[0], NULL, 10), strtoull(arguments[0], NULL, 10)};

    (void)count;
    setrlimit(RLIMIT_FSIZE, &most);
    execv(arguments[1], arguments + 1);
    return told_errno("start", arguments[1]);
}

/* ---- ---- */

static const struct {
    const char *name;
    int least; /* arguments */
    int (*run)(int count, char **arguments);
} modes[] = {
    {"image", 5, run_image}, {"program", 5, run_one_program}, {"remove", 3, run_remove}, {"empty", 1, run_empty},
    {"look", 2, run_look},   {"keep", 2, run_keep},           {"link", 2, run_link},     {"tie", 2, run_tie},
};

int main(int argc, char **argv)
{
    struct gantry_error err;

    setlocale(LC_CTYPE, "C.UTF-8"); /* names of files are bytes to us, and text to libarchive */
    umask(077);
    for (size_t i = 0; argc > 3 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[2], modes[i].name) != 0 || argc - 3 < modes[i].least)
            continue;
        if (gantry_unpack_tie((int)strtol(argv[1], NULL, 10), &err) < 0)
            return gantry_builder_tell(&err);
        return modes[i].run(argc - 3, argv + 3);
    }
    fputs("USAGE\t0\tgantry-unpack is for gantry itself\n", stderr);
    return 2;
}
