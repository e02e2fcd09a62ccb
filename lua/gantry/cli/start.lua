-- SPDX-License-Identifier: Apache-2.0
--
--- cli/start.lua: `gantry start`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Start a plugin that was stopped or has failed, and wait until it is ready.",
  examples = "  gantry start jwt",
  configure = function(parser) control.configure(parser, true) end,
  run = function(arguments)
    return control.ask(arguments, "POST", control.plugin_path(arguments.name, "start"), control.types.plugin,
      control.outcome "ready")
  end,
}
