/* SPDX-License-Identifier: Apache-2.0 */
#include "face/host_kind.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every go-plugin host sets these; only a person does not. */
static bool has_go_plugin(void)
{
    return getenv("PLUGIN_PROTOCOL_VERSIONS") != NULL || getenv("PLUGIN_MIN_PORT") != NULL;
}

static bool has_packer(void)
{
    return getenv("PACKER_PLUGIN_MAGIC_COOKIE") != NULL;
}

/* Of a plugin that holds several components, Packer says which: `start builder NAME`, among options. */
static bool starts_component(char **arguments)
{
    while (*arguments != NULL && (*arguments)[0] == '-')
        arguments++;
    return *arguments != NULL && strcmp(*arguments, "start") == 0;
}

enum gantry_host_kind gantry_host_kind_find(char **arguments)
{
    if (has_packer() && starts_component(arguments))
        return GANTRY_HOST_PACKER;
    if (has_go_plugin())
        return GANTRY_HOST_GO_PLUGIN;
    if (*arguments == NULL)
        return has_packer() ? GANTRY_HOST_PACKER : GANTRY_HOST_NONE;
    return isatty(STDOUT_FILENO) ? GANTRY_HOST_NONE : GANTRY_HOST_ASKS;
}

const char *gantry_host_kind_name(enum gantry_host_kind kind)
{
    static const char *const names[] = {[GANTRY_HOST_NONE] = "none",
                                        [GANTRY_HOST_ASKS] = "asks",
                                        [GANTRY_HOST_GO_PLUGIN] = "go-plugin",
                                        [GANTRY_HOST_PACKER] = "packer"};

    return names[kind];
}
