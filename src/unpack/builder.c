/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/builder.h"

#include "unpack/confine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes of a layer between two lines of progress. */
#define STEP (1024UL * 1024)
#define PIECE (128UL * 1024)

int gantry_builder_tell(const struct gantry_error *err)
{
    fprintf(stderr, "%s\t%d\t%s\n", err->code, err->os_error, err->message);
    return 1;
}

struct progress {
    size_t layer;
    uint64_t told;
};

static void tell_progress(void *data, uint64_t bytes)
{
    struct progress *progress = data;

    if (bytes - progress->told < STEP)
        return;
    progress->told = bytes;
    printf("progress %zu %" PRIu64 "\n", progress->layer, bytes);
    fflush(stdout);
}

static int add_layers(const struct gantry_builder *builder, struct gantry_tree *tree, struct gantry_error *err)
{
    struct gantry_layer_budget budget = {builder->bounds.bytes, builder->bounds.bytes};

    for (size_t i = 0; i < builder->layer_count; i++) {
        struct progress progress = {.layer = i + 1};

        if (gantry_layer_add(tree, &builder->layers[i], &budget, tell_progress, &progress, err) < 0)
            return -1;
    }
    return 0;
}

/* Copies the program and hashes what is copied. */
static int copy_program(const struct gantry_builder *builder, int to, struct gantry_error *err)
{
    static char bytes[PIECE];
    char hex[GANTRY_DIGEST_SIZE];
    struct gantry_digest *digest;
    ssize_t got;

    if (gantry_digest_new(&digest, err) < 0)
        return -1;
    while ((got = read(builder->program, bytes, sizeof bytes)) > 0) {
        gantry_digest_add(digest, bytes, (size_t)got);
        for (ssize_t done = 0; done < got;) {
            ssize_t written = write(to, bytes + done, (size_t)(got - done));

            if (written < 0) {
                gantry_digest_free(digest);
                return gantry_fail_errno(err, errno, errno == ENOSPC || errno == EDQUOT ? "STORE_FULL" : "STORE_FAILED",
                                         "copy the program into the store");
            }
            done += written;
        }
    }
    gantry_digest_hex(digest, hex);
    gantry_digest_free(digest);
    if (got < 0)
        return gantry_fail_errno(err, errno, "READ_FAILED", "read the program");
    if (strcmp(hex, builder->program_digest) != 0)
        return gantry_fail(err, "FILE_CHANGED", "the program was changed while it was copied into the store");
    return 0;
}

static int add_program(const struct gantry_builder *builder, struct gantry_tree *tree, struct gantry_error *err)
{
    const struct gantry_tree_entry entry = {.path = "plugin", .mode = S_IFREG | 0755};
    int fd;

    if (gantry_tree_make(tree, &entry, &fd, err) < 0 || copy_program(builder, fd, err) < 0)
        return -1;
    return gantry_tree_finish(tree, &entry, fd, err);
}

static int build(const struct gantry_builder *builder, int root, struct gantry_error *err)
{
    struct gantry_tree *tree;

    /* The tree looks at the machine, which the confined process does not see. */
    if (gantry_tree_new(root, &builder->bounds, &tree, err) < 0)
        return -1;
    if (gantry_unpack_confine(root, err) < 0 ||
        (builder->program >= 0 ? add_program(builder, tree, err) : add_layers(builder, tree, err)) < 0 ||
        gantry_tree_add_mount_points(tree, err) < 0) {
        gantry_tree_free(tree);
        return -1;
    }
    printf("made %" PRIu64 "\n", gantry_tree_entries(tree));
    gantry_tree_free(tree);
    return fflush(stdout) == 0 ? 0 : gantry_fail_errno(err, errno, "UNPACK_FAILED", "tell of what was made");
}

int gantry_builder_run(const struct gantry_builder *builder, int root)
{
    struct gantry_error err;
    pid_t own = getpid(), child = fork();
    int status;

    if (child < 0) {
        gantry_fail_errno(&err, errno, "UNPACK_FAILED", "begin to unpack");
        return gantry_builder_tell(&err);
    }
    if (child == 0) {
        if (gantry_unpack_tie(own, &err) < 0 || build(builder, root, &err) < 0)
            _exit(gantry_builder_tell(&err));
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 0 ? 0 : 1;
    gantry_fail(&err, "UNPACK_FAILED", "unpack the image: the process that does it was ended by signal %d",
                WTERMSIG(status));
    return gantry_builder_tell(&err);
}
