/* SPDX-License-Identifier: Apache-2.0
 *
 * monitor_fixture.h: a container's directory for each test, an owner of its monitor, and a runtime of two lines of
 * shell.
 *
 * The test adopts what it orphans, so that nothing outlives it unseen. Included once by each test program of monitors.
 */
#ifndef MONITOR_FIXTURE_H
#define MONITOR_FIXTURE_H

#include "core/monitor/monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_SIZE (4UL * 1024 * 1024)
#define PATIENCE_MS 20000

/* The container is what stands in the parentheses. It begins once the runtime has ended, which as a shell would reap
 * it. */
#define DETACHED(body) "(while kill -0 $$ 2>/dev/null; do sleep 0.01; done; " body ") </dev/null & echo $! >$1/pid"
#define LIVES DETACHED("exec sleep 1000")

static struct gantry_loop *loop;
static struct gantry_monitor *monitor;
static struct gantry_error err;
static struct gantry_monitor_options options;
static char top[64];
static char dir[512];
static int descriptors_before;

static struct {
    int count[GANTRY_MONITOR_HELPER_ENDED + 1];
    struct gantry_monitor_event last[GANTRY_MONITOR_HELPER_ENDED + 1];
    char reason[32];
    char text[2048];
    char *output[2];
    size_t length[2];
    bool start_at_once;
} seen;

static inline void noted(void *data, const struct gantry_monitor_event *event)
{
    (void)data;
    seen.count[event->kind]++;
    seen.last[event->kind] = *event;
    snprintf(seen.reason, sizeof seen.reason, "%s", event->reason != NULL ? event->reason : "");
    snprintf(seen.text, sizeof seen.text, "%s", event->text != NULL ? event->text : "");
    if (event->kind == GANTRY_MONITOR_PIPES && seen.start_at_once)
        gantry_monitor_start(monitor, &err);
}

static inline void heard(void *data, int stream, const char *bytes, size_t length)
{
    size_t *used = &seen.length[stream - 1];

    (void)data;
    assert_true(*used + length < OUTPUT_SIZE);
    memcpy(seen.output[stream - 1] + *used, bytes, length);
    *used += length;
    seen.output[stream - 1][*used] = '\0';
}

static const struct gantry_monitor_callbacks callbacks = {noted, heard, NULL};

static inline int count_descriptors(const char *folder)
{
    DIR *list = opendir(folder);
    int count = 0;

    while (list != NULL && readdir(list) != NULL)
        count++;
    if (list != NULL)
        closedir(list);
    return count;
}

static inline int set_up(void **state)
{
    char *const outputs[] = {seen.output[0], seen.output[1]};
    static char logs[160];

    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    memset(&seen, 0, sizeof seen);
    for (int i = 0; i < 2; i++) {
        seen.output[i] = outputs[i] != NULL ? outputs[i] : malloc(OUTPUT_SIZE);
        seen.output[i][0] = '\0';
    }
    seen.start_at_once = true;
    descriptors_before = count_descriptors("/proc/self/fd");
    snprintf(top, sizeof top, "/tmp/gantry-monitor-XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    snprintf(dir, sizeof dir, "%s/container", top);
    snprintf(logs, sizeof logs, "log_path=%s/sanitizer", top);
    setenv("ASAN_OPTIONS", logs, 1);
    setenv("UBSAN_OPTIONS", logs, 1);
    options = (struct gantry_monitor_options){.program = MONITOR_PROGRAM, .directory = dir, .input = -1};
    return mkdir(dir, 0700) < 0 ? -1 : gantry_loop_new(&loop, &err);
}

/* What a test has orphaned ends here, and the monitors with it. */
static inline void end_orphans(void)
{
    char list[4096];
    FILE *children;
    size_t length;

    for (int round = 0; round < 1000; round++) {
        char path[64];
        char *at = list;
        char *end;

        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        children = fopen(path, "re");
        length = children != NULL ? fread(list, 1, sizeof list - 1, children) : 0;
        if (children != NULL)
            fclose(children);
        list[length] = '\0';
        if (length == 0)
            return;
        for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
            kill((pid_t)pid, SIGKILL);
            at = end;
        }
        usleep(2000);
    }
    fail_msg("children that do not end: %s", list);
}

/* But for what the check for leaks says where its process is killed meanwhile: by end_orphans, as it was ending. */
static inline bool sanitizers_are_silent(void)
{
    static const char killed[] = "^==[0-9]*==Unable to get registers from thread [0-9]*\\.$";
    char command[384];

    snprintf(command, sizeof command, "cat %s/sanitizer* 2>/dev/null | grep -v '%s' >&2 && exit 1; rm -rf %s", top,
             killed, top);
    return system(command) == 0;
}

static inline int tear_down(void **state)
{
    bool leaks;

    (void)state;
    gantry_monitor_free(monitor);
    monitor = NULL;
    end_orphans();
    gantry_loop_free(loop);
    leaks = count_descriptors("/proc/self/fd") != descriptors_before;
    if (leaks)
        print_error("descriptors: %d, and %d before\n", count_descriptors("/proc/self/fd"), descriptors_before);
    return sanitizers_are_silent() && !leaks ? 0 : -1;
}

static inline int64_t now_ms(void)
{
    return gantry_clock_ns() / 1000000;
}

/* Until `condition` holds; the loop goes on meanwhile. */
#define WAIT_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        int64_t limit = now_ms() + PATIENCE_MS;                                                                        \
        while (!(condition) && now_ms() < limit)                                                                       \
            gantry_loop_step(loop, 2, &err);                                                                           \
        if (!(condition))                                                                                              \
            fail_msg("in vain: %s; stdout '%s', stderr '%s', text '%s'", #condition, seen.output[0], seen.output[1],   \
                     seen.text);                                                                                       \
    } while (0)

#define WAIT_FOR(kind) WAIT_UNTIL(seen.count[GANTRY_MONITOR_##kind] > 0)

static inline void pass_ms(int64_t time)
{
    int64_t limit = now_ms() + time;

    while (now_ms() < limit)
        gantry_loop_step(loop, 2, &err);
}

/* Debian 12's valgrind knows no calls of pidfds, Debian 13's not all. */
static inline void skip_without_pidfds(void)
{
    int pidfd = pidfd_open(getpid(), 0);

    if ((pidfd < 0 || pidfd_send_signal(pidfd, 0, NULL, 0) < 0) && errno == ENOSYS)
        skip();
    close(pidfd);
}

/* Starts a monitor whose runtime is this script, which gets the directory as $1. */
static inline void spawn_script(const char *script)
{
    const char *const run[] = {"/bin/sh", "-c", script, "runtime", dir, NULL};
    const char *const delete_command[] = {"/bin/sh", "-c", "echo deleted >>$1.deleted", "runtime", dir, NULL};

    skip_without_pidfds();
    options.run = run;
    options.delete_command = delete_command;
    if (gantry_monitor_spawn(loop, &options, &callbacks, &monitor, &err) < 0)
        fail_msg("%s", err.message);
}

static inline void leave(void)
{
    gantry_monitor_free(monitor);
    monitor = NULL;
}

static inline void adopt(void)
{
    leave();
    memset(seen.count, 0, sizeof seen.count);
    if (gantry_monitor_connect(loop, dir, false, &callbacks, &monitor, &err) < 0)
        fail_msg("%s", err.message);
}

static inline bool is_alive(void)
{
    bool alive = false;

    return gantry_monitor_is_alive(dir, &alive, &err) == 0 && alive;
}

/* The monitor's number, by the lock that it holds; 0 where there is none. */
static inline pid_t monitor_pid(void)
{
    char path[600];
    char line[256];
    struct stat status;
    FILE *locks;
    pid_t found = 0;

    snprintf(path, sizeof path, "%s/lock", dir);
    locks = stat(path, &status) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks != NULL && fgets(line, sizeof line, locks) != NULL) {
        char *inode = strrchr(line, ':'); /* …: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF */
        char *pid = strstr(line, "WRITE ");

        if (inode != NULL && pid != NULL && strtoull(inode + 1, NULL, 10) == status.st_ino)
            found = (pid_t)strtol(pid + 6, NULL, 10);
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

static inline bool exists(const char *format, const char *what)
{
    char path[700];

    snprintf(path, sizeof path, "%s%s%s", dir, format, what);
    return access(path, F_OK) == 0;
}

/* The text of a file in the directory; "" where there is none. */
static inline const char *text_of(const char *name)
{
    static char text[8192];
    char path[600];
    FILE *file;
    size_t length;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "re");
    length = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

/* Whether a process runs: one that has ended and is not reaped yet does not. */
static inline bool runs(pid_t pid)
{
    char path[64];
    char text[512] = "";
    FILE *file;
    const char *after;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = pid > 0 ? fopen(path, "re") : NULL;
    if (file == NULL)
        return false;
    if (fread(text, 1, sizeof text - 1, file) == 0)
        text[0] = '\0';
    fclose(file);
    after = strrchr(text, ')');
    return after != NULL && after[2] != 'Z';
}

#endif
