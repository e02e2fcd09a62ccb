/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_file.h: an open file, which modules take from each other. */
#ifndef LUA_FILE_H
#define LUA_FILE_H

#include <lua.h>

#define LUA_GANTRY_FILE "gantry.file"

struct lua_gantry_file {
    int fd; /* -1 once closed */
};

/* files.open(path) -> file, status as of files.read | nil, err. A FIFO or a device does not hold the caller up. */
int lua_gantry_files_open(lua_State *L);

/* Makes the type of files. [-0, +0, e] */
void lua_gantry_make_file_type(lua_State *L);

#endif
