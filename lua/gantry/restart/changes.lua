-- SPDX-License-Identifier: Apache-2.0
--
--- restart/changes.lua: changes that a decision makes to the config of the next generation. They are kept as the policy
--- wrote them, and put over the policy's config at each start.

local merge = require "gantry.config.merge"
local rules = require "gantry.config.rules"
local schema = require "gantry.config.schema"
local values = require "gantry.config.values"

local changes = {}

-- What a plugin is, or who decides on it, stays as it is from one generation to the next.
local FIXED = { name = true, temp_dir = true, restart = true, on_exit = true, after = true }

---@param config table copy to change
---@param key any
---@param value any
---@param report gantry.Report
local function set(config, key, value, report)
  local field = schema.by_name[key]
  if not field then return report(tostring(key), ("'%s' is no field of a config"):format(tostring(key))) end
  if FIXED[key] then return report(key, key .. " cannot be changed by a decision") end
  local merged = merge.field(key, config[key], value)
  if merged == nil then merged = field.default end
  if merged == nil and field.required then return report(key, key .. " cannot be taken away") end
  local read
  if merged ~= nil then
    read = field.type.read(merged, key, report)
    if read == nil then return end
  end
  if key == "cpus" then key, read = "nano_cpus", read and values.to_nano_cpus(read) end
  config[key] = read
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
  for _, rule in ipairs(rules) do rule(result, report, result) end
  if wrong then return nil, wrong end
  return result
end

return changes
