/* SPDX-License-Identifier: Apache-2.0
 *
 * hostile.c: a plugin that tries to get out of its container, and to take the machine with it. Each argument is one
 * attempt; for each, one line: its name, and "refused", "done" or what came of it. It is no plugin by protocol: what
 * counts is what the kernel lets it do. Static, so that any image may hold it.
 *
 * Usage: hostile ATTEMPT... ; of those that need a path: "ATTEMPT=PATH" */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_FORKS 4096
#define MEMORY_STEP ((size_t)1 << 20)
#define MOST_MEMORY ((size_t)1 << 30)
#define MOST_DISK ((size_t)1 << 30)

static const char *attempt;

static void say(const char *what)
{
    printf("%s %s\n", attempt, what);
    fflush(stdout);
}

/* Says what came of a system call. */
static void tell(long result)
{
    char text[128];

    if (result >= 0) {
        say("done");
    } else {
        snprintf(text, sizeof text, "refused %s", strerrorname_np(errno));
        say(text);
    }
}

static void try_mount(const char *path)
{
    (void)path;
    tell(mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
}

static void try_remount(const char *path)
{
    (void)path;
    tell(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static void try_umount(const char *path)
{
    (void)path;
    tell(umount2("/proc", MNT_DETACH));
}

static void try_open_tree(const char *path)
{
    (void)path;
    tell(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}

static void try_pivot_root(const char *path)
{
    (void)path;
    tell(syscall(SYS_pivot_root, "/tmp", "/tmp"));
}

static void try_chroot(const char *path)
{
    (void)path;
    tell(chroot("/tmp"));
}

static void try_ptrace(const char *path)
{
    pid_t child = fork();

    (void)path;
    if (child == 0) {
        pause();
        _exit(0);
    }
    tell(ptrace(PTRACE_ATTACH, child, NULL, NULL));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void try_process_vm(const char *path)
{
    char byte;
    struct iovec here = {&byte, 1};

    (void)path;
    tell(syscall(SYS_process_vm_readv, getppid() > 0 ? getppid() : 1, &here, 1, &here, 1, 0));
}

static void try_keyctl(const char *path)
{
    (void)path;
    tell(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1));
}

static void try_add_key(const char *path)
{
    (void)path;
    tell(syscall(SYS_add_key, "user", "gantry", "x", 1, KEY_SPEC_USER_KEYRING));
}

static void try_unshare_user(const char *path)
{
    (void)path;
    tell(unshare(CLONE_NEWUSER));
}

static void try_unshare_net(const char *path)
{
    (void)path;
    tell(unshare(CLONE_NEWNET));
}

static void try_unshare_mount(const char *path)
{
    (void)path;
    tell(unshare(CLONE_NEWNS));
}

static void try_clone_user(const char *path)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    (void)path;
    if (pid == 0)
        _exit(0);
    tell(pid);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
}

static void try_clone3_user(const char *path)
{
    unsigned long long arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(SYS_clone3, arguments, sizeof arguments);

    (void)path;
    if (pid == 0)
        _exit(0);
    tell(pid);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
}

static void try_setns(const char *path)
{
    int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);

    (void)path;
    tell(fd < 0 ? -1 : setns(fd, 0));
}

static void try_raw_socket(const char *path)
{
    (void)path;
    tell(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
}

static void try_packet_socket(const char *path)
{
    (void)path;
    tell(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static void try_vsock(const char *path)
{
    (void)path;
    tell(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void try_inet_socket(const char *path)
{
    (void)path;
    tell(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void try_netlink_audit(const char *path)
{
    (void)path;
    tell(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9));
}

static void try_bpf(const char *path)
{
    (void)path;
    tell(syscall(SYS_bpf, 0, NULL, 0));
}

static void try_perf(const char *path)
{
    (void)path;
    tell(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static void try_userfaultfd(const char *path)
{
    (void)path;
    tell(syscall(SYS_userfaultfd, 0));
}

static void try_io_uring(const char *path)
{
    char parameters[256] = {0};

    (void)path;
    tell(syscall(SYS_io_uring_setup, 1, parameters));
}

static void try_kernel_log(const char *path)
{
    (void)path;
    tell(syscall(SYS_syslog, 2, NULL, 0));
}

static void try_kernel_module(const char *path)
{
    (void)path;
    tell(syscall(SYS_init_module, "x", 1, ""));
}

static void try_reboot(const char *path)
{
    (void)path;
    tell(syscall(SYS_reboot, 0, 0, 0, 0)); /* with wrong magic numbers: nothing happens where it is let in */
}

static void try_set_hostname(const char *path)
{
    (void)path;
    tell(sethostname("hostile", 7));
}

static void try_set_time(const char *path)
{
    struct timespec time = {0};

    (void)path;
    clock_gettime(CLOCK_REALTIME, &time);
    tell(clock_settime(CLOCK_REALTIME, &time));
}

static void try_device(const char *path)
{
    const char *node = path != NULL ? path : "/tmp/kmem";

    tell(mknod(node, S_IFCHR | 0600, makedev(1, 1)));
    unlink(node);
}

static void try_open_write(const char *path)
{
    tell(open(path, O_WRONLY | O_CLOEXEC));
}

static void try_create(const char *path)
{
    tell(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Bytes that can be read of a file, or of a directory's entries, which is empty where it is hidden. */
static void try_read(const char *path)
{
    char bytes[64];
    ssize_t count;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd < 0) {
        tell(-1);
    } else if (entries != NULL) {
        int names = 0;

        while (readdir(entries) != NULL)
            names++;
        say(names > 2 ? "done" : "empty");
    } else {
        count = read(fd, bytes, sizeof bytes);
        if (count < 0)
            tell(-1);
        else
            say(count > 0 ? "done" : "empty");
    }
}

static void try_setuid(const char *path)
{
    (void)path;
    tell(setuid(0));
}

static void try_no_new_privileges(const char *path)
{
    (void)path;
    say(syscall(SYS_prctl, 39, 0, 0, 0, 0) == 1 ? "held" : "free");
}

static void try_capabilities(const char *path)
{
    char line[256];
    unsigned long long all = 0, one;
    FILE *file = fopen("/proc/self/status", "re");

    (void)path;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Cap%*3s:\t%llx", &one) == 1)
            all |= one;
    say(file == NULL ? "unknown" : all == 0 ? "none" : "some");
}

static void try_execute(const char *path)
{
    int status = 0;
    char text[64];
    pid_t child = fork();

    if (child == 0) {
        execl(path, path, "whoami", NULL);
        _exit(errno == EACCES ? 126 : 127);
    }
    waitpid(child, &status, 0);
    snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
    say(text);
}

/* Copies itself to a path, as nobody may but an installer, and runs that. */
static void try_copy_and_execute(const char *path)
{
    char bytes[65536];
    ssize_t count;
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    if (from < 0 || to < 0) {
        tell(-1);
        return;
    }
    while ((count = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)count) != count)
            break;
    fchmod(to, 04755);
    close(to);
    try_execute(path);
    unlink(path);
}

static void try_whoami(const char *path)
{
    char text[64];

    (void)path;
    snprintf(text, sizeof text, "%u:%u", geteuid(), getegid());
    say(text);
}

/* Puts a link to a file of the machine where a host looks for a socket. */
static void try_link(const char *path)
{
    char to[512];

    snprintf(to, sizeof to, "%s/link.sock", path);
    tell(symlink("/etc/shadow", to));
    snprintf(to, sizeof to, "%s/../escaped", path);
    attempt = "escape";
    tell(open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(to, sizeof to, "%s/hard", path);
    attempt = "hard_link";
    tell(link("/proc/self/exe", to));
}

static void try_processes(const char *path)
{
    struct dirent *entry;
    DIR *entries = opendir("/proc");
    int others = 0;
    char text[64];

    (void)path;
    while (entries != NULL && (entry = readdir(entries)) != NULL)
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid())
            others++;
    snprintf(text, sizeof text, "others %d", others);
    say(text);
}

static void try_fork_bomb(const char *path)
{
    char text[64];
    int count = 0;
    pid_t child;

    (void)path;
    while (count < MOST_FORKS && (child = fork()) >= 0) {
        if (child == 0) {
            pause();
            _exit(0);
        }
        count++;
    }
    snprintf(text, sizeof text, "%s %d", count < MOST_FORKS ? "bounded" : "unbounded", count);
    signal(SIGTERM, SIG_IGN);
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    say(text);
}

static void try_memory_bomb(const char *path)
{
    (void)path;
    for (size_t taken = 0; taken < MOST_MEMORY; taken += MEMORY_STEP) {
        void *bytes = mmap(NULL, MEMORY_STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (bytes == MAP_FAILED) {
            tell(-1);
            return;
        }
        memset(bytes, 1, MEMORY_STEP);
    }
    say("unbounded");
}

static void try_disk_bomb(const char *path)
{
    static char bytes[1 << 20];
    char text[64];
    size_t written = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ssize_t count = 0;

    if (fd < 0) {
        tell(-1);
        return;
    }
    memset(bytes, 1, sizeof bytes);
    while (written < MOST_DISK && (count = write(fd, bytes, sizeof bytes)) > 0)
        written += (size_t)count;
    snprintf(text, sizeof text, "%s %zu", count <= 0 ? strerrorname_np(errno) : "unbounded", written);
    close(fd);
    unlink(path);
    say(text);
}

static void try_core(const char *path)
{
    struct rlimit limit = {0};

    (void)path;
    getrlimit(RLIMIT_CORE, &limit);
    say(limit.rlim_max == 0 ? "none" : "allowed");
}

static void try_interfaces(const char *path)
{
    char line[256];
    int count = 0;
    char text[64];
    FILE *file = fopen("/proc/net/dev", "re");

    (void)path;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strchr(line, ':') != NULL;
    snprintf(text, sizeof text, "%d", count);
    say(text);
}

/* Waits until somebody writes to a FIFO. */
static void try_await(const char *path)
{
    char byte;
    int fd;

    say("waits");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        tell(read(fd, &byte, 1));
    else
        tell(-1);
}

/* Connects to an address of IPv4 and a port, "192.0.2.1:80". */
static void try_connect(const char *path)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 5};
    char address[64];
    unsigned port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || sscanf(path, "%63[0-9.]:%u", address, &port) != 2 || inet_aton(address, &to.sin_addr) == 0) {
        tell(-1);
        return;
    }
    to.sin_port = htons((uint16_t)port);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    tell(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static const struct {
    const char *name;
    void (*act)(const char *path);
} attempts[] = {
    {"mount", try_mount},
    {"remount", try_remount},
    {"umount", try_umount},
    {"open_tree", try_open_tree},
    {"pivot_root", try_pivot_root},
    {"chroot", try_chroot},
    {"ptrace", try_ptrace},
    {"process_vm", try_process_vm},
    {"keyctl", try_keyctl},
    {"add_key", try_add_key},
    {"unshare_user", try_unshare_user},
    {"unshare_net", try_unshare_net},
    {"unshare_mount", try_unshare_mount},
    {"clone_user", try_clone_user},
    {"clone3_user", try_clone3_user},
    {"setns", try_setns},
    {"raw_socket", try_raw_socket},
    {"packet_socket", try_packet_socket},
    {"vsock", try_vsock},
    {"inet_socket", try_inet_socket},
    {"netlink_audit", try_netlink_audit},
    {"bpf", try_bpf},
    {"perf", try_perf},
    {"userfaultfd", try_userfaultfd},
    {"io_uring", try_io_uring},
    {"kernel_log", try_kernel_log},
    {"kernel_module", try_kernel_module},
    {"reboot", try_reboot},
    {"set_hostname", try_set_hostname},
    {"set_time", try_set_time},
    {"device", try_device},
    {"open_write", try_open_write},
    {"create", try_create},
    {"read", try_read},
    {"setuid", try_setuid},
    {"no_new_privileges", try_no_new_privileges},
    {"capabilities", try_capabilities},
    {"execute", try_execute},
    {"copy_and_execute", try_copy_and_execute},
    {"whoami", try_whoami},
    {"link", try_link},
    {"processes", try_processes},
    {"fork_bomb", try_fork_bomb},
    {"memory_bomb", try_memory_bomb},
    {"disk_bomb", try_disk_bomb},
    {"core", try_core},
    {"interfaces", try_interfaces},
    {"await", try_await},
    {"connect", try_connect},
};

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        char *path = strchr(arguments[i], '=');
        bool known = false;

        attempt = arguments[i];
        for (size_t n = 0; n < sizeof attempts / sizeof *attempts && !known; n++) {
            size_t size = strlen(attempts[n].name);

            known = strncmp(arguments[i], attempts[n].name, size) == 0 &&
                    (arguments[i][size] == '=' || arguments[i][size] == '\0');
            if (known)
                attempts[n].act(path != NULL ? path + 1 : NULL);
        }
        if (!known)
            say("unknown");
    }
    return 0;
}
