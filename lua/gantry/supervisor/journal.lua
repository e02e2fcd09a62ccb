-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/journal.lua: what happened to one plugin and why, the last of it, for `why`.

local journal = {}

local KEPT <const> = 100

---@class gantry.JournalEntry
---@field time number seconds since 1970
---@field kind "exit"|"decision"|"start"|"ready"|"stop"|"adopt"|"health"|"policy"|"print"|"state"|"warning"|"fault"
---@field text string

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

---@param entries table[]? from a state file
---@return gantry.Journal
function journal.new(entries)
  local kept = {}
  for _, one in ipairs(entries or {}) do
    if type(one) == "table" and type(one.time) == "number" and type(one.kind) == "string"
      and type(one.text) == "string" then
      kept[#kept + 1] = { time = one.time, kind = one.kind, text = one.text }
    end
  end
  return setmetatable({ entries = kept }, Journal)
end

---@param kind string
---@param text string
---@return gantry.JournalEntry
function Journal:add(kind, text)
  local entry = { time = os.time(), kind = kind, text = text }
  table.insert(self.entries, entry)
  if #self.entries > KEPT then table.remove(self.entries, 1) end
  return entry
end

return journal
