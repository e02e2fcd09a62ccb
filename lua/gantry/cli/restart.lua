-- SPDX-License-Identifier: Apache-2.0
--
--- cli/restart.lua: `gantry restart`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Stop a plugin in order, start it anew, and wait until it is ready.",
  examples = "  gantry restart jwt",
  configure = function(parser) control.configure(parser, true) end,
  run = function(arguments)
    return control.ask(arguments, "POST", control.plugin_path(arguments.name, "restart"), control.types.plugin,
      control.outcome "ready")
  end,
}
