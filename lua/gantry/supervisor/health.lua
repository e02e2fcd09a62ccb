-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/health.lua: asks a plugin again and again how it is, until it has failed to answer well too often. One
--- that was paused by hand is not ill.

local core = require "gantry.core"
local task = require "gantry.task"

local health = {}

---@param plugin gantry.Plugin
---@return boolean
local function is_paused(plugin)
  local inspected = plugin.engine:inspect(plugin.container)
  return inspected ~= nil and inspected.state.paused
end

---Returns once the plugin is unhealthy; never, where it has no connection to ask on.
---@param plugin gantry.Plugin
---@param checks { period: number, timeout: number, failures: integer }
---@param note fun(text: string)
---@param count fun(seconds: number, healthy: boolean) is told of each check
---@return string reason
function health.watch(plugin, checks, note, count)
  local failures = 0
  while plugin.connection do
    task.sleep(checks.period)
    local asked = core.loop.clock()
    local healthy, err = plugin.connection:health(checks.timeout)
    local took = core.loop.clock() - asked
    local paused = not healthy and is_paused(plugin)
    if not paused then count(took, healthy == true) end
    if healthy or paused then
      if failures > 0 and healthy then note(("healthy again, after %d failed checks"):format(failures)) end
      failures = paused and failures or 0
    else
      failures = failures + 1
      note(("check %d of %d failed: %s"):format(failures, checks.failures, err.message))
      if failures >= checks.failures then return err.message end
    end
  end
  return task.event():wait()
end

return health
