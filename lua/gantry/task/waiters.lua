-- SPDX-License-Identifier: Apache-2.0
--
--- task/waiters.lua: those who wait for one thing, in the order in which they came. Owned by that thing. A waiter is
--- the resume function of an await; one that gives up leaves without disturbing the others.

local scheduler = require "gantry.task.scheduler"

---@class gantry.Waiters
---@field first integer place of the longest waiting, where it has not left
---@field last integer
---@field count integer
---@field [integer] fun(...)
local Waiters = {}
Waiters.__index = Waiters

local waiters = {}

---@return gantry.Waiters
function waiters.new()
  return setmetatable({ first = 1, last = 0, count = 0 }, Waiters)
end

---@return fun(...)?
local function take(self, place)
  local resume = self[place]
  if resume then
    self[place] = nil
    self.count = self.count - 1
  end
  return resume
end

---Waits until it is this waiter's turn.
---@return any ... what the waker gave
function Waiters:wait()
  return scheduler.await(function(resume)
    self.last = self.last + 1
    self.count = self.count + 1
    local place = self.last
    self[place] = resume
    return function() take(self, place) end
  end)
end

---Wakes the longest waiting.
---@param ... any what its wait returns
---@return boolean woken false when nobody waits
function Waiters:wake(...)
  while self.first <= self.last do
    local resume = take(self, self.first)
    self.first = self.first + 1
    if resume then
      resume(...)
      return true
    end
  end
  return false
end

---Wakes all who wait now.
---@param ... any what their waits return
function Waiters:wake_all(...)
  while self:wake(...) do end -- luacheck: ignore 542
end

return waiters
