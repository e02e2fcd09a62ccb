-- SPDX-License-Identifier: Apache-2.0
--
--- cli/logs.lua: `gantry logs`: the last output of a supervised plugin, and what it prints from now on, with a line
--- between the output of one generation and that of the next.

local control = require "gantry.cli.control"
local log_text = require "gantry.text.log_text"
local output_options = require "gantry.cli.output_options"

local STDOUT <const> = 1

---@param arguments table
---@return fun(entry: table): string
local function show(arguments)
  local text = log_text.new(STDOUT, output_options.wants_timestamps(arguments))
  local generation
  return function(entry)
    local between = ""
    if generation and entry.generation and entry.generation ~= generation then
      between = text.color:paint("dim", ("-- generation %d --"):format(entry.generation)) .. "\n"
    end
    generation = entry.generation or generation
    return ("%s%s%s\n"):format(between, text:time(entry.time), text:line { level = entry.level, module = entry.module,
      message = entry.level and entry.message or entry.line, fields = entry.fields or {} })
  end
end

return {
  summary = "Show the last output of a plugin of a running gantry up.",
  examples = "  gantry logs jwt\n  gantry logs -f --lines 20 jwt",
  configure = function(parser)
    control.configure(parser, true)
    parser:flag("-f --follow", "Go on with what it prints from now on, until Ctrl-C.")
    parser:option("-n --lines", "At most so many of the last lines (200)."):argname("N")
      :convert(function(value) return math.tointeger(tonumber(value)), "--lines must be a whole number" end)
    output_options.timestamps(parser)
  end,
  run = function(arguments)
    local path = ("%s?lines=%d%s"):format(control.plugin_path(arguments.name, "logs"), arguments.lines or 200,
      arguments.follow and "&follow=1" or "")
    return control.follow(arguments, path, control.types.log, show(arguments))
  end,
}
