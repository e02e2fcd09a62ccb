-- SPDX-License-Identifier: Apache-2.0
--
--- task/queue.lua: values from those who have them to those who want them, first in, first out, without a bound.

local waiters = require "gantry.task.waiters"

local queue = {}

---@class gantry.Queue
---@field waiting gantry.Waiters
---@field items table<integer, any>
---@field first integer
---@field last integer
---@field closed boolean
local Queue = {}
Queue.__index = Queue

---@return gantry.Queue
function queue.new()
  return setmetatable({ waiting = waiters.new(), items = {}, first = 1, last = 0, closed = false }, Queue)
end

---Puts a value in and never waits; may be called from anywhere, callbacks of the loop included.
---@param value any not nil, which means the end
function Queue:put(value)
  if self.closed then error("queue closed", 2) end
  if value == nil then error("queue:put needs a value, got nil", 2) end
  if self.waiting:wake(value) then return end
  self.last = self.last + 1
  self.items[self.last] = value
end

---Takes the oldest value; waits for one where there is none.
---@return any? value nil once the queue is closed and empty
function Queue:take()
  if self.first > self.last then
    if self.closed then return nil end
    return (self.waiting:wait())
  end
  local value = self.items[self.first]
  self.items[self.first] = nil
  self.first = self.first + 1
  return value
end

---Nothing more comes: what is in the queue can still be taken. Closing twice is allowed.
function Queue:close()
  self.closed = true
  self.waiting:wake_all(nil)
end

---@return integer how many values can be taken at once
function Queue:__len()
  return self.last - self.first + 1
end

return queue
