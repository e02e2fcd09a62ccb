-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/inspect.lua: all that is known of one unit: where its policy comes from, the config in force and which
--- part of it comes from where, what was decided.

local json = require "gantry.json"

local inspect = {}

---@class gantry.FieldInForce a field of the config in force
---@field value any a function as text that says where it stands; values of env_files and credentials are in none
---@field origin "default"|"base"|"policy"|"site"|"decision" who said so: gantry, a file that the policy builds on, the
--- policy, the site policy, or what was decided on an earlier end
---@field place string? file and line, where a file said so

---@class gantry.Inspected: gantry.PluginView
---@field built_on string[] the other files that the policy was read from
---@field config table<string, gantry.FieldInForce> by the field's name
---@field container_name string?
---@field decisions gantry.JournalEntry[] ends, and what was decided on them, as far as the journal goes back

---@param policy gantry.RemotePolicy
---@param value any
---@return any without functions
local function plain(policy, value)
  if type(value) == "function" then
    local place = policy.places and policy.places[policy.numbers[value]]
    return place and "function at " .. place or "function"
  end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, one in pairs(value) do copy[key] = plain(policy, one) end
  return copy
end

---@param policy gantry.RemotePolicy
---@param changed table<string, any> what decisions changed
---@param name string
---@return string origin, string? place
local function origin_of(policy, changed, name)
  if changed[name] ~= nil or name == "nano_cpus" and changed.cpus ~= nil then return "decision" end
  for _, change in ipairs(policy.site or {}) do
    if change.field == name then return "site", change.place end
  end
  local given = policy.given or {}
  local place = given[name] or name == "nano_cpus" and given.cpus or nil
  if not place then return "default" end
  return place:match "^(.*):%d+$" == policy.path and "policy" or "base", place
end

---@param policy gantry.RemotePolicy
---@return string[] paths, sorted
local function built_on(policy)
  local list, site = {}, policy.site_place and policy.site_place.path
  for path, seen in pairs(policy.seen or {}) do
    if seen.text and path ~= policy.path and path ~= site then list[#list + 1] = path end
  end
  table.sort(list)
  return list
end

---@param one gantry.Unit
---@return gantry.JournalEntry[]
local function decisions(one)
  local list = {}
  for _, entry in ipairs(one.journal.entries) do
    if entry.kind == "exit" or entry.kind == "decision" then list[#list + 1] = entry end
  end
  return list
end

---@param one gantry.Unit
---@param seen gantry.PluginView of it, which is filled in
---@return gantry.Inspected
function inspect.of(one, seen)
  local found, fields = seen --[[@as gantry.Inspected]], {}
  for name, value in pairs(one.generation_config or one.config) do
    local origin, place = origin_of(one.policy, one.restart.changes or {}, name)
    fields[name] = { value = plain(one.policy, value), origin = origin, place = place }
  end
  found.config, found.decisions = fields, json.array(decisions(one))
  found.built_on = json.array(built_on(one.policy))
  found.container_name = one.plugin and one.plugin.container_name
  return found
end

return inspect
