-- SPDX-License-Identifier: Apache-2.0
--
--- cli/ps.lua: `gantry ps`: the plugins of a running supervisor, and what they use; with --watch again and again.

local control = require "gantry.cli.control"
local core = require "gantry.core"
local plugin_columns = require "gantry.text.plugin_columns"
local printable = require "gantry.text.printable"
local table_text = require "gantry.text.table_text"
local task = require "gantry.task"
local units = require "gantry.base.units"

local USUAL <const> = "name,state,up,cpu,memory,pids,restarts,image,exit"
local STDOUT <const> = 1
-- Seconds between two looks.
local PERIOD <const>, SHORTEST <const> = 2, 0.1
-- What a terminal takes: to the first line; the rest of this line is empty; what is below is empty.
local HOME <const>, LINE_END <const>, BELOW <const> = "\27[H", "\27[K\n", "\27[J"

---@param plugins table[]
---@param columns gantry.PluginColumn[]
---@param before table<string, table> the last look, by name
---@return string
local function format(plugins, columns, before)
  local rows = { {} }
  for i, column in ipairs(columns) do rows[1][i] = column.heading or column.name:upper() end
  for _, plugin in ipairs(plugins) do
    local row = {}
    for i, column in ipairs(columns) do row[i] = plugin_columns.cell(column, plugin, before[plugin.name]) end
    rows[#rows + 1] = row
  end
  return table_text.format(rows)
end

---Prints a table, in the place of the one before on a terminal that can.
---@param text string
---@param again boolean whether there is one before
local function print_again(text, again)
  if not core.system.is_terminal(STDOUT) or os.getenv "TERM" == "dumb" then
    return printable.write_stdout(again and "\n" or "", text)
  end
  io.stdout:write(again and HOME or HOME .. BELOW, (printable.filter(STDOUT)(text):gsub("\n", LINE_END)), BELOW)
end

---@param arguments table
---@return fun(value: table) show
local function printer(arguments)
  local columns, before = arguments.columns or assert(plugin_columns.parse(USUAL)), {}
  local again = false
  return function(value)
    if arguments.sort then plugin_columns.sort(value.plugins, arguments.sort, before) end
    local text = format(value.plugins, columns, before)
    local waits = value.waits_for and ("gantry: gantry up has no plugins yet: %s\n"):format(value.waits_for) or ""
    if arguments.watch then
      print_again(waits .. text, again)
    else
      printable.write_stderr(waits)
      printable.write_stdout(text)
    end
    before, again = {}, true
    for _, plugin in ipairs(value.plugins) do before[plugin.name] = plugin end
  end
end

---@return string
local function list_of_columns()
  local lines = {}
  for i, column in ipairs(plugin_columns.all) do lines[i] = ("%s (%s)"):format(column.name, column.doc) end
  return table.concat(lines, ", ")
end

---@param text string
---@return number? seconds, string? reason
local function period(text)
  local seconds, reason = units.seconds(tonumber(text) or text)
  if not seconds then return nil, "--watch " .. reason end
  return math.max(seconds, SHORTEST)
end

---@param find fun(text: string): any, string?
---@param option string
---@return fun(text: string): any, string?
local function with_name(find, option)
  return function(text)
    local found, reason = find(text)
    return found, reason and ("%s: %s"):format(option, reason)
  end
end

return {
  summary = "List the plugins of a running gantry up, and what they use.",
  examples = "  gantry ps\n  gantry ps --watch --sort memory\n  gantry ps --columns name,cpu,cpu_time,causes,health\n"
    .. "  gantry ps --json | jq '.plugins[] | select(.state != \"ready\") | .name'",
  configure = function(parser)
    control.configure(parser)
    parser:option("--columns", ("Which columns, with commas between them, or all; %s where left out. There are %s.")
      :format(USUAL, list_of_columns())):argname("LIST"):convert(with_name(plugin_columns.parse, "--columns"))
    parser:option("--sort", "By which column: numbers the largest first, texts by the alphabet."):argname("COLUMN")
      :convert(with_name(plugin_columns.find, "--sort"))
    parser:option("--watch", "Again and again until Ctrl-C, each 2s where no time is given.")
      :argname("DURATION"):args("?"):convert(period)
  end,
  run = function(arguments)
    local show = printer(arguments)
    local watch = arguments.watch
    while true do
      local code = control.ask(arguments, "GET", "/v1/plugins?stats=1", control.types.plugins, show)
      if not watch or code ~= 0 or not io.stdout:flush() then return code end
      task.sleep(watch[1] or PERIOD)
    end
  end,
}
