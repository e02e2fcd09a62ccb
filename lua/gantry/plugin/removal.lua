-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/removal.lua: removes a container for good. One removal can fail for a moment: its start is still under way on
--- the engine, somebody else is removing it, or the engine is away.

local core = require "gantry.core"
local task = require "gantry.task"

local removal = {}

-- Seconds.
local PATIENCE <const>, FIRST_RETRY <const>, LONGEST_RETRY <const> = 10, 0.05, 1

---Whether trying again can help: the engine did not answer, or says that something else is at work on the container.
---@param err gantry.Error
local function passing(err)
  return not err.status or err.status == 409
end

---Returns once the container is not on the engine any more.
---@param engine gantry.Engine
---@param id string or name
---@return boolean? gone, gantry.Error? err where it is still there, or may be
function removal.remove(engine, id)
  local retry, until_when = FIRST_RETRY, core.loop.clock() + PATIENCE
  while true do
    local removed, err = engine:remove(id)
    if removed ~= nil then return true end
    if not passing(err) or core.loop.clock() > until_when then return nil, err end
    task.sleep(retry)
    retry = math.min(retry * 2, LONGEST_RETRY)
  end
end

return removal
