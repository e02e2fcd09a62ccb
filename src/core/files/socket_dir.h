/* SPDX-License-Identifier: Apache-2.0
 *
 * socket_dir.h: the directory in which a plugin makes its socket, and which it shares with its container.
 *
 * Whoever holds a struct gantry_socket_dir owns the directory: it holds a lock on it, which the kernel gives back when
 * the process dies, so that a directory without a lock is one whose owner is dead. All work inside is done with *at()
 * calls on descriptors: no symbolic link that is put there leads anywhere else. A marker beside the directory says that
 * gantry made it: nothing else is ever emptied or removed. */
#ifndef GANTRY_SOCKET_DIR_H
#define GANTRY_SOCKET_DIR_H

#include "core/base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct gantry_socket_dir;

/* Makes, or takes over, the directory root/name; locks it, empties it of what a dead owner left (links to it and
 * ACLs included), and gives it this group, unless `group` is -1, and this mode, whatever the umask. `name` is
 * made of letters, digits, '.', '_' and '-', does not begin with a dot, and has at most 64 bytes. The result is the
 * caller's to give back with gantry_socket_dir_remove or _close. Fails, before anything is made, with
 * SOCKET_NAME_INVALID, SOCKET_PATH_TOO_LONG (a socket's path may have 107 bytes, and the plugin needs 17 for its own
 * name) or as gantry_runtime_dir_make does (but a missing root is not made); then with SOCKET_DIR_BUSY (another living
 * process holds it), SOCKET_DIR_FOREIGN (it is there, holds something, and gantry did not make it), GROUP_NOT_ALLOWED
 * or SOCKET_DIR_FAILED, leaving nothing new. */
int gantry_socket_dir_make(const char *root, const char *name, mode_t mode, gid_t group, struct gantry_socket_dir **dir,
                           struct gantry_error *err);

/* Takes over the directory root/name as it is, with all that is in it: for a plugin that a dead owner left running.
 * Never makes one, and takes none that gantry did not make (SOCKET_DIR_FOREIGN). Fails as gantry_socket_dir_make does,
 * and with SOCKET_DIR_FAILED where there is none. */
int gantry_socket_dir_adopt(const char *root, const char *name, struct gantry_socket_dir **dir,
                            struct gantry_error *err);

/* The absolute path; valid until the directory is given back. */
const char *gantry_socket_dir_path(const struct gantry_socket_dir *dir);

/* The descriptor that the lock hangs on, for a process that is to hold it as well: it stays locked until the last one
 * is closed. Owned by the directory. */
int gantry_socket_dir_lock(const struct gantry_socket_dir *dir);

/* False where the directory was there before. */
bool gantry_socket_dir_fresh(const struct gantry_socket_dir *dir);

/* Points the symbolic link root/`link` to `target`, in one step also where the link exists. `link` is named as the
 * directory is; `target` is what is linked to as seen from root: the directory's name, a slash, and one name in it. The
 * link goes with the directory. Fails with SOCKET_NAME_INVALID or SOCKET_DIR_FAILED (something else has that name). */
int gantry_socket_dir_link(struct gantry_socket_dir *dir, const char *link, const char *target,
                           struct gantry_error *err);

/* Lets user `uid` read and write whatever is made in the directory from now on (a default ACL entry, which replaces an
 * earlier one): for engines whose containers run as other users. Fails with ACL_UNSUPPORTED or SOCKET_DIR_FAILED. */
int gantry_socket_dir_default_acl(struct gantry_socket_dir *dir, uid_t uid, struct gantry_error *err);

/* Lets group `gid` make and open what is in the directory, beside those whom its mode lets (an ACL entry): for engines
 * whose containers have groups that the caller may not give files to. Fails as gantry_socket_dir_default_acl does. */
int gantry_socket_dir_group_acl(struct gantry_socket_dir *dir, gid_t gid, struct gantry_error *err);

/* Removes up to `most` entries of the directory: what gantry_socket_dir_remove would take long for is done in steps
 * before it. Returns whether some may be left that can be removed. */
bool gantry_socket_dir_empty_in_part(const struct gantry_socket_dir *dir, unsigned most);

/* Removes what is in the directory, the links to it, and itself, where its name still means it; gives back the lock in
 * any case, so that `dir` is gone. Fails with SOCKET_DIR_FAILED where something had to be left. */
int gantry_socket_dir_remove(struct gantry_socket_dir *dir, struct gantry_error *err);

/* Takes away what is left where whoever made root/name, or removed it, was killed between the directory and its marker:
 * a directory that is empty, or the marker alone. For a name that gantry chose and nobody else has: nothing says that
 * such a directory is not somebody's. */
void gantry_socket_dir_remove_rest(const char *root, const char *name);

/* Gives back the lock and leaves the directory. NULL is allowed. */
void gantry_socket_dir_close(struct gantry_socket_dir *dir);

#endif
