/* SPDX-License-Identifier: Apache-2.0 */
#include "face/broker_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENERATIONS 4 /* how far up the host may be: shells can stand between */

static const char prefix[] = "plugin"; /* go-plugin's name for a socket, before digits */

void gantry_broker_watch_open(struct gantry_broker_watch *watch)
{
    const char *multiplex = getenv("PLUGIN_MULTIPLEX_GRPC");
    const char *folder = getenv("TMPDIR");

    *watch = (struct gantry_broker_watch){.fd = -1, .folder = folder != NULL && folder[0] != '\0' ? folder : "/tmp"};
    if (multiplex != NULL && strcmp(multiplex, "true") == 0)
        return;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd >= 0 && inotify_add_watch(watch->fd, watch->folder, IN_CREATE | IN_ONLYDIR) < 0)
        gantry_broker_watch_close(watch);
}

void gantry_broker_watch_close(struct gantry_broker_watch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

static bool broker_is_name(const char *name)
{
    const char *digits = name + sizeof prefix - 1;

    return strncmp(name, prefix, sizeof prefix - 1) == 0 && digits[0] != '\0' &&
           digits[strspn(digits, "0123456789")] == '\0';
}

/* Passes over words and the blanks after each. */
static const char *skip_words(const char *text, int count)
{
    for (; count > 0; count--) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return text;
}

/* The number by which /proc knows the socket that is bound to a path; 0 where there is none. */
static unsigned long socket_number(const char *path)
{
    FILE *sockets = fopen("/proc/self/net/unix", "re");
    unsigned long number = 0;
    char line[512];

    while (sockets != NULL && number == 0 && fgets(line, sizeof line, sockets) != NULL) {
        const char *inode = skip_words(line, 6); /* Num RefCount Protocol Flags Type St Inode Path */

        line[strcspn(line, "\n")] = '\0';
        if (strcmp(skip_words(inode, 1), path) == 0)
            number = strtoul(inode, NULL, 10);
    }
    if (sockets != NULL)
        fclose(sockets);
    return number;
}

static bool holds_socket(pid_t pid, unsigned long number)
{
    char wanted[64];
    char folder[64];
    bool found = false;
    struct dirent *entry;
    DIR *descriptors;
    int fd;

    snprintf(wanted, sizeof wanted, "socket:[%lu]", number);
    snprintf(folder, sizeof folder, "/proc/%d/fd", (int)pid);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    descriptors = fdopendir(fd);
    while (descriptors != NULL && !found &&
           (entry = readdir(descriptors)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        char target[64];
        ssize_t size = readlinkat(fd, entry->d_name, target, sizeof target - 1);

        target[size > 0 ? size : 0] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (descriptors != NULL)
        closedir(descriptors);
    else
        close(fd);
    return found;
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    char text[512];
    const char *after_name;
    FILE *status;
    size_t size;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    status = fopen(path, "re");
    if (status == NULL)
        return 0;
    size = fread(text, 1, sizeof text - 1, status);
    fclose(status);
    text[size] = '\0';
    after_name = strrchr(text, ')');
    return after_name != NULL ? (pid_t)strtol(skip_words(after_name, 2), NULL, 10) : 0;
}

static bool is_hosts(const char *path)
{
    unsigned long number = socket_number(path);
    pid_t pid = getppid();

    for (int i = 0; number != 0 && pid > 0 && i < GENERATIONS; i++, pid = parent_of(pid))
        if (holds_socket(pid, number))
            return true;
    return false;
}

bool gantry_broker_watch_read(struct gantry_broker_watch *watch, char path[PATH_MAX])
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t size = read(watch->fd, events, sizeof events);

    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);

        at += (ssize_t)(sizeof *event + event->len);
        if (event->len == 0 || !broker_is_name(event->name))
            continue;
        snprintf(path, PATH_MAX, "%s/%s", watch->folder, event->name);
        if (is_hosts(path))
            return true;
    }
    return false;
}
