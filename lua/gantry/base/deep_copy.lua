-- SPDX-License-Identifier: Apache-2.0
--
--- base/deep_copy.lua: a table that shares no table with the one it was made from. It has no bounds of its own: what a
--- policy hands over may be endless, and is copied within bounds where it comes in (gantry.policy,
--- gantry.restart.script).

local deep_copy = {}

---@generic T
---@param value T data without cycles; what is no table is its own copy
---@return T copy its tables are new ones, without metatables; keys are the same
function deep_copy.of(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, one in pairs(value) do result[key] = deep_copy.of(one) end
  return result
end

return deep_copy
