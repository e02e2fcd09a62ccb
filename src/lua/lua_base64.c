/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_base64.c: gantry.core.base64: bytes as text carries them, and back. */
#include "core/base/base64.h"

#include "lua/lua_gantry.h"

static int base64_encode(lua_State *L) /* bytes -> text */
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    size_t size = gantry_base64_encoded_size(length);
    luaL_Buffer buffer;

    luaL_argcheck(L, length == 0 || size > 0, 1, "too long");
    gantry_base64_encode((const uint8_t *)bytes, length, luaL_buffinitsize(L, &buffer, size));
    luaL_pushresultsize(&buffer, size);
    return 1;
}

static int base64_decode(lua_State *L) /* text -> bytes | nil */
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_Buffer buffer;
    uint8_t *room = (uint8_t *)luaL_buffinitsize(L, &buffer, gantry_base64_decoded_room(length));
    ptrdiff_t size = gantry_base64_decode(text, length, room);

    if (size < 0)
        return 0;
    luaL_pushresultsize(&buffer, (size_t)size);
    return 1;
}

int lua_gantry_open_base64(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
