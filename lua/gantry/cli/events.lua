-- SPDX-License-Identifier: Apache-2.0
--
--- cli/events.lua: `gantry events`: what happens under a supervisor, as it happens.

local control = require "gantry.cli.control"
local words = require "gantry.base.words"

---@param event table
---@return string
local function line(event)
  return ("%s  %s  %s  %s"):format(os.date("%H:%M:%S", event.time), event.plugin or "-", words.pad(event.kind, 8),
    event.text)
end

return {
  summary = "Show what happens to the plugins of a running gantry up, until Ctrl-C.",
  examples = "  gantry events\n  gantry events --json | jq 'select(.kind == \"exit\")'",
  configure = function(parser) control.configure(parser) end,
  run = function(arguments) return control.follow(arguments, "/v1/events", control.types.event, line) end,
}
