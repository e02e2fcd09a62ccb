/* SPDX-License-Identifier: Apache-2.0 */
#include "core/system/descriptor.h"
#include "unpack/tree_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* How layers say that something of a lower one is gone. */
#define WHITEOUT ".wh."
#define WHITEOUT_LENGTH (sizeof WHITEOUT - 1)
#define OPAQUE ".wh..wh..opq"
#define WHITEOUT_META ".wh..wh."

#define MODE_BITS 07777
#define MODE_BITS_OF_USERS 01777 /* no setuid, no setgid */

/* Whether this is root of the whole machine: one of a user namespace has not all users in it. */
static bool is_root(void)
{
    unsigned long long inside = 1, outside = 1, count = 0;
    FILE *map = geteuid() == 0 ? fopen("/proc/self/uid_map", "re") : NULL;
    int read;

    if (map == NULL)
        return geteuid() == 0;
    read = fscanf(map, "%llu %llu %llu", &inside, &outside, &count); /* NOLINT(cert-err34-c): the kernel's numbers */
    fclose(map);
    return read == 3 && inside == 0 && outside == 0 && count >= UINT32_MAX;
}

int gantry_tree_new(int root, const struct gantry_tree_bounds *bounds, struct gantry_tree **tree,
                    struct gantry_error *err)
{
    struct gantry_tree *made = calloc(1, sizeof *made);

    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "begin to unpack an image: out of memory");
    made->root = root;
    made->parent = -1;
    made->bounds = *bounds;
    made->privileged = is_root();
    umask(0);
    *tree = made;
    return 0;
}

static void forget_directories(struct gantry_tree *tree)
{
    for (size_t i = 0; i < tree->directory_count; i++)
        free(tree->directories[i].path);
    tree->directory_count = 0;
}

void gantry_tree_free(struct gantry_tree *tree)
{
    if (tree == NULL)
        return;
    gantry_tree_leave(tree);
    gantry_made_set_clear(&tree->made);
    forget_directories(tree);
    free(tree->directories);
    free(tree);
}

bool gantry_tree_is_privileged(const struct gantry_tree *tree)
{
    return tree->privileged;
}

uint64_t gantry_tree_entries(const struct gantry_tree *tree)
{
    return tree->entries;
}

/* ---- owners, modes, times ---- */

/* The mode that a directory or file gets. */
static mode_t mode_of(const struct gantry_tree *tree, const struct gantry_tree_entry *entry)
{
    if (tree->privileged)
        return entry->mode & MODE_BITS;
    return (entry->mode & MODE_BITS_OF_USERS) | (S_ISDIR(entry->mode) ? S_IRWXU : S_IRUSR);
}

/* Gives `name` of the directory behind `at` its owner and, where it is no link, its mode, in this order: the kernel
 * takes setuid bits from what is given away. */
static int tree_give(const struct gantry_tree *tree, int at, const char *name, const struct gantry_tree_entry *entry,
                     struct gantry_error *err)
{
    if (tree->privileged && fchownat(at, name, (uid_t)entry->user, (gid_t)entry->group, AT_SYMLINK_NOFOLLOW) < 0)
        return gantry_tree_fail(err, errno, "set the owner of", entry->path);
    if (!S_ISLNK(entry->mode) && fchmodat(at, name, mode_of(tree, entry), 0) < 0)
        return gantry_tree_fail(err, errno, "set the mode of", entry->path);
    return 0;
}

/* Sets the time of its last change, which nothing relies on. */
static void set_time(int at, const char *name, const struct timespec *changed)
{
    const struct timespec times[2] = {*changed, *changed};

    (void)utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
}

static int remember_directory(struct gantry_tree *tree, const char *path, const struct timespec *changed,
                              struct gantry_error *err)
{
    struct tree_directory *grown = tree->directories;
    size_t room = tree->directory_room;

    if (tree->directory_count == room) {
        room = room * 2 + 64;
        grown = realloc(tree->directories, room * sizeof *grown);
    }
    if (grown != NULL) {
        tree->directories = grown;
        tree->directory_room = room;
        grown[tree->directory_count].path = strdup(path);
        grown[tree->directory_count].changed = *changed;
    }
    if (grown == NULL || grown[tree->directory_count].path == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "remember the directories of a layer: out of memory");
    tree->directory_count++;
    return 0;
}

int gantry_tree_end_layer(struct gantry_tree *tree, struct gantry_error *err)
{
    (void)err;
    for (size_t i = tree->directory_count; i > 0; i--) {
        int fd = gantry_tree_open(tree, tree->directories[i - 1].path, O_RDONLY | O_DIRECTORY);
        const struct timespec times[2] = {tree->directories[i - 1].changed, tree->directories[i - 1].changed};

        if (fd >= 0)
            (void)futimens(fd, times);
        gantry_close(&fd);
    }
    forget_directories(tree);
    gantry_made_set_clear(&tree->made);
    return 0;
}

/* ---- entries ---- */

/* The root itself: it has no place in a directory. */
static int make_root(struct gantry_tree *tree, const struct gantry_tree_entry *entry, struct gantry_error *err)
{
    if (entry->hard || !S_ISDIR(entry->mode))
        return gantry_fail(err, "IMAGE_CORRUPT", "the image's root is no directory");
    if (tree_give(tree, tree->root, ".", entry, err) < 0)
        return -1;
    return remember_directory(tree, "", &entry->changed, err);
}

static int tree_make_directory(struct gantry_tree *tree, const char *path, const char *name,
                               const struct gantry_tree_entry *entry, bool merged, struct gantry_error *err)
{
    if (!merged && mkdirat(tree->parent, name, 0700) < 0)
        return gantry_tree_fail(err, errno, "make the directory", entry->path);
    if (tree_give(tree, tree->parent, name, entry, err) < 0)
        return -1;
    return remember_directory(tree, path, &entry->changed, err);
}

static int make_file(struct gantry_tree *tree, const char *name, const struct gantry_tree_entry *entry, int *fd,
                     struct gantry_error *err)
{
    *fd = openat(tree->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *fd >= 0 ? 0 : gantry_tree_fail(err, errno, "make the file", entry->path);
}

/* A second name of a file. The way to the first one is resolved like any; what stands there is not followed. */
static int make_hard_link(struct gantry_tree *tree, const char *name, const struct gantry_tree_entry *entry,
                          struct gantry_error *err)
{
    char target[PATH_MAX];
    char *slash;
    int directory, failure;

    if (gantry_tree_clean(entry->target, target, err) < 0)
        return -1;
    if (*target == '\0')
        return gantry_fail(err, "IMAGE_CORRUPT", "%s of the image is a link to its root", entry->path);
    slash = strrchr(target, '/');
    if (slash != NULL)
        *slash = '\0';
    directory = gantry_tree_open(tree, slash != NULL ? target : "", O_PATH | O_DIRECTORY);
    failure = directory < 0 || linkat(directory, slash != NULL ? slash + 1 : target, tree->parent, name, 0) < 0;
    failure = failure != 0 ? errno : 0;
    gantry_close(&directory);
    return failure == 0 ? 0 : gantry_tree_fail(err, failure, "make the link", entry->path);
}

static int make_symbolic_link(struct gantry_tree *tree, const char *name, const struct gantry_tree_entry *entry,
                              struct gantry_error *err)
{
    if (symlinkat(entry->target, tree->parent, name) < 0)
        return gantry_tree_fail(err, errno, "make the link", entry->path);
    if (tree_give(tree, tree->parent, name, entry, err) < 0)
        return -1;
    set_time(tree->parent, name, &entry->changed);
    return 0;
}

/* A FIFO or device node. A user's image has an empty file where a device would be. */
static int make_node(struct gantry_tree *tree, const char *name, const struct gantry_tree_entry *entry,
                     struct gantry_error *err)
{
    mode_t type = entry->mode & S_IFMT;
    dev_t device = entry->device;

    if (type == S_IFSOCK)
        return gantry_fail(err, "IMAGE_CORRUPT", "%s of the image is a socket", entry->path);
    if (type != S_IFIFO && !tree->privileged) {
        type = S_IFREG;
        device = 0;
    }
    if (mknodat(tree->parent, name, type | 0600, device) < 0)
        return gantry_tree_fail(err, errno, "make the node", entry->path);
    if (tree_give(tree, tree->parent, name, entry, err) < 0)
        return -1;
    set_time(tree->parent, name, &entry->changed);
    return 0;
}

/* Whether an owner is one that the kernel can set: -1 means to it that nothing is to be set. */
static bool is_owner(int64_t number)
{
    return number >= 0 && number < UINT32_MAX;
}

static int make_whiteout(struct gantry_tree *tree, const char *name, struct gantry_error *err)
{
    if (strcmp(name, OPAQUE) == 0)
        name = "";
    else if (strncmp(name, WHITEOUT_META, sizeof WHITEOUT_META - 1) == 0)
        return 0; /* what AUFS kept for itself */
    else
        name += WHITEOUT_LENGTH;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return gantry_fail(err, "IMAGE_UNSAFE", "the image has a whiteout of %s", name);
    if (*name == '\0' || strchr(name, '/') == NULL) {
        int failed = gantry_tree_white_out(tree, name, err);

        gantry_tree_leave(tree);
        return failed;
    }
    return 0;
}

static int make_at(struct gantry_tree *tree, const char *path, const char *name, const struct gantry_tree_entry *entry,
                   int *fd, struct gantry_error *err)
{
    bool merged;

    if (gantry_tree_clear(tree, name, !entry->hard && S_ISDIR(entry->mode), &merged, err) < 0 ||
        gantry_made_set_add(&tree->made, tree->parent_inode, name, err) < 0)
        return -1;
    if (entry->hard)
        return make_hard_link(tree, name, entry, err);
    if (S_ISDIR(entry->mode))
        return tree_make_directory(tree, path, name, entry, merged, err);
    if (S_ISREG(entry->mode))
        return make_file(tree, name, entry, fd, err);
    if (S_ISLNK(entry->mode))
        return make_symbolic_link(tree, name, entry, err);
    return make_node(tree, name, entry, err);
}

int gantry_tree_make(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int *fd, struct gantry_error *err)
{
    char path[PATH_MAX];
    const char *name;

    *fd = -1;
    if (gantry_tree_clean(entry->path, path, err) < 0 || gantry_tree_count(tree, err) < 0)
        return -1;
    if (!is_owner(entry->user) || !is_owner(entry->group))
        return gantry_fail(err, "IMAGE_CORRUPT", "%s of the image has an owner that cannot be", entry->path);
    if (*path == '\0')
        return make_root(tree, entry, err);
    if (gantry_tree_enter(tree, path, &name, err) < 0)
        return -1;
    if (strncmp(name, WHITEOUT, WHITEOUT_LENGTH) == 0)
        return make_whiteout(tree, name, err);
    return make_at(tree, path, name, entry, fd, err);
}

int gantry_tree_own(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int fd, struct gantry_error *err)
{
    if (!tree->privileged || fchown(fd, (uid_t)entry->user, (gid_t)entry->group) == 0)
        return 0;
    return gantry_tree_fail(err, errno, "set the owner of", entry->path);
}

int gantry_tree_finish(struct gantry_tree *tree, const struct gantry_tree_entry *entry, int fd,
                       struct gantry_error *err)
{
    const struct timespec times[2] = {entry->changed, entry->changed};
    int failure = fchmod(fd, mode_of(tree, entry)) < 0 ? errno : 0;

    (void)futimens(fd, times);
    if (close(fd) < 0 && failure == 0)
        failure = errno; /* of a network's file system, which writes late */
    return failure == 0 ? 0 : gantry_tree_fail(err, failure, "finish", entry->path);
}

/* Capabilities of files are root's to tree_give. Of users' own attributes those are left out that mean something to an
 * overlay file system, which may be laid over this tree. */
static bool is_kept(const struct gantry_tree *tree, const char *name)
{
    if (strcmp(name, "security.capability") == 0)
        return tree->privileged;
    return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

int gantry_tree_set_attribute(struct gantry_tree *tree, int fd, const char *path, const char *name, const void *value,
                              size_t size, struct gantry_error *err)
{
    char clean[PATH_MAX];
    int opened = fd, failed, failure;

    if (!is_kept(tree, name) || gantry_tree_clean(path, clean, err) < 0)
        return 0;
    if (fd < 0)
        opened = gantry_tree_open(tree, clean, O_RDONLY | O_DIRECTORY);
    failed = opened < 0 ? -1 : fsetxattr(opened, name, value, size, 0);
    failure = errno;
    if (opened != fd)
        gantry_close(&opened);
    /* A file system without such attributes: what runs here gains no privileges in any case. */
    if (failed == 0 || failure == ENOTSUP)
        return 0;
    return gantry_tree_fail(err, failure, "set an attribute of", path);
}

/* ---- what runtimes mount over ---- */

static int add_directory(struct gantry_tree *tree, const char *name, mode_t mode, struct gantry_error *err)
{
    if (mkdirat(tree->root, name, mode) == 0 || errno == EEXIST)
        return 0;
    return gantry_tree_fail(err, errno, "make the directory", name);
}

static int add_file(struct gantry_tree *tree, int directory, const char *name, struct gantry_error *err)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    (void)tree;
    if (fd < 0 && errno != EEXIST)
        return gantry_tree_fail(err, errno, "make the file", name);
    gantry_close(&fd);
    return 0;
}

int gantry_tree_add_mount_points(struct gantry_tree *tree, struct gantry_error *err)
{
    static const char *const directories[] = {"dev", "etc", "proc", "run", "sys"};
    static const char *const files[] = {"hostname", "hosts", "resolv.conf"};
    int etc, failed;

    failed = add_directory(tree, "tmp", 01777, err);
    for (size_t i = 0; failed == 0 && i < sizeof directories / sizeof *directories; i++)
        failed = add_directory(tree, directories[i], 0755, err);
    etc = failed == 0 ? gantry_tree_open(tree, "etc", O_PATH | O_DIRECTORY) : -1;
    for (size_t i = 0; failed == 0 && etc >= 0 && i < sizeof files / sizeof *files; i++)
        failed = add_file(tree, etc, files[i], err);
    gantry_close(&etc);
    return failed;
}
