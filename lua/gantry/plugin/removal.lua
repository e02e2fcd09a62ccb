-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/removal.lua: removes a container for good. One removal can fail for a moment: its start is still under way on
--- the engine, somebody else is removing it, or the engine is away.

local core = require "gantry.core"
local memory = require "gantry.plugin.memory"
local task = require "gantry.task"

local removal = {}

-- Seconds.
local PATIENCE <const>, FIRST_RETRY <const>, LONGEST_RETRY <const> = 10, 0.05, 1

-- What is kept of a plugin is kept by its container's whole id.
local WHOLE_ID <const> = "^" .. ("%x"):rep(64) .. "$"

---Whether trying again can help: the engine did not answer, or says that something else is at work on the container.
---@param err gantry.Error
local function passing(err)
  return not err.status or err.status == 409
end

---Returns once the container is not on the engine any more.
---@param engine gantry.Engine
---@param id string or name
---@param may_appear number? seconds: its creation was not answered, so it may be there in a moment
---@return boolean? gone, gantry.Error? err where it is still there, or may be
---@return boolean? removed false where somebody else had removed it, or there was none
function removal.remove(engine, id, may_appear)
  local retry, began = FIRST_RETRY, core.loop.clock()
  while true do
    local removed, err = engine:remove(id)
    local waited = core.loop.clock() - began
    if removed or (removed == false and waited >= (may_appear or 0)) then
      if id:find(WHOLE_ID) then memory.forget(id) end
      return true, nil, removed
    end
    if removed == nil and (not passing(err) or waited > PATIENCE) then return nil, err end
    task.sleep(retry)
    retry = math.min(retry * 2, LONGEST_RETRY)
  end
end

return removal
