-- SPDX-License-Identifier: Apache-2.0
--
--- task/retry.lua: trying again what may go well later, with pauses that grow.

local core = require "gantry.core"
local task = require "gantry.task"

local retry = {}

-- Seconds, of retry.until_result.
local FIRST <const>, LONGEST <const> = 0.05, 2

---@class gantry.Retry
---@field seconds number of the next pause
local Retry = {}
Retry.__index = Retry

---@param first number seconds of the first pause; each is twice as long as the one before
---@param longest number seconds
---@return gantry.Retry
function retry.new(first, longest)
  return setmetatable({ first = first, longest = longest, seconds = first }, Retry)
end

---@return number seconds of this pause, for those who wait in a way of their own
function Retry:next()
  local seconds = self.seconds
  self.seconds = math.min(seconds * 2, self.longest)
  return seconds
end

function Retry:pause() task.sleep(self:next()) end

---It went well: the next pause is the first again.
function Retry:reset() self.seconds = self.first end

---Calls until there is a result.
---@param seconds number
---@param fn fun(): any
---@return any result nil where there was none in time
function retry.until_result(seconds, fn)
  local again, until_when = retry.new(FIRST, LONGEST), core.loop.clock() + seconds
  while true do
    local result = fn()
    if result or core.loop.clock() > until_when then return result end
    again:pause()
  end
end

return retry
