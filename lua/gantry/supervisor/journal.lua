-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/journal.lua: what happened to one plugin and why, the last of it, for `why`; and, of all of them, for
--- `events --since`.

local json = require "gantry.json"

local journal = {}

local KEPT <const> = 100

---@class gantry.JournalEntry
---@field time number seconds since 1970
---@field kind "exit"|"decision"|"start"|"ready"|"stop"|"adopt"|"health"|"policy"|"print"|"state"|"warning"|"fault"
---@field text string
---@field order integer? counts what happened to all plugins: much can happen in a second

---@class gantry.SupervisorEvent an entry of a journal, or of none, as it is told
---@field time integer seconds since 1970
---@field plugin string? nil where it is about no one plugin
---@field kind string state, start, ready, exit, decision, health, policy, adopt, engine, warning or fault
---@field text string what happened, for people
---@field state string? of the plugin

---@class gantry.Journal
---@field entries gantry.JournalEntry[] oldest first
local Journal = {}
Journal.__index = Journal

-- Of the entry that was made last, and of what earlier supervisors made.
local last_order = 0

---@param entries table[]? from a state file
---@return gantry.Journal
function journal.new(entries)
  local kept = {}
  for _, one in ipairs(entries or {}) do
    if type(one) == "table" and type(one.time) == "number" and type(one.kind) == "string"
      and type(one.text) == "string" then
      kept[#kept + 1] = json.constant { time = one.time, kind = one.kind, text = one.text,
        order = math.tointeger(one.order) }
      last_order = math.max(last_order, kept[#kept].order or 0)
    end
  end
  return setmetatable({ entries = kept }, Journal)
end

---@param kind string
---@param text string
---@return gantry.JournalEntry
function Journal:add(kind, text)
  last_order = last_order + 1
  local entry = json.constant { time = os.time(), kind = kind, text = text, order = last_order }
  table.insert(self.entries, entry)
  if #self.entries > KEPT then table.remove(self.entries, 1) end
  return entry
end

---@param journals table<gantry.Journal, string|false> and whose they are
---@param since integer seconds since 1970
---@return gantry.SupervisorEvent[] oldest first
function journal.events(journals, since)
  local list, orders = {}, {}
  for one, plugin in pairs(journals) do
    for i, entry in ipairs(one.entries) do
      local event = { time = entry.time, plugin = plugin or nil, kind = entry.kind, text = entry.text }
      if entry.time >= since then list[#list + 1], orders[event] = event, { entry.time, entry.order or 0, i } end
    end
  end
  table.sort(list, function(left, right)
    for at, value in ipairs(orders[left]) do
      if value ~= orders[right][at] then return value < orders[right][at] end
    end
    return (left.plugin or "") < (right.plugin or "")
  end)
  return list
end

return journal
