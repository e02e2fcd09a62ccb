/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/socket_dir.h"

#include "core/files/dir_marker.h"
#include "core/files/empty_dir.h"
#include "core/files/runtime_dir.h"
#include "core/system/descriptor.h"
#include "core/system/unix_address.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* What the plugin appends: "/plugin" and up to ten digits (go-plugin's os.CreateTemp). */
#define SOCKET_NAME "/plugin0123456789"
#define LONGEST_NAME 64

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

/* Another process may remove the directory between our opening and locking it. */
#define ATTEMPTS 8

struct gantry_socket_dir {
    int root_fd;
    int fd; /* holds the lock */
    bool fresh;
    char *path;
    const char *name; /* the end of path */
};

/* ---- names ---- */

static bool socket_dir_is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(name);

    return size > 0 && size <= LONGEST_NAME && name[0] != '.' && strspn(name, allowed) == size;
}

static int check_name(const char *name, struct gantry_error *err)
{
    if (socket_dir_is_name(name))
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

    if (needed <= GANTRY_UNIX_PATH_SIZE)
        return 0;
    return gantry_fail(err, "SOCKET_PATH_TOO_LONG",
                       "a socket below %.300s/%s would need a path of %zu bytes, and %zu are allowed; set "
                       "GANTRY_RUNTIME_DIR or temp_dir to a directory whose path is %zu bytes shorter",
                       root, name, needed, GANTRY_UNIX_PATH_SIZE, needed - GANTRY_UNIX_PATH_SIZE);
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

static int failed(const struct gantry_socket_dir *dir, const char *action, struct gantry_error *err)
{
    return gantry_fail_errno(err, errno, "SOCKET_DIR_FAILED", "%s socket directory %s", action, dir->path);
}

/* Whether the directory that we have locked is one that gantry made. */
static bool is_marked(const struct gantry_socket_dir *dir)
{
    return gantry_dir_marker_tells(dir->root_fd, dir->name, dir->fd);
}

static void remove_marker(const struct gantry_socket_dir *dir)
{
    gantry_dir_marker_remove(dir->root_fd, dir->name);
}

static int foreign(const struct gantry_socket_dir *dir, struct gantry_error *err)
{
    return gantry_fail(
        err, "SOCKET_DIR_FOREIGN",
        "%s was not made by gantry, which leaves it as it is: use another name, or another directory than "
        "its parent (GANTRY_RUNTIME_DIR, temp_dir)",
        dir->path);
}

/* ---- making ---- */

/* Whether root/name still is the directory that we have locked. */
static bool is_current(const struct gantry_socket_dir *dir)
{
    struct stat locked;
    struct stat named;

    return fstat(dir->fd, &locked) == 0 && fstatat(dir->root_fd, dir->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

/* Fails, and takes away what was made just now. */
static int give_up(const struct gantry_socket_dir *dir, const char *verb, struct gantry_error *err)
{
    failed(dir, verb, err);
    if (dir->fresh)
        unlinkat(dir->root_fd, dir->name, AT_REMOVEDIR); /* an empty one alone */
    return -1;
}

/* One attempt: 1 where the directory is ours, 0 where it was removed meanwhile. */
static int try_lock(struct gantry_socket_dir *dir, bool may_make, struct gantry_error *err)
{
    gantry_close(&dir->fd);
    dir->fresh = may_make && mkdirat(dir->root_fd, dir->name, 0700) == 0;
    if (may_make && !dir->fresh && errno != EEXIST)
        return failed(dir, "make", err);
    if (dir->fresh)
        fchmodat(dir->root_fd, dir->name, 0700, AT_SYMLINK_NOFOLLOW); /* a umask may have barred ourselves */
    dir->fd = openat(dir->root_fd, dir->name, OPEN_DIRECTORY);
    if (dir->fd < 0)
        return may_make && errno == ENOENT ? 0 : give_up(dir, "open", err);
    if (flock(dir->fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return gantry_fail(err, "SOCKET_DIR_BUSY",
                               "another running gantry holds socket directory %s; stop that one, or use another name",
                               dir->path);
        return give_up(dir, "lock", err);
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
    DIR *entries;
    struct dirent *entry;

    if (listed < 0) /* where the system is out of descriptors, another process may have given one back */
        listed = openat(dir->root_fd, ".", OPEN_DIRECTORY);
    entries = listed >= 0 ? fdopendir(listed) : NULL;
    if (entries == NULL) {
        gantry_close(&listed);
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

/* Leaves of a dead owner's directory what a new one would be. */
static int take_over(const struct gantry_socket_dir *dir, struct gantry_error *err)
{
    struct stat status;

    if (fstat(dir->fd, &status) < 0)
        return failed(dir, "look at", err);
    if (status.st_uid != geteuid())
        return gantry_fail(err, "SOCKET_DIR_FAILED", "socket directory %s belongs to user %u; remove it", dir->path,
                           status.st_uid);
    if (!is_marked(dir) && !gantry_dir_is_empty(dir->fd))
        return foreign(dir, err);
    remove_links(dir);
    fremovexattr(dir->fd, DEFAULT_ACL); /* fails where there are no ACLs, which is as good */
    fremovexattr(dir->fd, ACCESS_ACL);  /* so does this */
    return gantry_empty_dir(dir->fd, dir->path, err);
}

static int socket_dir_set_access(const struct gantry_socket_dir *dir, mode_t mode, gid_t group,
                                 struct gantry_error *err)
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

static int socket_dir_set_up(struct gantry_socket_dir *dir, mode_t mode, gid_t group, struct gantry_error *err)
{
    if (take_directory(dir, true, err) < 0)
        return -1;
    if (!dir->fresh && take_over(dir, err) < 0)
        return -1;
    if (gantry_dir_marker_write(dir->root_fd, dir->name, dir->fd) < 0)
        failed(dir, "write the marker of", err);
    else if (socket_dir_set_access(dir, mode, group, err) == 0)
        return 0;
    if (dir->fresh && is_current(dir)) {
        remove_marker(dir);
        unlinkat(dir->root_fd, dir->name, AT_REMOVEDIR);
    }
    return -1;
}

int gantry_socket_dir_make(const char *root, const char *name, mode_t mode, gid_t group, struct gantry_socket_dir **dir,
                           struct gantry_error *err)
{
    char path[PATH_MAX];
    struct gantry_socket_dir *made;

    if (check_name(name, err) < 0 || gantry_runtime_dir_name(root, path, err) < 0 || check_length(path, name, err) < 0)
        return -1;
    made = allocate(path, name);
    if (made == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "make socket directory %s/%s: out of memory", path, name);
    made->root_fd = gantry_runtime_dir_open(path, err);
    if (made->root_fd < 0 || socket_dir_set_up(made, mode, group, err) < 0) {
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
    if (take_directory(dir, false, err) < 0)
        return -1;
    return is_marked(dir) ? 0 : foreign(dir, err);
}

int gantry_socket_dir_adopt(const char *root, const char *name, struct gantry_socket_dir **dir,
                            struct gantry_error *err)
{
    char path[PATH_MAX];
    struct gantry_socket_dir *taken;

    if (check_name(name, err) < 0 || gantry_runtime_dir_name(root, path, err) < 0)
        return -1;
    taken = allocate(path, name);
    if (taken == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "take over socket directory %s/%s: out of memory", path, name);
    taken->root_fd = gantry_runtime_dir_open(path, err);
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
    return failed(dir, "set the ACL of", err);
}

enum { ACL_ENTRIES = 5, ACL_RW = ACL_READ | ACL_WRITE, ACL_RWX = ACL_RW | ACL_EXECUTE };

static struct posix_acl_xattr_entry acl_entry(unsigned tag, unsigned permissions, uint32_t id)
{
    return (struct posix_acl_xattr_entry){htole16(tag), htole16(permissions), htole32(id)};
}

/* The entries are in the kernel's order: the owner, users, the group, groups, the mask, others. */
static int set_acl(struct gantry_socket_dir *dir, const char *attribute,
                   const struct posix_acl_xattr_entry entries[ACL_ENTRIES], struct gantry_error *err)
{
    struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[ACL_ENTRIES];
    } acl = {.header = {htole32(POSIX_ACL_XATTR_VERSION)}};

    memcpy(acl.entries, entries, sizeof acl.entries);
    if (fsetxattr(dir->fd, attribute, &acl, sizeof acl, 0) == 0)
        return 0;
    return acl_failed(dir, err);
}

int gantry_socket_dir_default_acl(struct gantry_socket_dir *dir, uid_t uid, struct gantry_error *err)
{
    const struct posix_acl_xattr_entry entries[ACL_ENTRIES] = {
        acl_entry(ACL_USER_OBJ, ACL_RWX, ACL_UNDEFINED_ID),  acl_entry(ACL_USER, ACL_RW, uid),
        acl_entry(ACL_GROUP_OBJ, ACL_RWX, ACL_UNDEFINED_ID), acl_entry(ACL_MASK, ACL_RWX, ACL_UNDEFINED_ID),
        acl_entry(ACL_OTHER, 0, ACL_UNDEFINED_ID),
    };

    return set_acl(dir, DEFAULT_ACL, entries, err);
}

int gantry_socket_dir_group_acl(struct gantry_socket_dir *dir, gid_t gid, struct gantry_error *err)
{
    struct posix_acl_xattr_entry entries[ACL_ENTRIES] = {
        acl_entry(ACL_USER_OBJ, ACL_RWX, ACL_UNDEFINED_ID),
        acl_entry(ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID),
        acl_entry(ACL_GROUP, ACL_RWX, gid),
        acl_entry(ACL_MASK, ACL_RWX, ACL_UNDEFINED_ID),
        acl_entry(ACL_OTHER, 0, ACL_UNDEFINED_ID),
    };
    struct stat status;

    if (fstat(dir->fd, &status) < 0)
        return failed(dir, "look at", err);
    if ((status.st_mode & S_IRWXG) != 0)
        entries[1] = acl_entry(ACL_GROUP_OBJ, ACL_RWX, ACL_UNDEFINED_ID);
    return set_acl(dir, ACCESS_ACL, entries, err);
}

/* ---- giving back ---- */

void gantry_socket_dir_close(struct gantry_socket_dir *dir)
{
    if (dir == NULL)
        return;
    gantry_close(&dir->fd);
    gantry_close(&dir->root_fd);
    free(dir->path);
    free(dir);
}

bool gantry_socket_dir_empty_in_part(const struct gantry_socket_dir *dir, unsigned most)
{
    return gantry_empty_dir_in_part(dir->fd, most);
}

int gantry_socket_dir_remove(struct gantry_socket_dir *dir, struct gantry_error *err)
{
    int result = gantry_empty_dir(dir->fd, dir->path, err);
    bool current = is_current(dir);

    remove_links(dir);
    /* Either tells that the marker is of this directory: one that cannot be asked now does not leave it behind. */
    if (result == 0 && (current || is_marked(dir)))
        remove_marker(dir);
    if (current && unlinkat(dir->root_fd, dir->name, AT_REMOVEDIR) < 0) {
        if (result == 0)
            result = failed(dir, "remove", err);
    } else if (current && result < 0) {
        remove_marker(dir); /* it was empty, or became so, though it could not be looked into */
        result = 0;
    }
    gantry_socket_dir_close(dir);
    return result;
}

void gantry_socket_dir_remove_rest(const char *root, const char *name)
{
    int fd = socket_dir_is_name(name) ? open(root, OPEN_DIRECTORY) : -1;

    if (fd < 0)
        return;
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        gantry_dir_marker_remove(fd, name);
    close(fd);
}
