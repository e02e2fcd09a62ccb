-- SPDX-License-Identifier: Apache-2.0
--
--- top/layout.lua: which columns of the table there is room for, how wide they are, and what stands in them.

local graph = require "gantry.top.graph"
local plugin_columns = require "gantry.text.plugin_columns"
local printable = require "gantry.text.printable"

local layout = {}

-- In the order in which they stand. The lower the rank, the less is it left out; `right` is where numbers stand.
-- A graph is of the readings of that name; `least` is of a column that takes what room is left.
local COLUMNS <const> = {
  { name = "name", rank = 1, most = 24 },
  { name = "state", rank = 2 },
  { name = "up", rank = 7, right = true },
  { name = "cpu", rank = 3, right = true },
  { graph = "cpu", rank = 5, width = 10 },
  { name = "memory", rank = 4, right = true },
  { graph = "memory", rank = 6, width = 10 },
  { name = "pids", rank = 9, right = true },
  { name = "restarts", rank = 8, right = true },
  { name = "health", rank = 11, right = true },
  { name = "start", rank = 12, right = true },
  { name = "calls", rank = 14, right = true },
  { name = "output", rank = 13, right = true },
  { name = "exit", rank = 10, least = 20 },
}

local GAP <const> = 1
-- A share of one CPU that reaches the upper edge of a graph, if none is higher.
local CPU_TOP <const> = 0.1

---@class gantry.TopCell
---@field width integer
---@field right boolean?
---@field heading string
---@field sorted boolean whether rows are sorted by it
---@field texts string[] by row

---Text of anybody's, as one row can show it.
---@param text string
---@return string
function layout.one_line(text)
  return (printable.text(text):gsub("[\t\n]", " "))
end

---The graphs of one plugin.
---@param model gantry.TopModel
---@param plugin table
---@param kind "cpu"|"memory"
---@param width integer
---@return string
function layout.graph(model, plugin, kind, width)
  local readings = model.readings[plugin.name]
  if not readings then return (" "):rep(width) end
  local top = kind == "cpu" and CPU_TOP or plugin.stats and plugin.stats.memory_limit_bytes or plugin.memory or 0
  return graph.line(readings[kind], width, top, model.blocks)
end

---@param model gantry.TopModel
---@param wanted table of COLUMNS
---@param measure fun(text: string): integer
---@return gantry.TopCell
local function cell_of(model, wanted, measure)
  if wanted.graph then
    local cell = { width = wanted.width, heading = "", sorted = false, texts = {} }
    for i, plugin in ipairs(model.rows) do cell.texts[i] = layout.graph(model, plugin, wanted.graph, wanted.width) end
    return cell
  end
  local column = plugin_columns.find(wanted.name) --[[@as gantry.PluginColumn]]
  local heading = column.heading or column.name:upper()
  local cell = { width = #heading, right = wanted.right, heading = heading, sorted = column == model:sort_column(),
    texts = {} }
  for i, plugin in ipairs(model.rows) do
    cell.texts[i] = layout.one_line(plugin_columns.cell(column, plugin, model.before[plugin.name]))
    cell.width = math.max(cell.width, measure(cell.texts[i]))
  end
  cell.width = math.min(cell.width, wanted.most or math.maxinteger)
  return cell
end

---@return table[] of COLUMNS, in the order of their ranks
local function by_rank()
  local list = table.move(COLUMNS, 1, #COLUMNS, 1, {})
  table.sort(list, function(left, right) return left.rank < right.rank end)
  return list
end

---The table as it fits.
---@param model gantry.TopModel
---@param columns integer of the screen
---@param measure fun(text: string): integer columns of a text
---@return gantry.TopCell[]
function layout.cells(model, columns, measure)
  local chosen, left = {}, columns
  for _, wanted in ipairs(by_rank()) do
    local cell = cell_of(model, wanted, measure)
    local needs = wanted.least or cell.width
    if wanted.rank == 1 then needs = math.min(needs, columns) end
    if needs > left then break end
    cell.width = needs
    chosen[wanted], left = cell, left - needs - GAP
  end
  local cells = {}
  for _, wanted in ipairs(COLUMNS) do
    local cell = chosen[wanted]
    if cell and wanted.least then cell.width = cell.width + math.max(0, left + GAP) end
    cells[#cells + 1] = cell
  end
  return cells
end

layout.GAP = GAP

return layout
