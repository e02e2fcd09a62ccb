-- SPDX-License-Identifier: Apache-2.0
--
--- cli/down.lua: `gantry down`: stops all supervised plugins, those first that need others, and the supervisor.

local control = require "gantry.cli.control"

---@param value table
local function show(value)
  io.stdout:write(#value.stopped == 0 and "nothing was running\n" or "stopped " .. table.concat(value.stopped, ", ")
    .. "\n")
end

return {
  summary = "Stop all plugins of a running gantry up, and gantry up itself. The next gantry up starts them again.",
  examples = "  gantry down",
  configure = function(parser) control.configure(parser) end,
  run = function(arguments) return control.ask(arguments, "POST", "/v1/down", control.types.down, show) end,
}
