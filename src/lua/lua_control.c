/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_control.c: gantry.core.control: the control server and its requests. The server is at work although nobody holds
 * it (see lua_source.h), until it is closed; a request that is collected without an answer gets one that says so. */
#include "core/control/control.h"

#include "lua/lua_source.h"

#define CONTROL "gantry.control"
#define REQUEST "gantry.control_request"

struct control {
    struct lua_gantry_source source;
    struct gantry_control *control; /* NULL once closed */
};

struct request {
    struct gantry_control_request *request; /* NULL once given back */
};

/* Pushes a request's userdata, which owns it from then on: what was given is NULL. */
static int control_push_request(lua_State *L, void *what)
{
    struct gantry_control_request **given = what;
    struct request *request = lua_newuserdatauv(L, sizeof *request, 0);

    request->request = NULL;
    luaL_setmetatable(L, REQUEST);
    request->request = *given;
    *given = NULL;
    return 1;
}

static void request_came(void *data, struct gantry_control_request *taken)
{
    struct control *control = data;

    lua_gantry_source_call(&control->source, 0, control_push_request, &taken);
    gantry_control_request_free(taken); /* where nobody has it: it is answered with a fault */
}

/* listen(path, mode, gid|nil) -> descriptor | nil, err */
static int control_listen(lua_State *L)
{
    const char *path = lua_gantry_check_text(L, 1);
    lua_Integer mode = luaL_checkinteger(L, 2);
    lua_Integer group = luaL_optinteger(L, 3, -1);
    struct gantry_error err;
    int fd;

    luaL_argcheck(L, mode >= 0 && mode <= 0777, 2, "no file mode");
    luaL_argcheck(L, group >= -1 && group < (gid_t)-1, 3, "not a group's number");
    if (gantry_control_listen(path, (mode_t)mode, (gid_t)group, &fd, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, fd);
    return 1;
}

/* listen_tcp(numeric address, port) -> descriptor, port | nil, err */
static int control_listen_tcp(lua_State *L)
{
    const char *host = lua_gantry_check_text(L, 1);
    lua_Integer port = luaL_checkinteger(L, 2);
    struct gantry_error err;
    in_port_t bound;
    int fd;

    luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 2, "no port");
    if (gantry_control_listen_tcp(host, (in_port_t)port, &fd, &bound, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, fd);
    lua_pushinteger(L, bound);
    return 2;
}

/* open(loop, descriptor, fn(request), certificate|nil, key|nil) -> control | nil, err; takes the descriptor over */
static int control_open(lua_State *L)
{
    struct lua_gantry_loop *loop = lua_gantry_check_loop(L, 1);
    struct gantry_control_options options = {.body_limit = 65536, .connections = 64, .idle_seconds = 10};
    struct control *control;
    struct gantry_error err;

    options.fd = lua_gantry_check_descriptor(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    options.certificate = luaL_optstring(L, 4, NULL);
    options.key = options.certificate != NULL ? luaL_checkstring(L, 5) : NULL;
    control = lua_gantry_source_new(L, sizeof *control, CONTROL, 1);
    options.on_request = request_came;
    options.data = control;
    if (gantry_control_open(loop->loop, &options, &control->control, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushvalue(L, 3);
    control->source.callbacks[0] = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_gantry_source_anchor(L, &control->source);
    return 1;
}

static int control_close(lua_State *L)
{
    struct control *control = luaL_checkudata(L, 1, CONTROL);

    gantry_control_free(control->control);
    control->control = NULL;
    lua_gantry_source_release(L, &control->source);
    return 0;
}

/* ---- a request ---- */

static struct gantry_control_request *control_check_request(lua_State *L)
{
    struct request *request = luaL_checkudata(L, 1, REQUEST);

    if (request->request == NULL)
        luaL_error(L, "request closed");
    return request->request;
}

static int request_method(lua_State *L)
{
    lua_pushstring(L, gantry_control_request_method(control_check_request(L)));
    return 1;
}

static int request_path(lua_State *L)
{
    lua_pushstring(L, gantry_control_request_path(control_check_request(L)));
    return 1;
}

static int request_argument(lua_State *L) /* request, name -> value | nil */
{
    lua_pushstring(L, gantry_control_request_argument(control_check_request(L), luaL_checkstring(L, 2)));
    return 1;
}

static int request_header(lua_State *L) /* request, name -> value | nil */
{
    lua_pushstring(L, gantry_control_request_header(control_check_request(L), luaL_checkstring(L, 2)));
    return 1;
}

static int request_body(lua_State *L)
{
    size_t count;
    const char *bytes = gantry_control_request_body(control_check_request(L), &count);

    lua_pushlstring(L, bytes, count);
    return 1;
}

static unsigned check_status(lua_State *L, int index)
{
    lua_Integer status = luaL_checkinteger(L, index);

    luaL_argcheck(L, status >= 200 && status <= 599, index, "no HTTP status");
    return (unsigned)status;
}

static int request_add_header(lua_State *L) /* request, name, value; of the answer that is to come */
{
    struct gantry_control_request *request = control_check_request(L);

    gantry_control_request_add_header(request, lua_gantry_check_text(L, 2), lua_gantry_check_text(L, 3));
    return 0;
}

static int request_answer(lua_State *L) /* request, status, type, bytes */
{
    struct gantry_control_request *request = control_check_request(L);
    size_t count;
    const char *bytes = luaL_checklstring(L, 4, &count);

    gantry_control_request_answer(request, check_status(L, 2), luaL_checkstring(L, 3), bytes, count);
    return 0;
}

static int request_stream(lua_State *L) /* request, status, type */
{
    gantry_control_request_stream(control_check_request(L), check_status(L, 2), luaL_checkstring(L, 3));
    return 0;
}

static int request_write(lua_State *L) /* request, bytes -> how many bytes wait | nil where the client is gone */
{
    struct gantry_control_request *request = control_check_request(L);
    size_t count;
    const char *bytes = luaL_checklstring(L, 2, &count);
    ssize_t held = gantry_control_request_write(request, bytes, count);

    if (held < 0)
        return 0;
    lua_pushinteger(L, held);
    return 1;
}

static int request_close(lua_State *L)
{
    struct request *request = luaL_checkudata(L, 1, REQUEST);

    gantry_control_request_free(request->request);
    request->request = NULL;
    return 0;
}

static const luaL_Reg request_methods[] = {{"method", request_method},
                                           {"path", request_path},
                                           {"argument", request_argument},
                                           {"header", request_header},
                                           {"body", request_body},
                                           {"add_header", request_add_header},
                                           {"answer", request_answer},
                                           {"stream", request_stream},
                                           {"write", request_write},
                                           {"close", request_close},
                                           {"__gc", request_close},
                                           {"__close", request_close},
                                           {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"close", control_close}, {"__gc", control_close}, {"__close", control_close}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"listen", control_listen}, {"listen_tcp", control_listen_tcp}, {"open", control_open}, {NULL, NULL}};

int luaopen_gantry_core_control(lua_State *L)
{
    lua_gantry_make_type(L, CONTROL, methods);
    lua_gantry_make_type(L, REQUEST, request_methods);
    luaL_newlib(L, functions);
    return 1;
}
