-- SPDX-License-Identifier: Apache-2.0
--
--- cli/logs.lua: `gantry logs`: the last output of a supervised plugin, and what it prints from now on.

local control = require "gantry.cli.control"
local exit_codes = require "gantry.text.exit_codes"
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
  examples = "  gantry logs jwt\n  gantry logs -f --lines 20 jwt kv",
  configure = function(parser)
    control.configure(parser, "some")
    parser:flag("-f --follow", "Go on with what it prints from now on, until Ctrl-C.")
    parser:option("-n --lines", "At most so many of the last lines (200)."):argname("N")
      :convert(function(value)
        local count = value:find "^%d+$" and math.tointeger(tonumber(value))
        if count then return count end
        return nil, ("--lines must be a whole number, got '%s'"):format(value)
      end)
  end,
  run = function(arguments)
    local code = exit_codes.OK
    control.for_each(arguments.names, function(name)
      local path = ("%s?lines=%d%s"):format(control.plugin_path(name, "logs"), arguments.lines or 200,
        arguments.follow and "&follow=1" or "")
      local before = #arguments.names > 1 and name .. ": " or ""
      return control.follow(arguments, path, control.types.log, function(entry) return before .. line(entry) end)
    end, function(came)
      if code == exit_codes.OK then code = came end
    end)
    return code
  end,
}
