-- SPDX-License-Identifier: Apache-2.0
--
--- cli/why.lua: `gantry why`: what happened to a plugin, and why what was done about it was done.

local control = require "gantry.cli.control"
local log_text = require "gantry.text.log_text"
local printable = require "gantry.text.printable"
local words = require "gantry.base.words"

local STDOUT <const> = 1

---@param time number
---@return string with the day where it is another one
local function clock_time(time)
  local day = os.date("%Y-%m-%d", time)
  return (day == os.date("%Y-%m-%d") and "" or day .. " ") .. os.date("%H:%M:%S", time)
end

---@param value table
local function print_entries(value)
  local text = log_text.new(STDOUT)
  for _, entry in ipairs(value.entries) do
    io.stdout:write(("%s  %s  %s\n"):format(clock_time(entry.time), text:kind(entry.kind, words.pad(entry.kind, 8)),
      text.printable(entry.text)))
  end
end

return {
  summary = "Tell what happened to a plugin, and what was decided for which reason.",
  examples = "  gantry why jwt\n  gantry why --json jwt | jq .entries[-1]",
  configure = function(parser) control.configure(parser, "some") end,
  run = function(arguments)
    return control.ask_each(arguments, "GET", "why", control.types.why, function(value)
      if #arguments.names > 1 then printable.write_stdout(value.name or "?", ":\n") end
      print_entries(value)
    end)
  end,
}
