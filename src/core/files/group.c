/* SPDX-License-Identifier: Apache-2.0 */
#include "core/files/group.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A group with many members has a long entry. */
#define ENTRY_SIZE ((size_t)1024 * 1024)

/* The kernel's own bound (NGROUPS_MAX). */
#define MOST_GROUPS 65536

static bool group_parse_number(const char *text, gid_t *gid)
{
    char *end;
    unsigned long long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || value >= (gid_t)-1) /* the highest means "no group" */
        return false;
    *gid = (gid_t)value;
    return true;
}

int gantry_group_resolve(const char *name, gid_t *gid, struct gantry_error *err)
{
    struct group entry;
    struct group *found = NULL;
    char *memory;
    int failure;

    if (group_parse_number(name, gid))
        return 0;
    memory = malloc(ENTRY_SIZE);
    if (memory == NULL)
        return gantry_fail(err, "OUT_OF_MEMORY", "look up group '%.64s': out of memory", name);
    failure = getgrnam_r(name, &entry, memory, ENTRY_SIZE, &found);
    if (found != NULL)
        *gid = entry.gr_gid;
    free(memory);
    if (found != NULL)
        return 0;
    if (failure != 0 && failure != ENOENT && failure != ESRCH)
        return gantry_fail_errno(err, failure, "GROUP_NOT_FOUND",
                                 "look up group '%.64s', whose number could be used instead", name);
    return gantry_fail(err, "GROUP_NOT_FOUND",
                       "group '%.64s' is not known on this host; use its number, or see `getent group`", name);
}

bool gantry_group_may_assign(gid_t gid)
{
    gid_t *groups;
    bool found;
    int count;

    if (geteuid() == 0 || getegid() == gid)
        return true;
    groups = calloc(MOST_GROUPS, sizeof *groups);
    count = groups != NULL ? getgroups(MOST_GROUPS, groups) : 0;
    found = false;
    for (int i = 0; i < count && !found; i++)
        found = groups[i] == gid;
    free(groups);
    return found;
}

bool gantry_group_name(gid_t gid, char *name, size_t size)
{
    struct group entry;
    struct group *found = NULL;
    char *memory = malloc(ENTRY_SIZE);
    bool fits = false;

    if (memory == NULL)
        return false;
    if (getgrgid_r(gid, &entry, memory, ENTRY_SIZE, &found) == 0 && found != NULL && strlen(entry.gr_name) < size) {
        memcpy(name, entry.gr_name, strlen(entry.gr_name) + 1);
        fits = true;
    }
    free(memory);
    return fits;
}
