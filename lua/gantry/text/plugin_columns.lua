-- SPDX-License-Identifier: Apache-2.0
--
--- text/plugin_columns.lua: the columns that plugins under supervision are shown in, from what the control socket
--- answers of them: what stands in each, and what it is sorted by.

local nearest = require "gantry.base.nearest"
local share = require("gantry.plugin.stats").share
local units = require "gantry.base.units"

local plugin_columns = {}

---@class gantry.PluginColumn
---@field name string
---@field doc string
---@field heading string? the name in capitals where nil
---@field text fun(plugin: table, before: table?): string? for a cell; "-" where nil
---@field key (fun(plugin: table, before: table?): number|string|nil)? what it is sorted by; the text where nil

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

---A column of one number.
---@param name string
---@param value fun(plugin: table, stats: table, before: table?): number?
---@param format fun(value: number, stats: table): string
---@param doc string
---@param heading string?
---@return gantry.PluginColumn
local function number(name, value, format, doc, heading)
  local function key(plugin, before) return value(plugin, plugin.stats or {}, before) end
  return { name = name, doc = doc, heading = heading, key = key, text = function(plugin, before)
    local found = key(plugin, before)
    return found and format(found, plugin.stats or {})
  end }
end

---@param name string of gantry.SupervisedStats
---@return fun(plugin: table, stats: table): number?
local function figure(name)
  return function(_, stats) return stats[name] end
end

---@param before table?
---@param plugin table
---@return table? stats of the same generation, where it was seen before
local function earlier(before, plugin)
  return before and before.generation == plugin.generation and before.stats or nil
end

---@param limit string of gantry.SupervisedStats
---@param format fun(value: number): string
---@return fun(value: number, stats: table): string
local function of_limit(limit, format)
  return function(value, stats)
    return stats[limit] and ("%s/%s"):format(format(value), format(stats[limit])) or format(value)
  end
end

---@param value number
---@return string
local function whole(value) return ("%d"):format(value) end

---@param counts table<string, integer>
---@return string such as "oom 3, exit 1"
local function by_cause(counts)
  local list = {}
  for cause, count in pairs(counts) do list[#list + 1] = { cause = cause, count = count } end
  table.sort(list, function(left, right)
    if left.count ~= right.count then return left.count > right.count end
    return left.cause < right.cause
  end)
  for i, one in ipairs(list) do list[i] = ("%s %d"):format(one.cause, one.count) end
  return table.concat(list, ", ")
end

---@type gantry.PluginColumn[]
plugin_columns.all = {
  { name = "name", doc = "its name", text = function(plugin) return plugin.name end },
  { name = "state", doc = "its state", text = function(plugin) return plugin.state end },
  number("up", function(plugin) return plugin.uptime end, units.format_seconds, "since it was ready"),
  number("cpu", function(plugin, stats, before) return share(earlier(before, plugin), stats) or stats.cpu_share end,
    function(value) return ("%.1f%%"):format(value * 100) end,
    "share of one CPU since its start; under --watch since the last look"),
  number("cpu_time", figure "cpu_seconds", units.format_seconds, "CPU time of the live generation", "CPU TIME"),
  number("memory", figure "memory_bytes", of_limit("memory_limit_bytes", units.format_bytes),
    "memory in use, and its limit"),
  number("pids", figure "pids", whole, "processes and threads"),
  number("handshake", figure "handshake_seconds", units.format_seconds, "launch to handshake of the last start"),
  number("start", figure "ready_seconds", units.format_seconds, "launch to ready of the last start"),
  { name = "warm", doc = "containers that wait for it, of how many", text = function(plugin)
    return plugin.warm and ("%d/%d"):format(plugin.warm.waiting, plugin.warm.size)
  end, key = function(plugin) return plugin.warm and plugin.warm.waiting end },
  { name = "standby", doc = "whether another one stands by", text = function(plugin)
    return plugin.standby and (plugin.standby.waiting > 0 and "yes" or "no")
  end },
  number("restarts", function(plugin) return plugin.restarts end, whole,
    "automatic restarts since somebody last started it"),
  { name = "causes", doc = "all restarts by cause", text = function(plugin)
    local counts = plugin.stats and plugin.stats.restarts_by_cause
    return counts and next(counts) and by_cause(counts)
  end },
  number("health", figure "health_seconds", function(value, stats)
    local failures = stats.health_failures or 0
    return units.format_seconds(value) .. (failures > 0 and (", %d failed"):format(failures) or "")
  end, "time of the last health check, and how many failed"),
  number("output", figure "output_bytes", units.format_bytes, "bytes of its output"),
  number("calls", figure "calls", function(value, stats)
    local failures = stats.calls_failed or 0
    return whole(value) .. (failures > 0 and (", %d failed"):format(failures) or "")
  end, "calls that gantry's process made, and how many failed"),
  { name = "image", doc = "its image", text = function(plugin) return plugin.image end },
  { name = "exit", doc = "its last end, or what holds it up", heading = "LAST EXIT", text = last_exit },
}

local by_name = {}
for _, column in ipairs(plugin_columns.all) do by_name[column.name] = column end

---@param name string
---@return gantry.PluginColumn? column, string? reason
function plugin_columns.find(name)
  if by_name[name] then return by_name[name] end
  local names = {}
  for i, column in ipairs(plugin_columns.all) do names[i] = column.name end
  local near = nearest.find(name, names)
  return nil, ("there is no column '%s'; %s"):format(name, near and ("did you mean '%s'?"):format(near)
    or "there are " .. table.concat(names, ", "))
end

---@param text string names with commas between them
---@return gantry.PluginColumn[]? columns, string? reason
function plugin_columns.parse(text)
  if text == "all" then return plugin_columns.all end
  local list = {}
  for name in (text .. ","):gmatch " *(.-) *," do
    local column, reason = plugin_columns.find(name)
    if not column then return nil, reason end
    list[#list + 1] = column
  end
  return list
end

---@param column gantry.PluginColumn
---@param plugin table
---@param before table? the same plugin at the last look
---@return string
function plugin_columns.cell(column, plugin, before)
  return column.text(plugin, before) or "-"
end

---Sorts plugins: numbers the largest first, texts by the alphabet, what has neither last.
---@param plugins table[] which are sorted
---@param column gantry.PluginColumn
---@param before table<string, table> by name
function plugin_columns.sort(plugins, column, before)
  local key, keys = column.key or column.text, {}
  for place, plugin in ipairs(plugins) do keys[plugin] = { value = key(plugin, before[plugin.name]), place = place } end
  table.sort(plugins, function(left, right)
    local a, b = keys[left], keys[right]
    if a.value == b.value then return a.place < b.place end
    if a.value == nil or b.value == nil then return b.value == nil end
    if type(a.value) == "number" then return a.value > b.value end
    return a.value < b.value
  end)
end

return plugin_columns
