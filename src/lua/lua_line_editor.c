/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_line_editor.c: gantry.core.line_editor, for the executable alone: the terminal is the process's. */
#include "core/terminal/line_editor.h"

#include "lua/lua_gantry.h"

#include <stdlib.h>

#define LINE_EDITOR "gantry.line_editor"

struct line_editor {
    struct gantry_line_editor *editor; /* NULL once closed */
};

static struct gantry_line_editor *check_editor(lua_State *L)
{
    struct line_editor *self = luaL_checkudata(L, 1, LINE_EDITOR);

    if (self->editor == NULL)
        luaL_error(L, "line editor closed");
    return self->editor;
}

static int line_editor_open(lua_State *L) /* history -> editor | nil, err */
{
    lua_Integer history = luaL_checkinteger(L, 1);
    struct line_editor *self = lua_newuserdatauv(L, sizeof *self, 0);
    struct gantry_error err;

    self->editor = NULL;
    luaL_setmetatable(L, LINE_EDITOR);
    luaL_argcheck(L, history >= 0 && history <= INT32_MAX, 1, "no number of lines");
    if (gantry_line_editor_new((int)history, &self->editor, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int line_editor_close(lua_State *L)
{
    struct line_editor *self = luaL_checkudata(L, 1, LINE_EDITOR);

    gantry_line_editor_free(self->editor);
    self->editor = NULL;
    return 0;
}

static int line_editor_begin(lua_State *L) /* editor, prompt */
{
    gantry_line_editor_begin(check_editor(L), luaL_checkstring(L, 2));
    return 0;
}

static int line_editor_stop(lua_State *L)
{
    gantry_line_editor_stop(check_editor(L));
    return 0;
}

/* What one key came to. */
struct key {
    enum gantry_line_event event;
    char *line;
};

static int push_key(lua_State *L) /* light userdata of a key -> event, line|nil */
{
    static const char *const names[] = {"typed", "entered", "end", "complete"};
    const struct key *key = lua_touserdata(L, 1);

    lua_pushstring(L, names[key->event]);
    lua_pushstring(L, key->line);
    return 2;
}

static int line_editor_read(lua_State *L) /* editor -> "typed"|"entered"|"end"|"complete", line|nil */
{
    struct gantry_line_editor *editor = check_editor(L);
    struct key key = {.line = NULL};
    int failed;

    lua_pushcfunction(L, push_key);
    lua_pushlightuserdata(L, &key);
    key.event = gantry_line_editor_read(editor, &key.line);
    failed = lua_pcall(L, 1, 2, 0);
    free(key.line);
    return failed == LUA_OK ? 2 : lua_error(L);
}

static int line_editor_line(lua_State *L) /* editor -> line, cursor (bytes before it) | nothing where none is typed */
{
    size_t cursor = 0;
    const char *line = gantry_line_editor_line(check_editor(L), &cursor);

    if (line == NULL)
        return 0;
    lua_pushstring(L, line);
    lua_pushinteger(L, (lua_Integer)cursor);
    return 2;
}

static int line_editor_insert(lua_State *L) /* editor, text */
{
    gantry_line_editor_insert(check_editor(L), luaL_checkstring(L, 2));
    return 0;
}

static int line_editor_hide(lua_State *L)
{
    gantry_line_editor_hide(check_editor(L));
    return 0;
}

static int line_editor_show(lua_State *L)
{
    gantry_line_editor_show(check_editor(L));
    return 0;
}

static int line_editor_width(lua_State *L) /* editor -> columns */
{
    lua_pushinteger(L, gantry_line_editor_width(check_editor(L)));
    return 1;
}

static int line_editor_resize(lua_State *L)
{
    gantry_line_editor_resize(check_editor(L));
    return 0;
}

static int line_editor_remember(lua_State *L) /* editor, line */
{
    gantry_line_editor_remember(check_editor(L), luaL_checkstring(L, 2));
    return 0;
}

static const luaL_Reg methods[] = {
    {"begin", line_editor_begin},       {"stop", line_editor_stop},
    {"read", line_editor_read},         {"line", line_editor_line},
    {"insert", line_editor_insert},     {"hide", line_editor_hide},
    {"show", line_editor_show},         {"resize", line_editor_resize},
    {"remember", line_editor_remember}, {"close", line_editor_close},
    {"__gc", line_editor_close},        {"__close", line_editor_close},
    {"width", line_editor_width},       {NULL, NULL},
};
static const luaL_Reg functions[] = {{"open", line_editor_open}, {NULL, NULL}};

int luaopen_gantry_core_line_editor(lua_State *L)
{
    lua_gantry_make_type(L, LINE_EDITOR, methods);
    luaL_newlib(L, functions);
    return 1;
}
