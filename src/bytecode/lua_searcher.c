/* SPDX-License-Identifier: Apache-2.0 */
#include "bytecode/lua_searcher.h"

#include "bytecode/bytecode.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

/* The pieces that a chunk is read in: what stands before its name, the name's size, the name, the rest, and the end. */
struct pieces {
    struct {
        const char *bytes;
        size_t size;
    } list[5];
    int next;
};

static const char *next_piece(lua_State *L, void *data, size_t *size)
{
    struct pieces *pieces = data;
    int i = pieces->next;

    (void)L;
    *size = pieces->list[i].size;
    if (*size > 0)
        pieces->next++;
    return pieces->list[i].bytes;
}

/* Lua's form of a string's size: one more than its bytes, seven bits a byte, the highest first, the last one marked. */
static size_t encode_size(size_t length, char encoded[10])
{
    char reversed[10];
    size_t count = 0;

    for (size_t left = length + 1; left > 0; left >>= 7)
        reversed[count++] = (char)(left & 0x7f);
    reversed[0] |= (char)0x80;
    for (size_t i = 0; i < count; i++)
        encoded[i] = reversed[count - 1 - i];
    return count;
}

/* Loads a module as if from the file at `path`. [-0, +1, m]: the chunk, or a message where this Lua cannot read it. */
static int load_module(lua_State *L, const struct gantry_module *module, const char *path)
{
    const char *name = lua_pushfstring(L, "@%s", path);
    char encoded[10];
    size_t length = strlen(name);
    struct pieces pieces = {{{module->bytecode, GANTRY_BYTECODE_HEAD},
                             {encoded, encode_size(length, encoded)},
                             {name, length},
                             {module->bytecode + GANTRY_BYTECODE_HEAD, module->size - GANTRY_BYTECODE_HEAD},
                             {NULL, 0}},
                            0};
    int status = lua_load(L, next_piece, &pieces, name, "b");

    lua_remove(L, -2);
    return status;
}

/* Pushes the path of a module's file, which lies with the others of gantry or, as argparse, along package.path; or nil.
 * [-0, +1, e] */
static void push_path(lua_State *L, const struct gantry_module *module)
{
    if (strncmp(module->file, "gantry/", strlen("gantry/")) == 0) {
        lua_pushfstring(L, "%s/%s", lua_tostring(L, lua_upvalueindex(1)), module->file);
        return;
    }
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushstring(L, module->name);
    lua_getfield(L, -3, "path");
    lua_call(L, 2, 1);
    lua_remove(L, -2);
}

/* Whether the file is to be run as it is: it was edited. Where it was replaced with the executable it belongs to
 * another gantry than the one that runs. */
static bool is_edited(lua_State *L, const struct gantry_module *module, const char *path)
{
    bool always_replaced = lua_toboolean(L, lua_upvalueindex(3));

    return !gantry_module_is_of(module, path) && (always_replaced || !gantry_executable_is_replaced());
}

/* name -> loader, path | nothing */
static int search_lua(lua_State *L, const struct gantry_module *module)
{
    const char *path;

    push_path(L, module);
    path = lua_tostring(L, -1);
    if (path == NULL || is_edited(L, module, path) || load_module(L, module, path) != LUA_OK)
        return 0;
    lua_insert(L, -2);
    return 2;
}

/* As for search_lua. What a library calls of others is looked up with the first call: libcurl alone has thousands. */
static int search_c(lua_State *L, const char *name)
{
    const char *path = luaL_gsub(L, name, ".", LUA_DIRSEP);
    lua_CFunction opener;
    void *library;

    path = lua_pushfstring(L, "%s/%s.so", lua_tostring(L, lua_upvalueindex(2)), path);
    /* Which all of them need: once it is there nobody searches for it along paths. */
    dlopen(lua_pushfstring(L, "%s/gantry/libgantry-core.so", lua_tostring(L, lua_upvalueindex(2))), RTLD_LAZY);
    library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (library == NULL)
        return 0;
    *(void **)&opener = dlsym(library, lua_pushfstring(L, "luaopen_%s", luaL_gsub(L, name, ".", "_")));
    if (opener == NULL)
        return 0;
    lua_pushcfunction(L, opener);
    lua_pushstring(L, path);
    return 2;
}

static int search_own(lua_State *L)
{
    static const char c_modules[] = "gantry.core";
    const char *name = luaL_checkstring(L, 1);
    const struct gantry_module *module = gantry_module_find(name);

    if (module != NULL)
        return search_lua(L, module);
    return strncmp(name, c_modules, sizeof c_modules - 1) == 0 ? search_c(L, name) : 0;
}

void lua_gantry_add_searcher(lua_State *L, const char *lua, const char *c)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) { /* package.preload comes first */
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushstring(L, lua);
    lua_pushstring(L, c);
    lua_pushboolean(L, gantry_executable_is_replaced());
    lua_pushcclosure(L, search_own, 3);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}
