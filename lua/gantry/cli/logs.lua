-- SPDX-License-Identifier: Apache-2.0
--
--- cli/logs.lua: `gantry logs`: the last output of a supervised plugin, and what it prints from now on, with a line
--- between the output of one generation and that of the next.

local control = require "gantry.cli.control"
local exit_codes = require "gantry.text.exit_codes"
local log_filter = require "gantry.cli.log_filter"
local log_text = require "gantry.text.log_text"
local output_options = require "gantry.cli.output_options"

local STDOUT <const> = 1

---@param arguments table
---@param name string? the plugin's, where lines of several are shown
---@return fun(entry: table): string
local function show(arguments, name)
  local text = log_text.new(STDOUT, output_options.wants_timestamps(arguments))
  local before, generation = name and text:name(name) .. ": " or "", nil
  return function(entry)
    local between = ""
    if generation and entry.generation and entry.generation ~= generation then
      between = before .. text.color:paint("dim", ("-- generation %d --"):format(entry.generation)) .. "\n"
    end
    generation = entry.generation or generation
    return ("%s%s%s%s\n"):format(between, before, text:time(entry.time), text:line(log_text.entry(entry)))
  end
end

return {
  summary = "Show the last output of a plugin of a running gantry up.",
  examples = "  gantry logs jwt\n  gantry logs -f --tail 20 jwt kv\n"
    .. "  gantry logs --since 10m --level warn --grep 'time(out|r)' jwt",
  configure = function(parser)
    control.configure(parser, "some")
    parser:flag("-f --follow", "Go on with what it prints from now on, until Ctrl-C.")
    log_filter.configure(parser)
    output_options.timestamps(parser)
  end,
  run = function(arguments)
    local code = exit_codes.OK
    control.for_each(arguments.names, function(name)
      local tail, wants = log_filter.of(arguments)
      local path = ("%s?tail=%s%s"):format(control.plugin_path(name, "logs"),
        (wants or tail == math.maxinteger) and "all" or tail, arguments.follow and "&follow=1" or "")
      return control.follow(arguments, path, control.types.log, show(arguments, #arguments.names > 1 and name or nil),
        wants and { wants = wants, tail = tail })
    end, function(came)
      if code == exit_codes.OK then code = came end
    end)
    return code
  end,
}
