-- SPDX-License-Identifier: Apache-2.0
--
--- cli/events.lua: `gantry events`: what happens under a supervisor, as it happens.

local control = require "gantry.cli.control"

---@param event table
---@return string
local function line(event)
  return ("%s  %s  %-8s  %s"):format(os.date("%H:%M:%S", event.time), event.plugin or "-", event.kind, event.text)
end

return {
  summary = "Show what happens to the plugins of a running gantry up, until Ctrl-C.",
  examples = "  gantry events\n  gantry events --json | jq 'select(.kind == \"exit\")'",
  configure = function(parser) control.configure(parser) end,
  run = function(arguments) return control.follow(arguments, "/v1/events", line) end,
}
