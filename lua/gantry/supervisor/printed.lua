-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/printed.lua: what policies print while they are read and asked. It stands in the journal of the policy's
--- plugin; what comes before that is known waits until the policies are read.

local printed = {}

local MOST_HELD <const> = 1000

---@param supervisor gantry.Supervisor
---@param path string of the policy
---@return gantry.Unit?
local function unit_of(supervisor, path)
  for _, one in pairs(supervisor.units) do
    if one.policy.path == path then return one end
  end
end

---@param supervisor gantry.Supervisor
---@param path string of the policy
---@param text string
function printed.take(supervisor, path, text)
  local one, held = unit_of(supervisor, path), supervisor.printed
  if one then return one:note("print", text) end
  if #held < MOST_HELD then held[#held + 1] = { path = path, text = text } end
end

---Hands on what waited. What no plugin is there for is told of none.
---@param supervisor gantry.Supervisor
function printed.settle(supervisor)
  local held = supervisor.printed
  supervisor.printed = {}
  for _, line in ipairs(held) do
    local one = unit_of(supervisor, line.path)
    if one then one:note("print", line.text) else supervisor:tell("print", ("%s: %s"):format(line.path, line.text)) end
  end
end

return printed
