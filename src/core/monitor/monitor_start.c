/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_start.c: a monitor that is started, and one that lives. */
#include "core/monitor/monitor_internal.h"
#include "core/system/descriptor.h"
#include "core/system/own_program.h"

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

#define MOST_OWN_ARGUMENTS 64 /* all but the two command lines */
#define NUMBER_SIZE 24

/* The program's command line. Its strings are the options' or its own. */
struct command {
    const char **arguments;
    size_t count;
    char numbers[4][NUMBER_SIZE];
    size_t number_count;
};

static size_t length_of(const char *const *list)
{
    size_t length = 0;

    while (list != NULL && list[length] != NULL)
        length++;
    return length;
}

static void command_add(struct command *command, const char *text)
{
    command->arguments[command->count++] = text;
}

static void add_number(struct command *command, const char *name, int64_t number)
{
    char *text = command->numbers[command->number_count++];

    snprintf(text, NUMBER_SIZE, "%lld", (long long)number);
    command_add(command, name);
    command_add(command, text);
}

static void add_each(struct command *command, const char *name, const char *const *list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        command_add(command, name);
        command_add(command, list[i]);
    }
}

static void add_vector(struct command *command, const char *name, const char *const *list)
{
    add_number(command, name, (int64_t)length_of(list));
    for (size_t i = 0; list[i] != NULL; i++)
        command_add(command, list[i]);
}

static void fill_command(struct command *command, const struct gantry_monitor_options *options, const char *program,
                         char input[NUMBER_SIZE])
{
    command_add(command, program);
    command_add(command, options->directory);
    if (options->dies_with_owner)
        add_number(command, "--die-with-owner", options->grace_ms);
    else
        command_add(command, "--outlive");
    if (options->foreground)
        command_add(command, "--foreground");
    if (options->deadline_ms > 0)
        add_number(command, "--deadline", options->deadline_ms);
    if (options->input >= 0) {
        snprintf(input, NUMBER_SIZE, "%d", MONITOR_CONNECTION + 1);
        command_add(command, "--stdin");
        command_add(command, input);
    }
    if (options->own_cgroup != NULL) {
        command_add(command, "--own-cgroup");
        command_add(command, options->own_cgroup);
    }
    add_each(command, "--hold", options->holds);
    add_each(command, "--remove", options->removes);
    add_vector(command, "--run", options->run);
    add_vector(command, "--delete", options->delete_command);
    command_add(command, NULL);
}

static void starter_ended(void *data, const struct gantry_process_exit *how)
{
    struct gantry_monitor *monitor = data;
    struct gantry_process *starter = monitor->starter;

    (void)how; /* what it has left speaks over the connection, and nothing does where it failed */
    monitor->starter = NULL;
    gantry_process_free(starter);
}

static int start_program(struct gantry_monitor *monitor, const struct gantry_monitor_options *options,
                         const char *program, int end, struct gantry_error *err)
{
    const int handed[] = {end, options->input};
    char input[NUMBER_SIZE];
    size_t most = MOST_OWN_ARGUMENTS + length_of(options->run) + length_of(options->delete_command) +
                  2 * (length_of(options->holds) + length_of(options->removes));
    struct command command = {.arguments = calloc(most, sizeof *command.arguments)};
    struct gantry_process_options process = {.argv = command.arguments,
                                             .environment = options->environment,
                                             .handed = handed,
                                             .handed_count = options->input >= 0 ? 2 : 1,
                                             .on_exit = starter_ended,
                                             .data = monitor};
    int result;

    if (command.arguments == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "start a container's monitor: out of memory");
    fill_command(&command, options, program, input);
    result = gantry_process_spawn(monitor->loop, &process, &monitor->starter, err);
    free(command.arguments);
    return result;
}

/* With both ends of what a gated container gets as its standard input. */
static int start_gated(struct gantry_monitor *monitor, const struct gantry_monitor_options *options,
                       const char *program, int end, struct gantry_error *err)
{
    struct gantry_monitor_options copy = *options;
    int ends[2];
    int result;

    if (!options->is_gated)
        return start_program(monitor, options, program, end, err);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "make a gate of a container");
    monitor->gate = ends[0];
    copy.input = ends[1];
    result = start_program(monitor, &copy, program, end, err);
    close(ends[1]);
    return result;
}

int gantry_monitor_spawn(struct gantry_loop *loop, const struct gantry_monitor_options *options,
                         const struct gantry_monitor_callbacks *callbacks, struct gantry_monitor **monitor,
                         struct gantry_error *err)
{
    char program[PATH_MAX];
    struct gantry_monitor *made;
    int ends[2];
    int result;

    if (options->program == NULL && gantry_own_program("gantry-monitor", program, err) < 0)
        return -1;
    made = gantry_monitor_new(loop, callbacks, err);
    if (made == NULL)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        gantry_monitor_free(made);
        return gantry_fail_errno(err, errno, "SPAWN_FAILED", "make a connection to a container's monitor");
    }
    result = gantry_monitor_take_connection(made, ends[0], err);
    if (result == 0)
        result = start_gated(made, options, options->program != NULL ? options->program : program, ends[1], err);
    close(ends[1]);
    if (result < 0)
        gantry_monitor_free(made);
    else
        *monitor = made;
    return result;
}

/* ---- one that lives ---- */

/* Opens the directory where it is this user's own, as a place to find names below: a path of any length. */
static int open_directory(const char *directory, struct gantry_error *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;

    if (fd < 0)
        return gantry_fail_errno(err, errno, "MONITOR_UNREACHABLE", "open the container's directory '%.300s'",
                                 directory);
    if (fstat(fd, &status) == 0 && status.st_uid == geteuid())
        return fd;
    close(fd);
    return gantry_fail(err, "MONITOR_UNREACHABLE", "use the container's directory '%.300s': it belongs to another user",
                       directory);
}

static int fail_to_reach(const char *directory, int error, struct gantry_error *err)
{
    bool is_gone = error == ENOENT || error == ECONNREFUSED || error == ENOTSOCK || error == EPROTOTYPE;

    return gantry_fail_errno(err, error, is_gone ? "MONITOR_GONE" : "MONITOR_UNREACHABLE",
                             "reach the monitor of the container in '%.300s'", directory);
}

/* Whoever listens there is this user or root: others could not have bound the name, but an inode is cheap to check. */
static int check_peer(int fd, const char *directory, struct gantry_error *err)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0))
        return 0;
    return gantry_fail(err, "MONITOR_UNREACHABLE", "reach the monitor in '%.300s': another user listens there",
                       directory);
}

static int connect_below(int directory_fd, const char *directory, struct gantry_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_fd, MONITOR_FILE_SOCKET);
    if (fd < 0)
        return fail_to_reach(directory, errno, err);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        fail_to_reach(directory, errno, err);
    else if (check_peer(fd, directory, err) == 0)
        return fd;
    close(fd);
    return -1;
}

int gantry_monitor_connect(struct gantry_loop *loop, const char *directory, bool inspect,
                           const struct gantry_monitor_callbacks *callbacks, struct gantry_monitor **monitor,
                           struct gantry_error *err)
{
    int directory_fd = open_directory(directory, err);
    struct gantry_monitor *made;
    int fd;

    if (directory_fd < 0)
        return -1;
    fd = connect_below(directory_fd, directory, err);
    close(directory_fd);
    if (fd < 0)
        return -1;
    made = gantry_monitor_new(loop, callbacks, err);
    if (made == NULL) {
        close(fd);
        return -1;
    }
    if (gantry_monitor_take_connection(made, fd, err) < 0 ||
        gantry_monitor_send(made, inspect ? MONITOR_INSPECT : MONITOR_OWN, NULL, 0, NULL, 0, err) < 0) {
        gantry_monitor_free(made);
        return -1;
    }
    *monitor = made;
    return 0;
}

int gantry_monitor_is_alive(const char *directory, bool *is_alive, struct gantry_error *err)
{
    int directory_fd = open_directory(directory, err);
    int fd;
    int error = 0;

    if (directory_fd < 0)
        return -1;
    fd = openat(directory_fd, MONITOR_FILE_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0)
        error = errno;
    gantry_close(&fd);
    close(directory_fd);
    if (error != 0 && error != ENOENT && error != EWOULDBLOCK)
        return gantry_fail_errno(err, error, "MONITOR_UNREACHABLE", "look at the lock in '%.300s'", directory);
    *is_alive = error == EWOULDBLOCK;
    return 0;
}
