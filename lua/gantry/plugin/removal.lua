-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/removal.lua: removes a container for good. One removal can fail for a moment: its start is still under way on
--- the engine, somebody else is removing it, or the engine is away.

local core = require "gantry.core"
local interface = require "gantry.engine.interface"
local reattach_data = require "gantry.place.reattach_data"
local retry = require "gantry.task.retry"

local removal = {}

-- Seconds.
local TIMEOUT <const>, FIRST_RETRY <const>, LONGEST_RETRY <const> = 10, 0.05, 1
-- Seconds in which a container may appear whose creation was not answered.
local UNANSWERED <const> = 5

-- What is kept of a plugin is kept by its container's whole id.
local WHOLE_ID <const> = "^" .. ("%x"):rep(64) .. "$"

---Whether trying again can help: the engine did not answer, or not to this, or says that something else is at work on
---the container.
---@param err gantry.Error
local function passing(err)
  return not interface.answered(err) or err.code == "CONFLICT" or err.code == "ENGINE_ANSWER"
end

---How long a container may appear that could not be created, as far as anybody was told. A name that is taken has
---been taken by the same launch: no other has it, and a request whose connection closed before the answer was sent
---once more.
---@param failure gantry.Error of Engine:create
---@return number? seconds nil where the engine has said that there is none
function removal.may_appear(failure)
  return (failure.code == "CONFLICT" or not interface.answered(failure)) and UNANSWERED or nil
end

---Returns once the container is not on the engine any more.
---@param engine gantry.EngineClient
---@param id string or name
---@param may_appear number? seconds: its creation was not answered, so it may be there in a moment
---@return boolean? gone, gantry.Error? err where it is still there, or may be
---@return boolean? removed false where somebody else had removed it, or there was none
function removal.remove(engine, id, may_appear)
  local again, began = retry.new(FIRST_RETRY, LONGEST_RETRY), core.loop.clock()
  while true do
    local removed, err = engine:remove(id)
    local waited = core.loop.clock() - began
    if removed or (removed == false and waited >= (may_appear or 0)) then
      if id:find(WHOLE_ID) then reattach_data.forget(id) end
      return true, nil, removed
    end
    if removed == nil and (not passing(err) or waited > TIMEOUT) then return nil, err end
    again:pause()
  end
end

return removal
