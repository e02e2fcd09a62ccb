-- SPDX-License-Identifier: Apache-2.0
--
--- restart/asker.lua: how the decision core asks a policy that came from a file, or one that a program wrote.

local asker = {}

---@param loader gantry.PolicyLoader
---@param path string
---@return string? text
local function text_of(loader, path)
  for _, one in ipairs(loader.texts) do
    if one.path == path then return one.text end
  end
end

---@param policy gantry.Policy
---@param config gantry.Config? as the current generation has it; the policy's own where nil
---@return gantry.RestartAsker
function asker.of_policy(policy, config)
  local loader = policy.loader
  local place
  if policy.config.restart ~= nil then
    local path, line = loader:locate("restart")
    place = ("%s:%d"):format(path:match("[^/]*$"), line)
  end
  return {
    restart = policy.config.restart, config = config or policy.config, place = place,
    call = function(limits, fn, ...) return loader:call_within(limits, fn, ...) end,
    text_of = function(path) return text_of(loader, path) end,
  }
end

---@param config gantry.Config
---@return gantry.RestartAsker
function asker.of_config(config)
  return { restart = config.restart, config = config }
end

return asker
