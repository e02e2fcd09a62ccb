-- SPDX-License-Identifier: Apache-2.0
--
--- task/event.lua: something that happens once. It keeps its values for those who come later.

local waiters = require "gantry.task.waiters"

local event = {}

---@class gantry.Event
---@field waiting gantry.Waiters
---@field values table? packed, once set
local Event = {}
Event.__index = Event

---@return gantry.Event
function event.new()
  return setmetatable({ waiting = waiters.new() }, Event)
end

---Sets the event; may be called from anywhere, callbacks of the loop included. Only the first call counts.
---@param ... any what waits return
---@return boolean first
function Event:set(...)
  if self.values then return false end
  self.values = table.pack(...)
  self.waiting:wake_all()
  return true
end

---@return boolean
function Event:is_set()
  return self.values ~= nil
end

---Waits until the event is set.
---@return any ... what it was set with
function Event:wait()
  if not self.values then self.waiting:wait() end
  return table.unpack(self.values, 1, self.values.n)
end

return event
