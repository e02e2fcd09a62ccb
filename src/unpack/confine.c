/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any compression and the names of a million entries take. */
#define MOST_MEMORY (2ULL * 1024 * 1024 * 1024)
#define MOST_DESCRIPTORS 1024

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

int gantry_unpack_tie(int parent, struct gantry_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "tie this process to its parent");
    if (getppid() != parent)
        return gantry_fail(err, "CONFINEMENT_FAILED", "the process that began this is gone");
    return 0;
}

static int unpack_limit(__rlimit_resource_t resource, rlim_t most, struct gantry_error *err)
{
    struct rlimit limits;

    if (getrlimit(resource, &limits) == 0) {
        limits.rlim_cur = limits.rlim_max < most ? limits.rlim_max : most;
        limits.rlim_max = limits.rlim_cur;
        if (setrlimit(resource, &limits) == 0)
            return 0;
    }
    return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "bound what this process may take");
}

/* Leaves this process the capabilities that give a tree its owners and nodes. */
static int drop_capabilities(struct gantry_error *err)
{
    const uint32_t kept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_FOWNER | 1U << CAP_FSETID |
                          1U << CAP_MKNOD | 1U << CAP_SETFCAP;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (syscall(SYS_capget, &header, data) < 0)
        return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "look at this process's capabilities");
    data[0] =
        (struct __user_cap_data_struct){.effective = kept & data[0].permitted, .permitted = kept & data[0].permitted};
    data[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &header, data) < 0)
        return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "drop this process's capabilities");
    return 0;
}

/* Has the kernel refuse all access to files but below `root`, where it has a Landlock that knows of links between
 * directories: the first one refuses them all. */
static void fence(int root)
{
    const uint64_t access = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;
    struct landlock_ruleset_attr handled = {.handled_access_fs = access};
    struct landlock_path_beneath_attr beneath = {.allowed_access = access & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
                                                 .parent_fd = root};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);

    if (rules < 0)
        return; /* none, or the first one */
    if (root < 0 || syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0)
        (void)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}

#ifdef ARCHITECTURE
/* What unpacking takes. All else fails with EPERM: no program, socket, process or mount is made by this one. */
static const uint16_t allowed[] = {
    SYS_brk,
    SYS_clock_gettime,
    SYS_close,
    SYS_dup,
    SYS_exit,
    SYS_exit_group,
    SYS_faccessat,
    SYS_fallocate,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_fcntl,
    SYS_fdatasync,
    SYS_fsetxattr,
    SYS_fstat,
    SYS_fsync,
    SYS_ftruncate,
    SYS_futex,
    SYS_getdents64,
    SYS_getpid,
    SYS_getrandom,
    SYS_gettid,
    SYS_gettimeofday,
    SYS_linkat,
    SYS_lseek,
    SYS_madvise,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    SYS_newfstatat,
    SYS_openat,
    SYS_openat2,
    SYS_pread64,
    SYS_pwrite64,
    SYS_read,
    SYS_renameat,
    SYS_renameat2,
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_statx,
    SYS_symlinkat,
    SYS_sync_file_range,
    SYS_tgkill,
    SYS_umask,
    SYS_unlinkat,
    SYS_utimensat,
    SYS_write,
    SYS_writev,
};

#define ALLOWED (sizeof allowed / sizeof *allowed)

#endif

/* Filters system calls, where the kernel can. */
static void filter_calls(void)
{
#ifdef ARCHITECTURE
    struct sock_filter code[ALLOWED * 2 + 5] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct sock_fprog program = {.filter = code};
    unsigned short at = 4;

    for (size_t i = 0; i < ALLOWED; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    program.len = at;
    (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

/* As root a second wall around a process that only openat2 holds below its root. */
static int unpack_enter(int root, struct gantry_error *err)
{
    if (geteuid() != 0 || root < 0)
        return 0;
    if (fchdir(root) == 0 && chroot(".") == 0)
        return 0;
    if (errno == EPERM) /* as in some containers */
        return 0;
    return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "unpack_enter the image's root");
}

int gantry_unpack_confine(int root, struct gantry_error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "give up new privileges");
    if (unpack_limit(RLIMIT_CORE, 0, err) < 0 || unpack_limit(RLIMIT_NOFILE, MOST_DESCRIPTORS, err) < 0)
        return -1;
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes, and traces itself at the end */
    if (unpack_limit(RLIMIT_AS, MOST_MEMORY, err) < 0)
        return -1;
#endif
    if (unpack_enter(root, err) < 0 || drop_capabilities(err) < 0)
        return -1;
    fence(root);
#ifndef __SANITIZE_ADDRESS__
    filter_calls();
#endif
    return 0;
}
