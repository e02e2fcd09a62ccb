-- SPDX-License-Identifier: Apache-2.0
--
-- patterns/oom.lua: a plugin that ran out of memory gets twice as much, up to a ceiling:
--
--   memory = "128MiB", restart = require "patterns.oom" "1GiB"
--
-- With the ceiling reached, and on any other end, it has no opinion: what follows it in restart.first_of decides, else
-- the default, which is backoff. The limit falls back to the policy's when the policy's file changes.

local gantry = require "gantry"

---@param ceiling string|integer the most that it may have
return function(ceiling)
  local most, reason = gantry.units.bytes(ceiling)
  if not most then gantry.refuse("restart", "patterns.oom: the ceiling " .. reason) end
  return function(exit, history)
    local limit = history.config.memory
    if exit.cause ~= "oom" or not limit or limit >= most then return nil end
    local memory = math.min(2 * limit, most)
    return "restart", { memory = memory, reason = "out of memory, from now on " .. gantry.units.format_bytes(memory) }
  end
end
