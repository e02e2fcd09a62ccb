/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_screen.c: gantry.core.screen, for the executable alone: the terminal is the process's. */
#include "core/terminal/screen.h"
#include "core/terminal/terminal_guard.h"

#include "lua/lua_gantry.h"

#define SCREEN "gantry.screen"

struct screen {
    struct gantry_screen *screen; /* NULL once closed */
};

static struct gantry_screen *check_screen(lua_State *L)
{
    struct screen *self = luaL_checkudata(L, 1, SCREEN);

    if (self->screen == NULL)
        luaL_error(L, "screen closed");
    return self->screen;
}

/* A number of cells: what is far outside of any screen stays outside. */
static int check_cells(lua_State *L, int index)
{
    lua_Integer cells = luaL_checkinteger(L, index);

    return cells < INT16_MIN ? INT16_MIN : cells > INT16_MAX ? INT16_MAX : (int)cells;
}

static int screen_guard(lua_State *L) /* -> true | nil, err; returns in the child alone */
{
    struct gantry_error err;

    if (gantry_terminal_guard(&err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushboolean(L, 1);
    return 1;
}

static int screen_open(lua_State *L) /* color -> screen | nil, err */
{
    struct screen *self = lua_newuserdatauv(L, sizeof *self, 0);
    struct gantry_error err;

    self->screen = NULL;
    luaL_setmetatable(L, SCREEN);
    if (gantry_screen_open(lua_toboolean(L, 1), &self->screen, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int screen_close(lua_State *L)
{
    struct screen *self = luaL_checkudata(L, 1, SCREEN);

    gantry_screen_free(self->screen);
    self->screen = NULL;
    return 0;
}

static int screen_size(lua_State *L) /* screen -> rows, columns */
{
    int rows, columns;

    gantry_screen_size(check_screen(L), &rows, &columns);
    lua_pushinteger(L, rows);
    lua_pushinteger(L, columns);
    return 2;
}

static int screen_has_unicode(lua_State *L) /* screen -> boolean */
{
    lua_pushboolean(L, gantry_screen_has_unicode(check_screen(L)));
    return 1;
}

static int screen_width(lua_State *L) /* screen, text -> columns */
{
    struct gantry_screen *screen = check_screen(L);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);

    lua_pushinteger(L, gantry_screen_width(screen, text, length));
    return 1;
}

static int screen_erase(lua_State *L)
{
    gantry_screen_erase(check_screen(L));
    return 0;
}

static int screen_put(lua_State *L) /* screen, row, column, width, style, text */
{
    static const char *const styles[] = {"plain", "bold", "dim", "reverse", "accent", "good", "warning", "error", NULL};
    struct gantry_screen *screen = check_screen(L);
    enum gantry_style style = (enum gantry_style)luaL_checkoption(L, 5, NULL, styles);
    size_t length;
    const char *text = luaL_checklstring(L, 6, &length);

    gantry_screen_put(screen, check_cells(L, 2), check_cells(L, 3), check_cells(L, 4), style, text, length);
    return 0;
}

static int screen_show(lua_State *L) /* screen, anew */
{
    gantry_screen_show(check_screen(L), lua_toboolean(L, 2));
    return 0;
}

static int screen_key(lua_State *L) /* screen -> key | nil, ended */
{
    char key[GANTRY_SCREEN_KEY_SIZE];
    enum gantry_screen_input input = gantry_screen_key(check_screen(L), key);

    if (input == GANTRY_SCREEN_KEY) {
        lua_pushstring(L, key);
        return 1;
    }
    lua_pushnil(L);
    lua_pushboolean(L, input == GANTRY_SCREEN_END);
    return 2;
}

static int screen_suspend(lua_State *L)
{
    gantry_screen_suspend(check_screen(L));
    return 0;
}

static const luaL_Reg methods[] = {
    {"size", screen_size},     {"has_unicode", screen_has_unicode},
    {"width", screen_width},   {"erase", screen_erase},
    {"put", screen_put},       {"show", screen_show},
    {"key", screen_key},       {"suspend", screen_suspend},
    {"close", screen_close},   {"__gc", screen_close},
    {"__close", screen_close}, {NULL, NULL},
};
static const luaL_Reg functions[] = {{"guard", screen_guard}, {"open", screen_open}, {NULL, NULL}};

int luaopen_gantry_core_screen(lua_State *L)
{
    lua_gantry_make_type(L, SCREEN, methods);
    luaL_newlib(L, functions);
    return 1;
}
