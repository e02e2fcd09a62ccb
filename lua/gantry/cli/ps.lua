-- SPDX-License-Identifier: Apache-2.0
--
--- cli/ps.lua: `gantry ps`: the plugins of a running supervisor.

local control = require "gantry.cli.control"
local printable = require "gantry.text.printable"
local table_text = require "gantry.text.table_text"
local units = require "gantry.base.units"

---@param plugin table
---@return string
local function last_exit(plugin)
  local exit = plugin.last_exit
  local out = exit and (exit.requested and "stopped" or exit.text or "?") or "-"
  if plugin.next_start then return ("%s, next try in %s"):format(out, units.format_seconds(plugin.next_start)) end
  if plugin.trouble or plugin.state == "waiting" or plugin.state == "failed" or plugin.state == "ended" then
    return plugin.detail and ("%s, %s"):format(out, plugin.detail):gsub("^%-, ", "") or out
  end
  return out
end

---@param value table
local function print_table(value)
  if value.waits_for then printable.write_stderr("gantry: gantry up has no plugins yet: ", value.waits_for, "\n") end
  local rows = { { "NAME", "STATE", "UP", "RESTARTS", "IMAGE", "LAST EXIT" } }
  for _, plugin in ipairs(value.plugins) do
    rows[#rows + 1] = { plugin.name, plugin.state, plugin.uptime and units.format_seconds(plugin.uptime) or "-",
      tostring(plugin.restarts or "-"), plugin.image or "-", last_exit(plugin) }
  end
  printable.write_stdout(table_text.format(rows))
end

return {
  summary = "List the plugins of a running gantry up.",
  examples = "  gantry ps\n  gantry ps --json | jq '.plugins[] | select(.state != \"ready\") | .name'",
  configure = function(parser) control.configure(parser) end,
  run = function(arguments)
    return control.ask(arguments, "GET", "/v1/plugins", control.types.plugins, print_table)
  end,
}
