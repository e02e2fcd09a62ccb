-- SPDX-License-Identifier: Apache-2.0
--
--- top/draw.lua: puts a model onto a screen, whatever the size of that.

local details = require "gantry.top.details"
local keys = require "gantry.top.keys"
local layout = require "gantry.top.layout"

local draw = {}

-- Rows that hold more than the table: below that there is nothing but it. Rows of the table where there is more.
local LEAST_FOR_DETAILS <const>, LEAST_OF_TABLE <const> = 12, 4
local STATES <const> = { ready = "good", failed = "error", backoff = "warning", stopped = "dim", ended = "dim" }

---@param model gantry.TopModel
---@return string
local function summary(model)
  local counts, order = {}, {}
  for _, plugin in ipairs(model.plugins) do
    if not counts[plugin.state] then order[#order + 1] = plugin.state end
    counts[plugin.state] = (counts[plugin.state] or 0) + 1
  end
  table.sort(order, function(left, right)
    if counts[left] ~= counts[right] then return counts[left] > counts[right] end
    return left < right
  end)
  for i, state in ipairs(order) do order[i] = ("%d %s"):format(counts[state], state) end
  return ("%d plugin%s%s%s"):format(#model.plugins, #model.plugins == 1 and "" or "s", #order > 0 and ": " or "",
    table.concat(order, ", "))
end

---@param model gantry.TopModel
---@param screen table
---@param columns integer
local function heading(model, screen, columns)
  if model.trouble then return screen:put(0, 0, columns, "error", layout.one_line(model.trouble)) end
  local text = summary(model)
  local place = model:place()
  if model.filter ~= "" then text = ("%s  filter: %s (%d)"):format(text, model.filter, #model.rows) end
  local right = ("%d/%d  %s"):format(place or 0, #model.rows, os.date "%H:%M:%S")
  text = layout.one_line(text)
  screen:put(0, 0, columns, "bold", text)
  if screen:width(text) + 2 + #right <= columns then screen:put(0, columns - #right, #right, "dim", right) end
end

---@param cell gantry.TopCell
---@param text string
---@param screen table
---@return string
local function aligned(cell, text, screen)
  return cell.right and (" "):rep(cell.width - screen:width(text)) .. text or text
end

---@param model gantry.TopModel
---@param plugin table
---@param cell gantry.TopCell
---@return string style
local function style_of(model, plugin, cell)
  if plugin.name == model.selected then return "reverse" end
  if cell.heading == "STATE" then return plugin.trouble and "warning" or STATES[plugin.state] or "plain" end
  if cell.heading == "" then return "accent" end
  local stats = plugin.stats
  if cell.heading == "MEMORY" and stats and stats.memory_limit_bytes and stats.memory_bytes
    and stats.memory_bytes > 0.9 * stats.memory_limit_bytes then
    return "error"
  end
  return "plain"
end

---@param model gantry.TopModel
---@param screen table
---@param columns integer
---@return gantry.TopCell[]
local function cells_of(model, screen, columns)
  local kept = model.kept_cells
  if not kept or kept.version ~= model.version or kept.columns ~= columns then
    kept = { version = model.version, columns = columns,
      cells = layout.cells(model, columns, function(text) return screen:width(text) end) }
    model.kept_cells = kept
  end
  return kept.cells
end

---@param model gantry.TopModel
---@param screen table
---@param row integer
---@param index integer of the plugin
---@param cells gantry.TopCell[]
---@param columns integer
local function plugin_row(model, screen, row, index, cells, columns)
  local plugin, column = model.rows[index], 0
  if plugin.name == model.selected then screen:put(row, 0, columns, "reverse", "") end
  for _, cell in ipairs(cells) do
    screen:put(row, column, cell.width, style_of(model, plugin, cell), aligned(cell, cell.texts[index], screen))
    column = column + cell.width + layout.GAP
  end
end

---The rows of plugins from the row 1 on.
---@param model gantry.TopModel
---@param screen table
---@param height integer with the headings
---@param columns integer
local function plugin_table(model, screen, height, columns)
  local cells, column, seen = cells_of(model, screen, columns), 0, height - 1
  screen:put(1, 0, columns, "reverse", "")
  for _, cell in ipairs(cells) do
    local text = aligned(cell, cell.heading, screen)
    screen:put(1, column, cell.width, cell.sorted and "bold" or "reverse", text)
    column = column + cell.width + layout.GAP
  end
  local place = model:place() or 1
  model.first = math.max(1, math.min(model.first, place, #model.rows - seen + 1))
  if place >= model.first + seen then model.first = place - seen + 1 end
  for i = 0, seen - 1 do
    if model.rows[model.first + i] then plugin_row(model, screen, 2 + i, model.first + i, cells, columns) end
  end
  if #model.rows == 0 and seen > 0 then
    screen:put(2, 0, columns, "dim", model.filter ~= "" and "no plugin has that in its name, state or image"
      or "no plugins")
  end
end

---@param model gantry.TopModel
---@param screen table
---@param row integer
---@param columns integer
local function footer(model, screen, row, columns)
  if model.typing then
    local text = layout.one_line("filter: " .. model.filter)
    screen:put(row, 0, columns, "plain", text)
    return screen:put(row, screen:width(text), 1, "reverse", " ")
  elseif model.asking then
    return screen:put(row, 0, columns, "warning", layout.one_line(model.asking.question .. " y/n"))
  elseif model.message then
    return screen:put(row, 0, columns, model.message.style, layout.one_line(model.message.text))
  end
  local text = ""
  for _, hint in ipairs(keys.hints(model)) do
    local more = text == "" and hint or text .. "  " .. hint
    if screen:width(more) > columns then break end
    text = more
  end
  screen:put(row, 0, columns, "dim", text)
end

---How many rows a page has.
---@param model gantry.TopModel
---@param rows integer of the screen
---@return integer
function draw.page(model, rows)
  if model.view ~= "list" then return math.max(1, rows - 2) end
  return math.max(1, draw.table_height(model, rows) - 1)
end

---@param model gantry.TopModel
---@param rows integer of the screen
---@return integer rows of the table, with its headings
function draw.table_height(model, rows)
  local room = rows - 2
  if rows < LEAST_FOR_DETAILS then return room end
  return math.min(room, math.max(LEAST_OF_TABLE, math.min(1 + #model.rows, room * 45 // 100)))
end

---@param model gantry.TopModel
---@param screen table
local function list(model, screen, rows, columns)
  local height = draw.table_height(model, rows)
  heading(model, screen, columns)
  if height > 0 then plugin_table(model, screen, height, columns) end
  local plugin = model:selected_plugin()
  if plugin and rows - 2 > height then
    details.pane(model, screen, plugin, { row = 1 + height, rows = rows - 2 - height, columns = columns })
  end
end

---Draws all of it; nothing is seen before screen:show().
---@param model gantry.TopModel
---@param screen table of core.screen
function draw.all(model, screen)
  local rows, columns = screen:size()
  screen:erase()
  if model.view == "list" then
    list(model, screen, rows, columns)
  else
    details.whole(model, screen, { rows = rows - 1, columns = columns })
  end
  if rows > 1 then footer(model, screen, rows - 1, columns) end
end

return draw
