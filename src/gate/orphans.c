/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/orphans.h"
#include "core/system/text.h"
#include "gate/request.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* The kernel lists them with a space behind each. Of what does not fit, the next call has it: the first are dead then.
 */
int gate_kill_orphans(pid_t session, bool all)
{
    struct gantry_text path = gantry_text_begin("/proc/self/task/");
    char list[4096];
    const char *at = list;
    uint64_t number;
    ssize_t length;
    int killed = 0;
    int fd;

    if (session > 0)
        kill(-session, SIGKILL);
    gantry_text_digits(&path, getpid());
    gantry_text_raw(&path, "/children");
    fd = open(path.bytes, O_RDONLY | O_CLOEXEC);
    length = fd < 0 ? -1 : read(fd, list, sizeof list - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return 0;
    while (length > 0 && list[length - 1] != ' ')
        length--;
    list[length] = '\0';
    for (; gate_take_number(&at, &number); at++) {
        pid_t pid = (pid_t)number;

        if (all || getsid(pid) == session)
            killed += kill(pid, SIGKILL) == 0;
    }
    return killed;
}
