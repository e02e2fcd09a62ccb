-- SPDX-License-Identifier: Apache-2.0
--
--- cli/stop.lua: `gantry stop`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Stop plugins. They stay down until they are started again, also after a restart of gantry up.",
  examples = "  gantry stop jwt\n  gantry stop jwt kv",
  configure = function(parser) control.configure(parser, "some") end,
  run = function(arguments)
    return control.act(arguments, "stop", "stopped")
  end,
}
