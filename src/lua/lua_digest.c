/* SPDX-License-Identifier: Apache-2.0
 *
 * lua_digest.c: gantry.core.digest: SHA-256 of bytes and files, and files on their way to an engine. */
#include "core/files/digest.h"
#include "core/files/file_body.h"

#include "lua/lua_file.h"
#include "lua/lua_http_source.h"
#include "lua/lua_options.h"

#define DIGEST "gantry.digest"

struct digest {
    struct gantry_digest *digest; /* NULL where it could not be made */
};

static int digest_free(lua_State *L)
{
    struct digest *self = luaL_checkudata(L, 1, DIGEST);

    gantry_digest_free(self->digest);
    self->digest = NULL;
    return 0;
}

static struct gantry_digest *check_digest(lua_State *L)
{
    const struct digest *self = luaL_checkudata(L, 1, DIGEST);

    luaL_argcheck(L, self->digest != NULL, 1, "digest closed");
    return self->digest;
}

static int digest_new(lua_State *L) /* -> digest | nil, err */
{
    struct digest *self = lua_newuserdatauv(L, sizeof *self, 0);
    struct gantry_error err;

    self->digest = NULL;
    luaL_setmetatable(L, DIGEST);
    if (gantry_digest_new(&self->digest, &err) < 0)
        return lua_gantry_fail(L, &err);
    return 1;
}

static int digest_add(lua_State *L) /* digest, bytes */
{
    struct gantry_digest *digest = check_digest(L);
    size_t count;
    const char *bytes = luaL_checklstring(L, 2, &count);

    gantry_digest_add(digest, bytes, count);
    return 0;
}

/* The descriptor of the file at `index`. [-0, +0, e] */
static int check_file(lua_State *L, int index)
{
    const struct lua_gantry_file *file = luaL_checkudata(L, index, LUA_GANTRY_FILE);

    luaL_argcheck(L, file->fd >= 0, index, "file closed");
    return file->fd;
}

static int digest_add_file(lua_State *L) /* digest, file, at, limit -> count | nil, err */
{
    struct gantry_digest *digest = check_digest(L);
    int fd = check_file(L, 2);
    lua_Integer at = luaL_checkinteger(L, 3);
    lua_Integer limit = luaL_checkinteger(L, 4);
    struct gantry_error err;
    size_t count;

    luaL_argcheck(L, at >= 0, 3, "no place in a file");
    luaL_argcheck(L, limit >= 0, 4, "no number of bytes");
    if (gantry_digest_add_file(digest, fd, (uint64_t)at, (size_t)limit, &count, &err) < 0)
        return lua_gantry_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int digest_hex(lua_State *L) /* digest -> 64 hexadecimal digits */
{
    char hex[GANTRY_DIGEST_SIZE];

    gantry_digest_hex(check_digest(L), hex);
    lua_pushstring(L, hex);
    return 1;
}

/* ---- bodies of requests ---- */

struct body {
    struct lua_gantry_http_source source; /* first */
    struct gantry_file_body *body;        /* NULL where it could not be made */
};

static int body_free(lua_State *L)
{
    struct body *self = luaL_checkudata(L, 1, LUA_GANTRY_HTTP_SOURCE);

    gantry_file_body_free(self->body);
    self->body = NULL;
    self->source.source = (struct gantry_http_source){0};
    return 0;
}

static ssize_t body_read(void *data, char *bytes, size_t size, struct gantry_error *err)
{
    return gantry_file_body_read(data, bytes, size, err);
}

static void body_rewind(void *data)
{
    gantry_file_body_rewind(data);
}

/* digest.body { before, file, size, sha256, after } -> the source of a request's body | nil, err: see file_body.h */
static int digest_body(lua_State *L)
{
    struct gantry_file_body_options options = {0};
    struct gantry_error err;
    struct body *self;

    luaL_checktype(L, 1, LUA_TTABLE);
    options.before = lua_gantry_push_bytes(L, 1, "before", &options.before_size);
    options.after = lua_gantry_push_bytes(L, 1, "after", &options.after_size);
    luaL_argcheck(L, options.before != NULL && options.after != NULL, 1, "before and after are needed");
    options.sha256 = lua_gantry_push_needed_text(L, 1, "sha256");
    options.size = (uint64_t)lua_gantry_get_integer(L, 1, "size", 0, LUA_MAXINTEGER, 0);
    self = lua_newuserdatauv(L, sizeof *self, 0);
    *self = (struct body){0};
    luaL_setmetatable(L, LUA_GANTRY_HTTP_SOURCE);
    lua_getfield(L, 1, "file");
    options.fd = check_file(L, -1);
    lua_pop(L, 1);
    if (gantry_file_body_new(&options, &self->body, &err) < 0)
        return lua_gantry_fail(L, &err);
    self->source.source = (struct gantry_http_source){
        .size = gantry_file_body_size(self->body), .read = body_read, .rewind = body_rewind, .data = self->body};
    return 1;
}

/* ---- the module ---- */

static const luaL_Reg digest_methods[] = {
    {"add", digest_add}, {"add_file", digest_add_file}, {"hex", digest_hex}, {"__gc", digest_free}, {NULL, NULL}};
static const luaL_Reg body_methods[] = {{"__gc", body_free}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", digest_new}, {"body", digest_body}, {NULL, NULL}};

int luaopen_gantry_core_digest(lua_State *L)
{
    lua_gantry_make_type(L, DIGEST, digest_methods);
    lua_gantry_make_type(L, LUA_GANTRY_HTTP_SOURCE, body_methods);
    luaL_newlib(L, functions);
    return 1;
}
