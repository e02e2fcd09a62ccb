/* SPDX-License-Identifier: Apache-2.0
 *
 * compile.c: the program that writes the list of gantry_compiled when gantry is built, with the Lua that will read it.
 *
 *     gantry_compile compiled.c LIST
 *
 * The list names a file a line, as FOLDER/./FILE. Modules are named by FILE. Bytecode keeps lines and names of
 * variables, which errors and traces show. */
#include "bytecode/bytecode.h"
#include "bytecode/text_hash.h"

#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_TEXT 1000000
#define MOST_SOURCES 2000

/* Every chunk's name while it is compiled, and as bytecode has it. It is left out: only the installed file has one. */
static const char chunk_name[] = "@";
static const char encoded_name[] = {(char)(0x80 | sizeof chunk_name), '@'};

struct source {
    char *path; /* never freed */
    const char *file;
    char name[256];
    size_t size;
    uint64_t hash;
    size_t written; /* bytes of its bytecode */
};

static _Noreturn void stop_at(const char *path, const char *reason)
{
    fprintf(stderr, "%s: %s\n", path, reason);
    exit(1);
}

/* gantry/cli/init.lua is gantry.cli. */
static void find_name(struct source *source)
{
    const char *mark = strstr(source->path, "/./");
    char *end;

    if (mark == NULL || strlen(mark) >= sizeof source->name)
        stop_at(source->path, "is no FOLDER/./FILE");
    source->file = mark + 3;
    snprintf(source->name, sizeof source->name, "%s", source->file);
    end = strstr(source->name, ".lua");
    if (end == NULL || end[4] != '\0')
        stop_at(source->path, "is no Lua file");
    *end = '\0';
    end = strstr(source->name, "/init");
    if (end != NULL && end[5] == '\0')
        *end = '\0';
    for (end = source->name; *end != '\0'; end++)
        if (*end == '/')
            *end = '.';
}

static int compare_sources(const void *one, const void *other)
{
    return strcmp(((const struct source *)one)->name, ((const struct source *)other)->name);
}

static const char *read_text(struct source *source)
{
    static char text[LARGEST_TEXT + 1];
    FILE *stream = fopen(source->path, "rbe");

    if (stream == NULL)
        stop_at(source->path, "cannot be opened");
    source->size = fread(text, 1, sizeof text, stream);
    if (ferror(stream) || source->size == sizeof text)
        stop_at(source->path, "cannot be read, or is too large");
    fclose(stream);
    return text;
}

/* A writer of lua_dump's: prints the bytes as parts of a string of C. */
static int print_bytes(lua_State *L, const void *bytes, size_t size, void *data)
{
    struct source *source = data;
    const unsigned char *byte = bytes;
    size_t end = GANTRY_BYTECODE_HEAD + sizeof encoded_name;

    (void)L;
    fputc('"', stdout);
    for (; size > 0; size--, byte++, source->written++) {
        if (source->written < GANTRY_BYTECODE_HEAD || source->written >= end)
            printf("\\%03o", *byte);
        else if ((char)*byte != encoded_name[source->written - GANTRY_BYTECODE_HEAD])
            stop_at(source->path, "this Lua writes another form of bytecode");
    }
    fputs("\"\n", stdout);
    return 0;
}

static void compile(lua_State *L, struct source *source, int number)
{
    const char *text = read_text(source);

    if (luaL_loadbufferx(L, text, source->size, chunk_name, "t") != LUA_OK)
        stop_at(source->path, lua_tostring(L, -1) + 1); /* "LINE: reason", after the colon of an empty name */
    source->hash = gantry_text_hash(0, text, source->size);
    printf("static const char bytecode_%d[] =\n", number);
    lua_dump(L, print_bytes, source, 0);
    puts(";");
    lua_pop(L, 1);
}

/* The list is text: a path a line. Returns how many they are. */
static int read_list(const char *path, struct source *sources)
{
    FILE *list = fopen(path, "re");
    char line[PATH_MAX + 2];
    int count = 0;

    if (list == NULL)
        stop_at(path, "cannot be opened");
    for (; fgets(line, sizeof line, list) != NULL; count++) {
        if (count == MOST_SOURCES)
            stop_at(path, "holds too many files");
        line[strcspn(line, "\n")] = '\0';
        sources[count].path = strdup(line);
        if (sources[count].path == NULL)
            stop_at(path, "out of memory");
        find_name(&sources[count]);
    }
    fclose(list);
    return count;
}

static void print_sources(struct source *sources, int count)
{
    lua_State *L = luaL_newstate();

    if (L == NULL)
        stop_at("gantry_compile", "out of memory");
    puts("#include \"bytecode/bytecode.h\"");
    for (int i = 0; i < count; i++)
        compile(L, &sources[i], i);
    puts("const struct gantry_module gantry_compiled[] = {");
    for (int i = 0; i < count; i++)
        printf("{\"%s\", \"%s\", %zu, %lluULL, sizeof bytecode_%d - 1, bytecode_%d},\n", sources[i].name,
               sources[i].file, sources[i].size, (unsigned long long)sources[i].hash, i, i);
    printf("};\nconst size_t gantry_compiled_count = %d;\n", count);
    lua_close(L);
}

/* What was there stays where something fails: a build is not to find half a file there next time. */
int main(int argc, char **argv)
{
    static struct source sources[MOST_SOURCES];
    char unfinished[PATH_MAX];
    int count;

    if (argc != 3)
        stop_at(argv[0], "usage: gantry_compile compiled.c LIST");
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", argv[1]);
    if (freopen(unfinished, "we", stdout) == NULL)
        stop_at(unfinished, "cannot be made");
    count = read_list(argv[2], sources);
    qsort(sources, (size_t)count, sizeof *sources, compare_sources);
    print_sources(sources, count);
    if (ferror(stdout) || fclose(stdout) != 0 || rename(unfinished, argv[1]) < 0)
        stop_at(argv[1], "cannot be written");
    return 0;
}
