/* SPDX-License-Identifier: Apache-2.0
 *
 * launch.c: what the plugin's process does up to its exec. It has the gate's memory as a copy, so it may allocate. */
#include "gate/launch.h"
#include "gate/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((noreturn)) static void give_up_launch(int report, const char *what, int error)
{
    struct gate_failure failure = {.error = error};

    strncpy(failure.what, what, sizeof failure.what - 1);
    while (write(report, &failure, sizeof failure) < 0 && errno == EINTR)
        ;
    _exit(strcmp(what, "missing") == 0 ? GATE_EXIT_MISSING : GATE_EXIT_REFUSED);
}

static size_t count_of(char *const *list)
{
    size_t count = 0;

    while (list[count] != NULL)
        count++;
    return count;
}

static bool is_replaced(const struct gate_request *request, const char *variable)
{
    size_t name = strcspn(variable, "=") + 1;

    for (size_t i = 0; i < request->environment_count; i++)
        if (strncmp(request->environment[i], variable, name) == 0)
            return true;
    return false;
}

/* The gate's own, which is the image's, and over it what was asked for. */
static char **make_environment(const struct gate_request *request)
{
    size_t own = request->clears_environment ? 0 : count_of(environ);
    char **all = calloc(own + request->environment_count + 1, sizeof *all);
    size_t count = 0;

    if (all == NULL)
        return NULL;
    for (size_t i = 0; i < own; i++)
        if (!is_replaced(request, environ[i]))
            all[count++] = environ[i];
    memcpy(all + count, request->environment, request->environment_count * sizeof *all);
    return all;
}

static char **make_command(const struct gate_launch *launch)
{
    const struct gate_request *request = launch->request;
    char *const *base = request->program_count > 0 ? request->program : launch->command;
    size_t count = count_of(base);
    char **all = calloc(count + request->argument_count + 1, sizeof *all);

    if (all == NULL)
        return NULL;
    memcpy(all, base, count * sizeof *all);
    memcpy(all + count, request->arguments, request->argument_count * sizeof *all);
    return all;
}

/* Returns only where it was not executed, with the errno. */
static int execute(const char *path, char **command, char **environment)
{
    struct stat status;

    execve(path, command, environment);
    if (errno == EACCES && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return EISDIR;
    return errno;
}

/* What is there, and yet not found, lacks its interpreter: of a script, or the dynamic linker. */
static const char *name_failure(const char *path, int error)
{
    if (error != ENOENT && error != ENOTDIR)
        return "exec";
    return access(path, F_OK) == 0 ? "interpreter" : "missing";
}

/* As engines do: a name without a slash is looked for in the PATH that the plugin gets; the first that may be executed
 * is it, and no shell stands in for what the kernel does not know. */
static void execute_by_path(char **command, char **environment, int report)
{
    const char *at = gate_folders(gate_find_variable(environment, "PATH"));
    const char *what = "missing";
    int error = ENOENT;
    char path[PATH_MAX];

    while (at != NULL) {
        int failed = gate_next_program(&at, *command, path) ? execute(path, command, environment) : ENAMETOOLONG;

        if (failed != EACCES && failed != EISDIR && failed != ENAMETOOLONG &&
            strcmp(name_failure(path, failed), "missing") != 0)
            give_up_launch(report, name_failure(path, failed), failed);
        if (failed == EACCES) {
            what = "exec";
            error = EACCES;
        }
    }
    give_up_launch(report, what, error);
}

/* Those that came lie above the standard ones, since those are always open here. */
static void place_descriptors(const struct gate_launch *launch, int report)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
        give_up_launch(report, "descriptor", errno);
    if (launch->output >= 0 && dup2(launch->output, STDOUT_FILENO) < 0)
        give_up_launch(report, "descriptor", errno);
    for (size_t i = 0; i < launch->request->descriptor_count; i++)
        if (dup2(launch->fds[i], launch->request->descriptors[i]) < 0)
            give_up_launch(report, "descriptor", errno);
}

static void set_limits(const struct gate_request *request, int report)
{
    for (size_t i = 0; i < request->limit_count; i++)
        if (setrlimit(request->limits[i].resource, &request->limits[i].value) < 0)
            give_up_launch(report, "limit", errno);
}

__attribute__((noreturn)) static void become_plugin(const struct gate_launch *launch, int report, pid_t gate)
{
    char **environment = make_environment(launch->request);
    char **command = make_command(launch);
    int error;

    setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != gate)
        _exit(GATE_EXIT_CLOSED);
    if (environment == NULL || command == NULL)
        give_up_launch(report, "memory", ENOMEM);
    place_descriptors(launch, report);
    if (launch->request->directory != NULL && chdir(launch->request->directory) < 0)
        give_up_launch(report, "directory", errno);
    set_limits(launch->request, report);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, launch->mask, NULL);
    if (strchr(*command, '/') == NULL)
        execute_by_path(command, environment, report);
    error = execute(*command, command, environment);
    give_up_launch(report, name_failure(*command, error), error);
}

pid_t gate_launch(const struct gate_launch *launch, int *report)
{
    pid_t gate = getpid();
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    pid = fork();
    if (pid == 0)
        become_plugin(launch, ends[1], gate);
    close(ends[1]);
    if (pid < 0) {
        int error = errno;

        close(ends[0]);
        errno = error;
        return -1;
    }
    *report = ends[0];
    return pid;
}
