-- SPDX-License-Identifier: Apache-2.0
--
--- config/merge.lua: fields over fields: what `extend` and the changes of a decision do. Maps are merged deeply; lists,
--- single values and strategies are replaced whole; the environment is merged by variable, however it is written;
--- WITHOUT takes away.

local deep_copy = require "gantry.base.deep_copy"
local types = require "gantry.base.types"

local merge = {}

-- A table with this key stands for what is to be taken away, also as a copy: decisions are kept as plain data.
local TAKEN_AWAY <const> = "gantry.without"

---Stands for what is to be taken away.
merge.WITHOUT = setmetatable({ [TAKEN_AWAY] = true }, { __name = "gantry.without", __metatable = false,
  __tostring = function() return "gantry.without" end,
  __newindex = function() error("gantry.without is read-only", 2) end })

---@param value any
---@return boolean
function merge.is_without(value)
  return type(value) == "table" and rawget(value, TAKEN_AWAY) == true
end

---@param value table
---@return boolean
local function is_strategy(value)
  return type(rawget(value, "strategy")) == "string"
end

---@param old any
---@param new any
---@return boolean
local function both_maps(old, new)
  if type(old) ~= "table" or type(new) ~= "table" or new[1] ~= nil then return false end
  if is_strategy(old) or is_strategy(new) then return false end
  -- An empty table is both: it empties a list, and changes nothing in a map.
  return not (types.is_list(old) and next(old) ~= nil)
end

---A copy of what has nothing below it: there, nothing can be taken away.
---@param new any
---@return any
local function fresh(new)
  if merge.is_without(new) then return nil end
  if type(new) ~= "table" or types.is_list(new) or is_strategy(new) then return deep_copy.of(new) end
  local result = {}
  for key, one in pairs(new) do result[key] = fresh(one) end
  return result
end

---@param old any
---@param new any
---@return any
local function values(old, new)
  if merge.is_without(new) or not both_maps(old, new) then return fresh(new) end
  local result = deep_copy.of(old)
  for key, one in pairs(new) do result[key] = values(old[key], one) end
  return result
end

---@param entries any a map, or a list of "NAME=VALUE"
---@return table<string, any>? by_name nil where it is neither, which the schema tells of
local function by_variable(entries)
  if type(entries) ~= "table" then return nil end
  local by_name = {}
  for key, value in pairs(entries) do
    local name = key
    if math.type(key) == "integer" then
      if type(value) ~= "string" then return nil end
      name, value = value:match("^([^=]*)=(.*)$")
    end
    if type(name) ~= "string" or by_name[name] ~= nil then return nil end
    by_name[name] = value
  end
  return by_name
end

---@param old any
---@param new any
---@return any
local function environments(old, new)
  if merge.is_without(new) then return nil end
  local below, above = by_variable(old), by_variable(new)
  if not above then return deep_copy.of(new) end
  if not below then return deep_copy.of(old) end
  for name, value in pairs(above) do below[name] = fresh(value) end
  return below
end

---One field of a config, as a policy writes it or as it was read.
---@param name any the field's
---@param old any
---@param new any
---@return any merged shares no table with either
function merge.field(name, old, new)
  if name == "env" and old ~= nil then return environments(old, new) end
  return values(old, new)
end

---@param base table fields of a config
---@param changes table
---@return table
function merge.fields(base, changes)
  local result = fresh(base)
  for name, new in pairs(changes) do result[name] = merge.field(name, base[name], new) end
  return result
end

return merge
