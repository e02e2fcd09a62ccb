/* SPDX-License-Identifier: Apache-2.0 */
#include "socket_dir.h"

#include "empty_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* What the plugin appends: "/plugin" and up to ten digits (go-plugin's os.CreateTemp). */
#define SOCKET_NAME "/plugin0123456789"
#define LONGEST_PATH (sizeof((struct sockaddr_un *)0)->sun_path - 1)
#define LONGEST_NAME 64

/* Another process may remove the directory between our opening and locking it. */
#define ATTEMPTS 8

struct gantry_socket_dir {
    int root_fd;
    int fd; /* holds the lock */
    bool fresh;
    char *path;
    const char *name; /* the end of path */
};

static void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the root ---- */

/* Copies an absolute path without slashes at its end, which would have a link followed in spite of O_NOFOLLOW. */
static int copy_root(const char *path, char root[PATH_MAX], struct gantry_error *err)
{
    size_t size = strlen(path);

    while (size > 0 && path[size - 1] == '/')
        size--;
    if (path[0] != '/' || size == 0 || size >= PATH_MAX) {
        return gantry_fail(err, "RUNTIME_DIR_FAILED",
                           "runtime directory '%.200s' must be an absolute path to a directory of its own; set "
                           "GANTRY_RUNTIME_DIR to one",
                           path);
    }
    memcpy(root, path, size);
    root[size] = '\0';
    return 0;
}

static int root_not_opened(const char *root, struct gantry_error *err)
{
    int failure = errno;
    struct stat status;

    if ((failure == ENOTDIR || failure == ELOOP) && lstat(root, &status) == 0) {
        if (S_ISLNK(status.st_mode)) {
            return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                               "runtime directory %s is a symlink, which could lead anywhere; name the real directory "
                               "(GANTRY_RUNTIME_DIR) or remove the symlink",
                               root);
        }
        return gantry_fail(err, "RUNTIME_DIR_FAILED", "runtime directory %s is not a directory; remove what is there",
                           root);
    }
    return gantry_fail_errno(err, failure, "RUNTIME_DIR_FAILED",
                             "open runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
}

static int check_root(int fd, const char *root, struct gantry_error *err)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED", "look at runtime directory %s", root);
    if (status.st_uid != geteuid()) {
        return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                           "runtime directory %s belongs to user %u, not to you (%u); set GANTRY_RUNTIME_DIR to one of "
                           "your own",
                           root, status.st_uid, geteuid());
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return gantry_fail(err, "RUNTIME_DIR_UNSAFE",
                           "runtime directory %s (mode %04o) may be written to by others; chmod go-w %s", root,
                           status.st_mode & 07777, root);
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED",
                                 "write to runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
    return 0;
}

/* Opens a root that is fit for use. Returns its descriptor. */
static int open_root(const char *root, struct gantry_error *err)
{
    int fd = open(root, OPEN_DIRECTORY);

    if (fd < 0)
        return root_not_opened(root, err);
    if (check_root(fd, root, err) < 0)
        close_descriptor(&fd);
    return fd;
}

int gantry_socket_dir_root(const char *path, struct gantry_error *err)
{
    char root[PATH_MAX];
    int fd;

    if (copy_root(path, root, err) < 0)
        return -1;
    /* The mode once more, since a umask may have taken bits that the owner needs. */
    if (mkdir(root, 0700) == 0)
        fchmodat(AT_FDCWD, root, 0700, AT_SYMLINK_NOFOLLOW);
    else if (errno != EEXIST)
        return gantry_fail_errno(err, errno, "RUNTIME_DIR_FAILED",
                                 "make runtime directory %s (GANTRY_RUNTIME_DIR names another)", root);
    fd = open_root(root, err);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* ---- names ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(name);

    return size > 0 && size <= LONGEST_NAME && name[0] != '.' && strspn(name, allowed) == size;
}

static int check_name(const char *name, struct gantry_error *err)
{
    if (is_name(name))
        return 0;
    return gantry_fail(
        err, "SOCKET_NAME_INVALID",
        "'%.80s' cannot name a socket directory or a link to a socket: use up to %d letters, digits, '.', "
        "'_' and '-', and no leading dot",
        name, LONGEST_NAME);
}

static int check_length(const char *root, const char *name, struct gantry_error *err)
{
    size_t needed = strlen(root) + 1 + strlen(name) + strlen(SOCKET_NAME);

    if (needed <= LONGEST_PATH)
        return 0;
    return gantry_fail(err, "SOCKET_PATH_TOO_LONG",
                       "a socket below %.300s/%s would need a path of %zu bytes, and %zu are allowed; set "
                       "GANTRY_RUNTIME_DIR or temp_dir to a directory whose path is %zu bytes shorter",
                       root, name, needed, LONGEST_PATH, needed - LONGEST_PATH);
}

/* Whether `target` is name/something, with no way out. */
static bool leads_inside(const struct gantry_socket_dir *dir, const char *target)
{
    size_t size = strlen(dir->name);
    const char *rest;

    if (strncmp(target, dir->name, size) != 0 || target[size] != '/')
        return false;
    rest = target + size + 1;
    return *rest != '\0' && strchr(rest, '/') == NULL && strcmp(rest, ".") != 0 && strcmp(rest, "..") != 0;
}

/* ---- making ---- */

static int failed(const struct gantry_socket_dir *dir, const char *action, struct gantry_error *err)
{
    return gantry_fail_errno(err, errno, "SOCKET_DIR_FAILED", "%s socket directory %s", action, dir->path);
}

/* Whether root/name still is the directory that we have locked. */
static bool is_current(const struct gantry_socket_dir *dir)
{
    struct stat locked;
    struct stat named;

    return fstat(dir->fd, &locked) == 0 && fstatat(dir->root_fd, dir->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

/* One attempt: 1 where the directory is ours, 0 where it was removed meanwhile. */
static int try_lock(struct gantry_socket_dir *dir, bool may_make, struct gantry_error *err)
{
    close_descriptor(&dir->fd);
    dir->fresh = may_make && mkdirat(dir->root_fd, dir->name, 0700) == 0;
    if (may_make && !dir->fresh && errno != EEXIST)
        return failed(dir, "make", err);
    if (dir->fresh)
        fchmodat(dir->root_fd, dir->name, 0700, AT_SYMLINK_NOFOLLOW); /* a umask may have barred ourselves */
    dir->fd = openat(dir->root_fd, dir->name, OPEN_DIRECTORY);
    if (dir->fd < 0)
        return may_make && errno == ENOENT ? 0 : failed(dir, "open", err);
    if (flock(dir->fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return gantry_fail(err, "SOCKET_DIR_BUSY",
                               "another running gantry holds socket directory %s; stop that one, or use another name",
                               dir->path);
        return failed(dir, "lock", err);
    }
    return is_current(dir) ? 1 : 0;
}

static int take_directory(struct gantry_socket_dir *dir, bool may_make, struct gantry_error *err)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int taken = try_lock(dir, may_make, err);

        if (taken != 0)
            return taken < 0 ? -1 : 0;
    }
    return gantry_fail(err, "SOCKET_DIR_FAILED", "lock socket directory %s: others keep removing it", dir->path);
}

/* Removes the links in root that lead into the directory: ours, and a dead owner's. */
static void remove_links(const struct gantry_socket_dir *dir)
{
    int listed = openat(dir->root_fd, ".", OPEN_DIRECTORY);
    DIR *entries = listed >= 0 ? fdopendir(listed) : NULL;
    struct dirent *entry;

    if (entries == NULL) {
        close_descriptor(&listed);
        return;
    }
    while ((entry = readdir(entries)) != NULL) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        char target[LONGEST_NAME + NAME_MAX + 2];
        ssize_t size;

        if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
            continue;
        size = readlinkat(dir->root_fd, entry->d_name, target, sizeof target - 1);
        if (size < 0)
            continue;
        target[size] = '\0';
        if (leads_inside(dir, target))
            unlinkat(dir->root_fd, entry->d_name, 0);
    }
    closedir(entries);
}

/* libacl knows default entries by path only; this one leads to the descriptor and nowhere else. */
static const char *path_of_descriptor(const struct gantry_socket_dir *dir, char path[32])
{
    snprintf(path, 32, "/proc/self/fd/%d", dir->fd);
    return path;
}

/* Leaves of a dead owner's directory what a new one would be. */
static int take_over(const struct gantry_socket_dir *dir, struct gantry_error *err)
{
    char path[32];
    struct stat status;

    if (fstat(dir->fd, &status) < 0)
        return failed(dir, "look at", err);
    if (status.st_uid != geteuid())
        return gantry_fail(err, "SOCKET_DIR_FAILED", "socket directory %s belongs to user %u; remove it", dir->path,
                           status.st_uid);
    remove_links(dir);
    acl_delete_def_file(path_of_descriptor(dir, path)); /* fails where there are no ACLs, which is as good */
    return gantry_empty_dir(dir->fd, dir->path, err);
}

static int set_access(const struct gantry_socket_dir *dir, mode_t mode, gid_t group, struct gantry_error *err)
{
    /* The group first: changing it takes mode bits away. */
    if (group != (gid_t)-1 && fchown(dir->fd, (uid_t)-1, group) < 0) {
        if (errno == EPERM) {
            return gantry_fail(
                err, "GROUP_NOT_ALLOWED",
                "give socket directory %s to group %u: you are not a member of it; use one of your groups "
                "(see id -G)",
                dir->path, group);
        }
        return failed(dir, "change the group of", err);
    }
    if (fchmod(dir->fd, mode) < 0)
        return failed(dir, "set the mode of", err);
    return 0;
}

static struct gantry_socket_dir *allocate(const char *root, const char *name)
{
    struct gantry_socket_dir *dir = calloc(1, sizeof *dir);

    if (dir == NULL)
        return NULL;
    dir->root_fd = -1;
    dir->fd = -1;
    if (asprintf(&dir->path, "%s/%s", root, name) < 0) {
        free(dir);
        return NULL;
    }
    dir->name = dir->path + strlen(root) + 1;
    return dir;
}

static int set_up(struct gantry_socket_dir *dir, mode_t mode, gid_t group, struct gantry_error *err)
{
    if (take_directory(dir, true, err) < 0)
        return -1;
    if (!dir->fresh && take_over(dir, err) < 0)
        return -1;
    if (set_access(dir, mode, group, err) == 0)
        return 0;
    if (dir->fresh && is_current(dir))
        unlinkat(dir->root_fd, dir->name, AT_REMOVEDIR);
    return -1;
}

int gantry_socket_dir_make(const char *root, const char *name, mode_t mode, gid_t group, struct gantry_socket_dir **dir,
                           struct gantry_error *err)
{
    char path[PATH_MAX];
    struct gantry_socket_dir *made;

    if (check_name(name, err) < 0 || copy_root(root, path, err) < 0 || check_length(path, name, err) < 0)
        return -1;
    made = allocate(path, name);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make socket directory %s/%s: out of memory", path, name);
    made->root_fd = open_root(path, err);
    if (made->root_fd < 0 || set_up(made, mode, group, err) < 0) {
        gantry_socket_dir_close(made);
        return -1;
    }
    *dir = made;
    return 0;
}

/* Locks what is there; nothing is made. */
static int take_existing(struct gantry_socket_dir *dir, struct gantry_error *err)
{
    struct stat status;

    if (fstatat(dir->root_fd, dir->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(dir, "take over", err);
    if (status.st_uid != geteuid())
        return gantry_fail(err, "SOCKET_DIR_FAILED", "socket directory %s belongs to user %u", dir->path,
                           status.st_uid);
    return take_directory(dir, false, err);
}

int gantry_socket_dir_adopt(const char *root, const char *name, struct gantry_socket_dir **dir,
                            struct gantry_error *err)
{
    char path[PATH_MAX];
    struct gantry_socket_dir *taken;

    if (check_name(name, err) < 0 || copy_root(root, path, err) < 0)
        return -1;
    taken = allocate(path, name);
    if (taken == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "take over socket directory %s/%s: out of memory", path, name);
    taken->root_fd = open_root(path, err);
    if (taken->root_fd < 0 || take_existing(taken, err) < 0) {
        gantry_socket_dir_close(taken);
        return -1;
    }
    *dir = taken;
    return 0;
}

const char *gantry_socket_dir_path(const struct gantry_socket_dir *dir)
{
    return dir->path;
}

int gantry_socket_dir_lock(const struct gantry_socket_dir *dir)
{
    return dir->fd;
}

bool gantry_socket_dir_fresh(const struct gantry_socket_dir *dir)
{
    return dir->fresh;
}

/* ---- links and access ---- */

int gantry_socket_dir_link(struct gantry_socket_dir *dir, const char *link, const char *target,
                           struct gantry_error *err)
{
    char temporary[2 * LONGEST_NAME + 8];
    struct stat status;

    if (check_name(link, err) < 0)
        return -1;
    if (!leads_inside(dir, target))
        return gantry_fail(err, "SOCKET_NAME_INVALID",
                           "'%.80s' is no target for link %s: it must be %s/ and the name of a socket there", target,
                           link, dir->name);
    /* No name of a directory or link begins with a dot, and nobody else has our directory's. */
    snprintf(temporary, sizeof temporary, ".%s.%s.new", dir->name, link);
    unlinkat(dir->root_fd, temporary, 0);
    if (symlinkat(target, dir->root_fd, link) == 0)
        return 0; /* there was nothing to replace */
    if (fstatat(dir->root_fd, link, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(status.st_mode))
        return gantry_fail(err, "SOCKET_DIR_FAILED",
                           "make symlink %s beside %s: something else has that name; remove it or use another name",
                           link, dir->path);
    if (symlinkat(target, dir->root_fd, temporary) < 0 || renameat(dir->root_fd, temporary, dir->root_fd, link) < 0) {
        gantry_fail_errno(err, errno, "SOCKET_DIR_FAILED", "make symlink %s beside %s", link, dir->path);
        unlinkat(dir->root_fd, temporary, 0);
        return -1;
    }
    return 0;
}

static int acl_failed(const struct gantry_socket_dir *dir, struct gantry_error *err)
{
    if (errno == EOPNOTSUPP) {
        return gantry_fail(err, "ACL_UNSUPPORTED",
                           "the file system of %s has no ACLs, which this engine needs; choose a directory on another "
                           "(GANTRY_RUNTIME_DIR), such as a tmpfs or ext4",
                           dir->path);
    }
    return failed(dir, "set the default ACL of", err);
}

int gantry_socket_dir_default_acl(struct gantry_socket_dir *dir, uid_t uid, struct gantry_error *err)
{
    char text[128];
    char path[32];
    acl_t acl;
    int result;

    snprintf(text, sizeof text, "u::rwx,g::rwx,o::-,u:%u:rw,m::rwx", uid);
    acl = acl_from_text(text);
    if (acl == NULL)
        return failed(dir, "write the default ACL of", err);
    result = acl_set_file(path_of_descriptor(dir, path), ACL_TYPE_DEFAULT, acl);
    if (result < 0)
        acl_failed(dir, err);
    acl_free(acl);
    return result < 0 ? -1 : 0;
}

/* ---- giving back ---- */

void gantry_socket_dir_close(struct gantry_socket_dir *dir)
{
    if (dir == NULL)
        return;
    close_descriptor(&dir->fd);
    close_descriptor(&dir->root_fd);
    free(dir->path);
    free(dir);
}

int gantry_socket_dir_remove(struct gantry_socket_dir *dir, struct gantry_error *err)
{
    int result = gantry_empty_dir(dir->fd, dir->path, err);

    remove_links(dir);
    if (is_current(dir) && unlinkat(dir->root_fd, dir->name, AT_REMOVEDIR) < 0 && result == 0)
        result = failed(dir, "remove", err);
    gantry_socket_dir_close(dir);
    return result;
}
