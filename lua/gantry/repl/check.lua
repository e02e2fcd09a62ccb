-- SPDX-License-Identifier: Apache-2.0
--
--- repl/check.lua: the findings about one policy as lines of text.

local errors = require "gantry.base.errors"
local gantry = require "gantry"

local check = {}

---@param policy string|table
---@param options gantry.LoadOptions
---@return string lines
function check.report(policy, options)
  local ok, err = gantry.load(policy, options)
  local name = type(policy) == "table" and "the table" or policy
  if ok then return name .. ": ok\n" end
  local lines = {}
  for _, one in ipairs(errors.is(err) and { err } or err) do lines[#lines + 1] = one.message .. "\n" end
  return table.concat(lines)
end

return check
