-- SPDX-License-Identifier: Apache-2.0
--
--- restart/changes.lua: changes that a decision makes to the config of the next generation. They are kept as the policy
--- wrote them, and put over the policy's config at each start.

local rules = require "gantry.schema.rules"
local schema = require "gantry.schema"
local values = require "gantry.schema.values"

local changes = {}

-- What a plugin is, or who decides on it, stays as it is from one generation to the next.
local FIXED = { name = true, temp_dir = true, restart = true, on_exit = true, after = true }

---@param list string[]
---@return table<string, integer> index by the variable's name
local function by_variable(list)
  local index_of = {}
  for i, entry in ipairs(list) do index_of[entry:match("^[^=]*")] = i end
  return index_of
end

local MERGE = {}

function MERGE.env(old, new)
  local result = table.move(old, 1, #old, 1, {})
  local index_of = by_variable(old)
  for _, entry in ipairs(new) do result[index_of[entry:match("^[^=]*")] or #result + 1] = entry end
  table.sort(result)
  return result
end

function MERGE.labels(old, new)
  local result = {}
  for key, value in pairs(old) do result[key] = value end
  for key, value in pairs(new) do result[key] = value end
  return result
end

MERGE.tmpfs = MERGE.labels

---@param config table copy to change
---@param key any
---@param value any
---@param report gantry.Report
local function set(config, key, value, report)
  local field = schema.by_name[key]
  if not field then return report(tostring(key), ("'%s' is no field of a config"):format(tostring(key))) end
  if FIXED[key] then return report(key, key .. " cannot be changed by a decision") end
  local read = field.type.read(value, key, report)
  if read == nil then return end
  if key == "cpus" then key, read = "nano_cpus", values.to_nano_cpus(read) end
  config[key] = MERGE[key] and config[key] and MERGE[key](config[key], read) or read
end

---A config with changes put over it. Neither is changed.
---@param config gantry.Config
---@param fields table? as a policy writes them
---@return gantry.Config? config, string? reason the first of what is wrong
function changes.apply(config, fields)
  local result, wrong = {}, nil
  for key, value in pairs(config) do result[key] = value end
  local function report(_, message) wrong = wrong or message end
  for key, value in pairs(fields or {}) do set(result, key, value, report) end
  for _, rule in ipairs(rules) do rule(result, report) end
  if wrong then return nil, wrong end
  return result
end

return changes
