/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_stdcopy.c: gantry.core.stdcopy: the engine's frames taken apart. The userdata is the core's struct, which holds
 * no memory. */
#include "core/base/stdcopy.h"
#include "lua/lua_gantry.h"

#define STDCOPY "gantry.stdcopy"

/* Where feed has its list on the stack. */
#define LIST 3

/* What feed builds: stream, bytes, stream, bytes, ... Most payloads come alone and go straight from what was fed into a
 * string; a buffer is only begun where a second one of the same stream follows. */
struct pieces {
    lua_State *L;
    lua_Integer count; /* of values in the list */
    int stream;        /* of the piece that is not in the list yet, or -1 */
    bool buffered;
    const char *bytes; /* the piece, unless it is in `joined` */
    size_t size;
    luaL_Buffer joined;
};

static void end_piece(struct pieces *pieces)
{
    if (pieces->stream < 0)
        return;
    if (pieces->buffered)
        luaL_pushresult(&pieces->joined);
    else
        lua_pushlstring(pieces->L, pieces->bytes, pieces->size);
    lua_rawseti(pieces->L, LIST, pieces->count + 2);
    lua_pushinteger(pieces->L, pieces->stream);
    lua_rawseti(pieces->L, LIST, pieces->count + 1);
    pieces->count += 2;
    pieces->stream = -1;
}

static void join_piece(struct pieces *pieces, const char *bytes, size_t size)
{
    if (!pieces->buffered) {
        luaL_buffinit(pieces->L, &pieces->joined);
        luaL_addlstring(&pieces->joined, pieces->bytes, pieces->size);
        pieces->buffered = true;
    }
    luaL_addlstring(&pieces->joined, bytes, size);
}

static void piece_came(void *data, enum gantry_stream from, const char *bytes, size_t size)
{
    struct pieces *pieces = data;
    int stream = from == GANTRY_STDIN ? GANTRY_STDOUT : (int)from;

    if (stream == pieces->stream) {
        join_piece(pieces, bytes, size);
        return;
    }
    end_piece(pieces);
    pieces->stream = stream;
    pieces->buffered = false;
    pieces->bytes = bytes;
    pieces->size = size;
}

/* state, bytes -> { stream, bytes, ... } | nil, err, { stream, bytes, ... }: what came before the impossible header */
static int stdcopy_feed(lua_State *L)
{
    struct gantry_stdcopy *state = luaL_checkudata(L, 1, STDCOPY);
    struct pieces pieces = {.L = L, .stream = -1};
    struct gantry_error err;
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    bool failed;

    lua_settop(L, 2);
    lua_createtable(L, 2, 0);
    failed = gantry_stdcopy_feed(state, bytes, size, piece_came, &pieces, &err) < 0;
    end_piece(&pieces);
    if (!failed)
        return 1;
    lua_gantry_fail(L, &err);
    lua_pushvalue(L, LIST);
    return 3;
}

static int stdcopy_new(lua_State *L)
{
    struct gantry_stdcopy *state = lua_newuserdatauv(L, sizeof *state, 0);

    *state = (struct gantry_stdcopy){0};
    luaL_setmetatable(L, STDCOPY);
    return 1;
}

static const luaL_Reg methods[] = {{"feed", stdcopy_feed}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", stdcopy_new}, {NULL, NULL}};

int lua_gantry_open_stdcopy(lua_State *L)
{
    lua_gantry_make_type(L, STDCOPY, methods);
    luaL_newlib(L, functions);
    return 1;
}
