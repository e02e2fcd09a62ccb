/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/copy.h"
#include "core/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define SMALL 4096

/* For file systems that the kernel cannot copy from. Nothing of the bytes stays here. */
static ssize_t copy_by_hand(int from, int to, size_t count)
{
    char bytes[SMALL];
    ssize_t got = read(from, bytes, count < sizeof bytes ? count : sizeof bytes);
    ssize_t put = 0;

    for (ssize_t taken = 0; put < got; put += taken) {
        taken = write(to, bytes + put, (size_t)(got - put));
        if (taken <= 0) {
            got = -1;
            break;
        }
    }
    explicit_bzero(bytes, sizeof bytes);
    return got;
}

static ssize_t copy_some(int from, int to, size_t count)
{
    ssize_t sent = sendfile(to, from, NULL, count);

    if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
        return copy_by_hand(from, to, count);
    return sent;
}

static int copy_bytes(int from, int to, size_t limit)
{
    while (limit > 0) {
        ssize_t copied = copy_some(from, to, limit);

        if (copied == 0)
            return 0;
        if (copied < 0 && errno != EINTR)
            return -1;
        if (copied > 0)
            limit -= (size_t)copied;
    }
    return 0;
}

/* The owner first: changing it takes mode bits away. */
static int fill(int from, int to, size_t limit, const struct gantry_copy_target *target)
{
    if (copy_bytes(from, to, limit) < 0 || fchown(to, target->user, target->group) < 0)
        return -1;
    return fchmod(to, target->mode);
}

int gantry_copy_file(const char *from, size_t limit, const struct gantry_copy_target *to, struct stat *status,
                     struct gantry_error *err)
{
    int source = -1;
    int made;
    int result;

    if (gantry_files_open(from, 0, &source, status, err) < 0)
        return -1;
    made = open(to->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    result = made < 0 ? -1 : fill(source, made, S_ISREG(status->st_mode) ? limit : 0, to);
    if (result < 0) {
        gantry_fail_errno(err, errno, "WRITE_FAILED", "copy %s to %s", from, to->path);
        if (made >= 0)
            unlink(to->path);
    }
    if (made >= 0)
        close(made);
    close(source);
    return result;
}
