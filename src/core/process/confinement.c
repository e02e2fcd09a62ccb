/* SPDX-License-Identifier: Apache-2.0 */
#include "core/process/confinement.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

static int limit(__rlimit_resource_t resource, const char *what, rlim_t most, struct gantry_error *err)
{
    struct rlimit limits = {.rlim_cur = most, .rlim_max = most};

    if (setrlimit(resource, &limits) == 0)
        return 0;
    return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "bound the %s of this process", what);
}

static int limit_address_space(rlim_t bytes, struct gantry_error *err)
{
#ifdef __SANITIZE_ADDRESS__
    (void)bytes;
    (void)err;
    return 0;
#else
    return limit(RLIMIT_AS, "memory", bytes, err);
#endif
}

int gantry_confine(rlim_t bytes, rlim_t descriptors, struct gantry_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "tie this process to its parent");
    if (limit_address_space(bytes, err) < 0 || limit(RLIMIT_NOFILE, "descriptors", descriptors, err) < 0 ||
        limit(RLIMIT_FSIZE, "files", 0, err) < 0)
        return -1;
    return limit(RLIMIT_CORE, "core", 0, err);
}

int gantry_confine_cpu(rlim_t seconds, struct gantry_error *err)
{
    struct rlimit limits;
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) == 0 && getrlimit(RLIMIT_CPU, &limits) == 0) {
        limits.rlim_cur = (rlim_t)used.ru_utime.tv_sec + (rlim_t)used.ru_stime.tv_sec + 1 + seconds;
        if (limits.rlim_cur > limits.rlim_max)
            limits.rlim_cur = limits.rlim_max;
        if (setrlimit(RLIMIT_CPU, &limits) == 0)
            return 0;
    }
    return gantry_fail_errno(err, errno, "CONFINEMENT_FAILED", "bound the CPU time of this process");
}
