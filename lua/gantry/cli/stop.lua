-- SPDX-License-Identifier: Apache-2.0
--
--- cli/stop.lua: `gantry stop`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Stop a plugin. It stays down until it is started again, also after a restart of gantry up.",
  examples = "  gantry stop jwt",
  configure = function(parser) control.configure(parser, true) end,
  run = function(arguments)
    return control.ask(arguments, "POST", control.plugin_path(arguments.name, "stop"), control.types.plugin,
      control.outcome "stopped")
  end,
}
