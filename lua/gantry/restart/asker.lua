-- SPDX-License-Identifier: Apache-2.0
--
--- restart/asker.lua: how the decision core asks a policy that came from a file, or one that a program wrote.

local asker = {}

---@param policy gantry.Policy|gantry.RemotePolicy
---@param config gantry.Config? as the current generation has it; the policy's own where nil
---@return gantry.RestartAsker
function asker.of_policy(policy, config)
  return {
    restart = policy.config.restart, config = config or policy.config, place = policy.place,
    ask = function(fn, exit, facts) return policy:ask(fn, exit, facts) end,
  }
end

---@param config gantry.Config
---@return gantry.RestartAsker
function asker.of_config(config)
  return { restart = config.restart, config = config }
end

return asker
