/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/directory.h"

#include "core/system/text.h"
#include "monitor/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_WAIT_SECONDS 5
#define LISTEN_QUEUE 8

static int directory_take_lock(const char *path, int flags, int operation)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error;

    if (fd < 0)
        return -1;
    /* The alarm's signal ends this process, which has done nothing yet. */
    alarm(LOCK_WAIT_SECONDS);
    while (flock(fd, operation) < 0) {
        if (errno == EINTR)
            continue;
        error = errno;
        alarm(0);
        close(fd);
        errno = error;
        return -1;
    }
    alarm(0);
    return fd;
}

const char *monitor_directory_lock(const struct monitor_options *options)
{
    if (directory_take_lock(MONITOR_FILE_LOCK, O_RDWR | O_CREAT, LOCK_EX) < 0)
        return "lock";
    for (size_t i = 0; i < options->hold_count; i++)
        if (directory_take_lock(options->holds[i], O_RDONLY, LOCK_SH) < 0)
            return "hold";
    return NULL;
}

int monitor_directory_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = MONITOR_FILE_SOCKET};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before;
    int result;
    int error;

    if (fd < 0)
        return -1;
    unlink(MONITOR_FILE_SOCKET); /* of a monitor that was killed: the lock is this one's */
    before = umask(0177);
    result = bind(fd, (const struct sockaddr *)&address, sizeof address);
    error = errno;
    umask(before);
    if (result == 0 && listen(fd, LISTEN_QUEUE) == 0)
        return fd;
    if (result == 0)
        error = errno;
    close(fd);
    errno = error;
    return -1;
}

pid_t monitor_directory_pid(void)
{
    char text[32] = "";
    int fd = open(MONITOR_FILE_PID, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t length;
    long pid;

    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    pid = length > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 1 && (pid_t)pid == pid ? (pid_t)pid : 0;
}

size_t monitor_directory_log(char *text, size_t size)
{
    int fd = open(MONITOR_FILE_LOG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;
    ssize_t length = 0;

    if (fd >= 0 && fstat(fd, &status) == 0) {
        off_t skipped = status.st_size - (off_t)(size - 1);

        length = pread(fd, text, size - 1, skipped > 0 ? skipped : 0);
    }
    if (fd >= 0)
        close(fd);
    length = length > 0 ? length : 0;
    text[length] = '\0';
    return (size_t)length;
}

/* ---- what is written ---- */

static bool directory_write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static int begin_file(const char *path)
{
    unlink(path);
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void end_file(int fd, bool complete, const char *path, const char *name)
{
    if (fd < 0)
        return;
    if (close(fd) < 0 || !complete || rename(path, name) < 0)
        unlink(path);
}

static bool write_ring(int fd, const struct monitor_ring *ring)
{
    size_t length;
    size_t done = 0;
    const char *piece = monitor_ring_piece(ring, 0, &length);

    while (length > 0) {
        if (!directory_write_all(fd, piece, length))
            return false;
        done += length;
        piece = monitor_ring_piece(ring, done, &length);
    }
    return true;
}

void monitor_directory_write_tail(const struct monitor_ring rings[2])
{
    struct gantry_text head = gantry_text_begin("tail");
    bool complete;
    int fd;

    if (rings[0].length + rings[1].length == 0 && rings[0].lost + rings[1].lost == 0)
        return;
    for (int i = 0; i < 2; i++) {
        gantry_text_number(&head, (int64_t)rings[i].lost);
        gantry_text_number(&head, (int64_t)rings[i].length);
    }
    gantry_text_raw(&head, "\n");
    fd = begin_file(MONITOR_FILE_TAIL_NEW);
    complete = fd >= 0 && directory_write_all(fd, head.bytes, head.length) && write_ring(fd, &rings[0]) &&
               write_ring(fd, &rings[1]);
    end_file(fd, complete, MONITOR_FILE_TAIL_NEW, MONITOR_FILE_TAIL);
}

struct gantry_text monitor_exit_text(const struct monitor_exit *how)
{
    struct gantry_text text = gantry_text_begin(MONITOR_EXIT);

    gantry_text_number(&text, how->code);
    gantry_text_number(&text, how->signal);
    gantry_text_number(&text, how->wall_ns);
    gantry_text_number(&text, how->monotonic_ns);
    return text;
}

void monitor_directory_write_exit(const struct monitor_exit *how)
{
    struct gantry_text text = monitor_exit_text(how);
    int fd = begin_file(MONITOR_FILE_EXIT_NEW);

    gantry_text_raw(&text, "\n");
    end_file(fd, fd >= 0 && directory_write_all(fd, text.bytes, text.length), MONITOR_FILE_EXIT_NEW, MONITOR_FILE_EXIT);
}

/* ---- what is removed ---- */

static void remove_name(const char *name)
{
    if (unlink(name) < 0 && (errno == EISDIR || errno == EPERM))
        rmdir(name);
}

void monitor_directory_remove(const struct monitor_options *options)
{
    static const char *const own[] = {MONITOR_FILE_SOCKET,   MONITOR_FILE_PID, MONITOR_FILE_EXIT,
                                      MONITOR_FILE_TAIL,     MONITOR_FILE_LOG, MONITOR_FILE_EXIT_NEW,
                                      MONITOR_FILE_TAIL_NEW, MONITOR_FILE_LOCK};

    for (size_t i = 0; i < options->remove_count; i++)
        remove_name(options->removes[i]);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        unlink(own[i]);
    rmdir(options->directory);
}
