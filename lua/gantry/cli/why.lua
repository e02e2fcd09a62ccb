-- SPDX-License-Identifier: Apache-2.0
--
--- cli/why.lua: `gantry why`: what happened to a plugin, and why what was done about it was done.

local control = require "gantry.cli.control"
local log_text = require "gantry.text.log_text"
local output_options = require "gantry.cli.output_options"
local printable = require "gantry.text.printable"
local words = require "gantry.base.words"

local STDOUT <const> = 1

---@param value table
local function print_entries(value)
  local text = log_text.new(STDOUT)
  for _, entry in ipairs(value.entries) do
    io.stdout:write(("%s  %s  %s\n"):format(log_text.clock_time(entry.time),
      text:kind(entry.kind, words.pad(entry.kind, 8)), text.printable(entry.text)))
  end
end

return {
  summary = "Tell what happened to a plugin, and what was decided for which reason.",
  examples = "  gantry why jwt\n  gantry why --since 1h jwt\n  gantry why --json jwt | jq .entries[-1]",
  configure = function(parser)
    control.configure(parser, "some")
    output_options.since(parser)
  end,
  run = function(arguments)
    local path = output_options.since_query("why", arguments)
    return control.ask_each(arguments, "GET", path, control.types.why, function(value)
      if #arguments.names > 1 then printable.write_stdout(value.name or "?", ":\n") end
      print_entries(value)
    end)
  end,
}
