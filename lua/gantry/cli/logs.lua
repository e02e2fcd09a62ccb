-- SPDX-License-Identifier: Apache-2.0
--
--- cli/logs.lua: `gantry logs`: the last output of a supervised plugin, and what it prints from now on.

local control = require "gantry.cli.control"
local hclog = require "gantry.base.hclog"

---@param entry table
---@return string
local function line(entry)
  if not entry.level then return entry.line end
  return hclog.format { level = entry.level, module = entry.module, message = entry.message or entry.line,
    fields = entry.fields or {} }
end

return {
  summary = "Show the last output of a plugin of a running gantry up.",
  examples = "  gantry logs jwt\n  gantry logs -f --lines 20 jwt",
  configure = function(parser)
    control.configure(parser, true)
    parser:flag("-f --follow", "Go on with what it prints from now on, until Ctrl-C.")
    parser:option("-n --lines", "At most so many of the last lines (200)."):argname("N")
      :convert(function(value) return math.tointeger(tonumber(value)), "--lines must be a whole number" end)
  end,
  run = function(arguments)
    local path = ("%s?lines=%d%s"):format(control.plugin_path(arguments.name, "logs"), arguments.lines or 200,
      arguments.follow and "&follow=1" or "")
    return control.follow(arguments, path, control.types.log, line)
  end,
}
