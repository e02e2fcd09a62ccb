-- SPDX-License-Identifier: Apache-2.0
--
--- top/details.lua: one plugin below the table, and its texts on the whole screen.

local hclog = require "gantry.base.hclog"
local keys = require "gantry.top.keys"
local layout = require "gantry.top.layout"
local log_text = require "gantry.text.log_text"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local details = {}

local STYLES <const> = { error = "error", fault = "error", warn = "warning", warning = "warning", exit = "warning" }
-- Of a line, what could be seen of it at all, and more than any escaping makes of it.
local LONGEST <const> = 4096

---@param entry table of the journal
---@return string text, string style
local function why_line(entry)
  return ("%s  %s  %s"):format(log_text.clock_time(entry.time), words.pad(layout.one_line(entry.kind), 8),
    layout.one_line(entry.text:sub(1, LONGEST))), STYLES[entry.kind] or "plain"
end

---@param entry table of the output
---@return string text, string style
local function log_line(entry)
  local text = hclog.format(log_text.entry(entry)):sub(1, LONGEST)
  local time = entry.time and log_text.clock_time(entry.time) .. "  " or ""
  return time .. layout.one_line(text), STYLES[entry.level] or "plain"
end

---@param text string
---@param columns integer
---@return string without its first characters
local function shifted(text, columns)
  local from = columns > 0 and (utf8.offset(text, columns + 1) or #text + 1) or 1
  return text:sub(from)
end

---The last rows of a text, but for those that are scrolled away.
---@param screen table
---@param area { row: integer, rows: integer, columns: integer }
---@param first integer
---@param last integer
---@param line fun(index: integer): string, string
---@param model gantry.TopModel? whose scrolling counts
local function tail(screen, area, first, last, line, model)
  local bottom = last - (model and model.back or 0)
  local top = math.max(first, bottom - area.rows + 1)
  for i = top, math.min(last, top + area.rows - 1) do
    local text, style = line(i)
    screen:put(area.row + i - top, 0, area.columns, style, shifted(text, model and model.shift or 0))
  end
end

---@param model gantry.TopModel
---@param screen table
---@param area { row: integer, rows: integer, columns: integer }
---@param whole boolean
local function why(model, screen, area, whole)
  tail(screen, area, 1, #model.why, function(i) return why_line(model.why[i]) end, whole and model or nil)
end

---@param model gantry.TopModel
---@param screen table
---@param area { row: integer, rows: integer, columns: integer }
---@param whole boolean
local function log(model, screen, area, whole)
  tail(screen, area, model.log_first, model.log_last, function(i) return log_line(model.log[i]) end,
    whole and model or nil)
end

---@param screen table
---@param row integer
---@param columns integer
---@param text string
local function rule(screen, row, columns, text)
  local line = screen:has_unicode() and "─" or "-"
  local before = ("%s%s %s "):format(line, line, text)
  screen:put(row, 0, columns, "accent", before .. line:rep(columns - screen:width(before)))
end

---@param model gantry.TopModel
---@param screen table
---@param plugin table
---@param row integer
---@param columns integer
local function graphs(model, screen, plugin, row, columns)
  local stats, half = plugin.stats or {}, columns // 2
  local latest = model.readings[plugin.name]
  local share = latest and latest.cpu[#latest.cpu]
  local texts = { { "cpu", ("CPU %s "):format(share and ("%5.1f%%"):format(share * 100) or "     -") },
    { "memory", ("memory %s%s "):format(stats.memory_bytes and units.format_bytes(stats.memory_bytes) or "-",
      stats.memory_limit_bytes and " of " .. units.format_bytes(stats.memory_limit_bytes) or "") } }
  for i, one in ipairs(texts) do
    local from, room = (i - 1) * half, half - #one[2] - 1
    screen:put(row, from, math.min(#one[2], half), "plain", one[2])
    if room > 0 then
      screen:put(row, from + #one[2], room, "accent", layout.graph(model, plugin, one[1], room))
    end
  end
end

---@param plugin table
---@return string
local function title(plugin)
  local text = ("%s: %s, generation %d"):format(plugin.name, plugin.state, plugin.generation or 0)
  return layout.one_line(plugin.detail and text .. ", " .. plugin.detail or text)
end

---What is known of the plugin that is selected.
---@param model gantry.TopModel
---@param screen table
---@param plugin table
---@param area { row: integer, rows: integer, columns: integer }
function details.pane(model, screen, plugin, area)
  rule(screen, area.row, area.columns, title(plugin))
  if area.rows > 1 then graphs(model, screen, plugin, area.row + 1, area.columns) end
  local left = area.rows - 2
  local for_why = math.min(#model.why, math.max(1, (left - 1) * 2 // 5))
  if left <= 0 then return end
  why(model, screen, { row = area.row + 2, rows = math.min(left, for_why), columns = area.columns }, false)
  local row = area.row + 2 + for_why
  local rows = area.row + area.rows - row
  if rows < 2 then return end
  rule(screen, row, area.columns, "output")
  log(model, screen, { row = row + 1, rows = rows - 1, columns = area.columns }, false)
end

---@param model gantry.TopModel
---@return string
local function whole_title(model)
  if model.view == "help" then return "keys" end
  local what = model.view == "log" and "output" or "why"
  return ("%s of %s%s"):format(what, layout.one_line(model.selected or "-"), model.back == 0 and "" or
    (", %d more below"):format(model.back))
end

---One text on the whole screen.
---@param model gantry.TopModel
---@param screen table
---@param size { rows: integer, columns: integer }
function details.whole(model, screen, size)
  local area = { row = 1, rows = size.rows - 1, columns = size.columns }
  rule(screen, 0, size.columns, whole_title(model))
  if model.view == "log" then return log(model, screen, area, true) end
  if model.view == "why" then return why(model, screen, area, true) end
  for i, line in ipairs(keys.help()) do
    if i <= area.rows then screen:put(i, 0, size.columns, "plain", line) end
  end
end

return details
