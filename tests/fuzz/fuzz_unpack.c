/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_unpack.c: any bytes as two layers of an image: what is made lies below the image's root and within the bounds,
 * and nothing crashes. The root is a folder of a file system of the test's own, beside a file that must stay as it is.
 *
 * Input: two bytes that say where the second layer begins, then the layers. */
#include "unpack/layer.h"

#include "core/files/empty_dir.h"

#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES 64
#define BYTES 65536

static char folder[64];

static void remove_folder(void)
{
    char path[96];

    snprintf(path, sizeof path, "%s/outside", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/root", folder);
    rmdir(path);
    rmdir(folder);
}

/* Makes the folder once. Gives the descriptor of its root. */
static int open_root(void)
{
    static int root = -1;
    char path[96];
    int outside;

    if (root >= 0)
        return root;
    snprintf(folder, sizeof folder, "%s/gantry-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    HOLDS(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/outside", folder);
    outside = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    HOLDS(outside >= 0 && write(outside, "outside", 7) == 7);
    close(outside);
    snprintf(path, sizeof path, "%s/root", folder);
    HOLDS(mkdir(path, 0700) == 0);
    root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(root >= 0);
    return root;
}

/* What is beside the root is as it was, and nothing else is there. */
static void check_outside(void)
{
    char path[96], bytes[16];
    struct dirent *entry;
    int count = 0, fd;
    DIR *listed = opendir(folder);

    HOLDS(listed != NULL);
    while ((entry = readdir(listed)) != NULL)
        count++;
    closedir(listed);
    HOLDS(count == 4); /* with "." and ".." */
    snprintf(path, sizeof path, "%s/outside", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    HOLDS(fd >= 0 && read(fd, bytes, sizeof bytes) == 7 && memcmp(bytes, "outside", 7) == 0);
    close(fd);
}

static int add(struct gantry_tree *tree, struct gantry_layer_budget *budget, const uint8_t *bytes, size_t size,
               struct gantry_error *err)
{
    struct gantry_layer layer = {.fd = memfd_create("layer", MFD_CLOEXEC)};
    int failed;

    HOLDS(layer.fd >= 0 && write(layer.fd, bytes, size) == (ssize_t)size && lseek(layer.fd, 0, SEEK_SET) == 0);
    failed = gantry_layer_add(tree, &layer, budget, NULL, NULL, err);
    close(layer.fd);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gantry_tree_bounds bounds = {.entries = ENTRIES, .bytes = BYTES};
    struct gantry_layer_budget budget = {BYTES, BYTES};
    struct gantry_error err = {0};
    struct gantry_tree *tree;
    size_t first;
    int root = open_root();

    if (size < 2)
        return 0;
    first = ((size_t)data[0] << 8 | data[1]) % (size - 1);
    HOLDS(gantry_tree_new(root, &bounds, &tree, &err) == 0);
    if (add(tree, &budget, data + 2, first < size - 2 ? first : size - 2, &err) == 0 && first < size - 2 &&
        add(tree, &budget, data + 2 + first, size - 2 - first, &err) == 0)
        HOLDS(gantry_tree_add_mount_points(tree, &err) == 0 || err.code != NULL);
    HOLDS(gantry_tree_entries(tree) <= ENTRIES + 1);
    HOLDS(budget.files <= BYTES && budget.archives <= BYTES);
    gantry_tree_free(tree);
    check_outside();
    HOLDS(gantry_empty_dir(root, folder, &err) == 0);
    return 0;
}
