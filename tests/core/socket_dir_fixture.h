/* SPDX-License-Identifier: Apache-2.0
 *
 * socket_dir_fixture.h: a runtime directory of the test's own, and one socket directory, `dir`, in it. */
#ifndef TEST_SOCKET_DIR_FIXTURE_H
#define TEST_SOCKET_DIR_FIXTURE_H

#include "core/files/runtime_dir.h"
#include "core/files/socket_dir.h"

#include "child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define KEEP_GROUP (~(gid_t)0)

static struct gantry_error err;
static struct gantry_socket_dir *dir;
static char root[64];

/* The path of something below the root; overwritten by the fourth call after it. */
static inline const char *below(const char *name)
{
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", root, name);
    return path;
}

static inline int set_up(void **state)
{
    (void)state;
    dir = NULL;
    strcpy(root, "/tmp/gantry-sockets-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    char command[256];

    (void)state;
    gantry_socket_dir_close(dir);
    snprintf(command, sizeof command, "chmod -R u+rwX %s && rm -rf %s", root, root);
    return system(command);
}

static inline void assert_code(int result, const char *code)
{
    assert_true(result < 0);
    assert_string_equal(err.code, code);
}

static inline void make(const char *name)
{
    if (gantry_socket_dir_make(root, name, 0700, KEEP_GROUP, &dir, &err) < 0)
        fail_msg("%s: %s", err.code, err.message);
}

/* Gives the directory back without removing it, as the kernel does with a dead owner's. */
static inline void abandon(void)
{
    gantry_socket_dir_close(dir);
    dir = NULL;
}

static inline void remove_it(void)
{
    struct gantry_socket_dir *given_back = dir;

    dir = NULL;
    if (gantry_socket_dir_remove(given_back, &err) < 0)
        fail_msg("%s: %s", err.code, err.message);
}

static inline void assert_message(const char *part)
{
    if (strstr(err.message, part) == NULL)
        fail_msg("the message lacks '%s': %s", part, err.message);
}

static inline void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
}

/* The marker of a directory that gantry made, whatever that was. */
static inline void mark(const char *name)
{
    char marker[PATH_MAX];
    struct stat status;
    FILE *file;

    snprintf(marker, sizeof marker, "%s/.%s.gantry", root, name);
    assert_int_equal(stat(below(name), &status), 0);
    file = fopen(marker, "w");
    assert_non_null(file);
    fprintf(file, "%ju\n", (uintmax_t)status.st_ino);
    assert_int_equal(fclose(file), 0);
}

static inline void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static inline bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

static inline mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

/* How many entries a directory has. */
static inline int entries(const char *path)
{
    DIR *listed = opendir(path);
    int count = 0;

    assert_non_null(listed);
    while (readdir(listed) != NULL)
        count++;
    closedir(listed);
    return count - 2;
}

#endif
