-- SPDX-License-Identifier: Apache-2.0
--
--- top/model.lua: what the screen shows: plugins, filtered and sorted, which of them is selected, what is known of that
--- one, and what is being typed or asked. It knows nothing of terminals and waits for nothing.

local graph = require "gantry.top.graph"
local plugin_columns = require "gantry.text.plugin_columns"
local plugin_share = require("gantry.plugin.stats").share

local model = {}

local LINES_KEPT <const> = 1000

---@class gantry.TopModel
---@field plugins table[] all, as they were told last, by name
---@field rows table[] those that are shown, in their order
---@field before table<string, table> the regular look before, by name
---@field readings table<string, gantry.Readings> by name
---@field version integer of rows and their order
---@field sort integer place of a column in plugin_columns.all
---@field filter string
---@field selected string? name
---@field first integer place of the row that is shown first
---@field view "list"|"log"|"why"|"help"
---@field typing boolean whether the filter is being typed
---@field asking { verb: string, name: string, question: string }?
---@field message { text: string, style: string }? until the next key
---@field trouble string? why nothing new comes
---@field why table[] entries of the selected one's journal
---@field log table<integer, table> entries of its output, from log_first to log_last
---@field back integer rows that a text is scrolled back from its end
---@field shift integer columns that it is moved to the left
local Model = {}
Model.__index = Model

---@param sort string? name of a column
---@return gantry.TopModel
function model.new(sort)
  local self = setmetatable({ plugins = {}, rows = {}, before = {}, readings = {}, version = 0, sort = 1, filter = "",
    first = 1, view = "list", typing = false, why = {}, log = {}, log_first = 1, log_last = 0, back = 0, shift = 0,
    blocks = true }, Model)
  for i, column in ipairs(plugin_columns.all) do
    if column.name == sort then self.sort = i end
  end
  return self
end

---@return gantry.PluginColumn
function Model:sort_column()
  return plugin_columns.all[self.sort]
end

---@param plugin table
---@param filter string in small letters
---@return boolean
local function fits(plugin, filter)
  for _, text in ipairs { plugin.name, plugin.state, plugin.image or "" } do
    if text:lower():find(filter, 1, true) then return true end
  end
  return false
end

---@return integer? place of the selected row
function Model:place()
  for i, row in ipairs(self.rows) do
    if row.name == self.selected then return i end
  end
end

---Filters and sorts anew. What was selected stays so; where it is gone, what now stands in its place is.
function Model:arrange()
  local place, filter = self:place() or 1, self.filter:lower()
  self.rows = {}
  for _, plugin in ipairs(self.plugins) do
    if fits(plugin, filter) then self.rows[#self.rows + 1] = plugin end
  end
  plugin_columns.sort(self.rows, self:sort_column(), self.before)
  self.version = self.version + 1
  if not self:place() then
    local row = self.rows[math.min(place, #self.rows)]
    self.selected = row and row.name
  end
end

---@param plugins table[]
function Model:take_readings(plugins)
  local before, readings = {}, {}
  for _, plugin in ipairs(plugins) do
    local last, stats = self.before[plugin.name], plugin.stats or {}
    local of_it = self.readings[plugin.name] or graph.readings()
    local same = last and last.generation == plugin.generation and last.stats
    of_it:add(plugin_share(same or nil, stats) or stats.cpu_share, stats.memory_bytes)
    before[plugin.name], readings[plugin.name] = plugin, of_it
  end
  self.next_before, self.readings = before, readings
end

---@param value { plugins: table[], waits_for: string? }
---@param regular boolean whether a period has passed since the last look that was regular, too
function Model:take_plugins(value, regular)
  self.plugins, self.trouble = value.plugins, nil
  if value.waits_for then self.trouble = "gantry up has no plugins yet: " .. value.waits_for end
  if regular then
    self.before = self.next_before or {}
    self:take_readings(value.plugins)
  end
  self:arrange()
end

---@return table? plugin
function Model:selected_plugin()
  local place = self:place()
  return place and self.rows[place]
end

---@param offset integer rows down from the one that is selected
function Model:move(offset)
  local place = math.max(1, math.min(#self.rows, (self:place() or 1) + offset))
  self.selected = self.rows[place] and self.rows[place].name
end

---@param text string
function Model:set_filter(text)
  self.filter = text
  self:arrange()
end

---@param step integer columns to the right
function Model:sort_by_next(step)
  self.sort = (self.sort - 1 + step) % #plugin_columns.all + 1
  self:arrange()
end

---Forgets what is known of one plugin alone.
function Model:forget()
  self.why, self.back, self.shift = {}, 0, 0
  self:clear_log()
end

function Model:clear_log()
  self.log, self.log_first, self.log_last = {}, 1, 0
end

---@param entry table
function Model:add_log(entry)
  self.log_last = self.log_last + 1
  self.log[self.log_last] = entry
  if self.log_last - self.log_first >= LINES_KEPT then
    self.log[self.log_first] = nil
    self.log_first = self.log_first + 1
  end
  if self.view == "log" and self.back > 0 then self.back = self.back + 1 end -- what is read stays where it is
end

---@return integer rows of the text that is shown alone
function Model:length()
  return self.view == "why" and #self.why or self.log_last - self.log_first + 1
end

---@param rows integer towards the beginning
---@param height integer rows that are seen at once
function Model:scroll(rows, height)
  self.back = math.max(0, math.min(self:length() - height, self.back + rows))
end

---@param view "list"|"log"|"why"|"help"
function Model:show(view)
  self.view, self.back, self.shift = view, 0, 0
end

---@param text string
---@param style "plain"|"good"|"warning"|"error"
function Model:say(text, style)
  self.message = { text = text, style = style }
end

return model
