-- SPDX-License-Identifier: Apache-2.0
--
--- virtual_loop.lua: a loop for tests whose clock jumps to the next timer, so that hours of sleep take no time and
--- every run is the same. It has the part of gantry.core.loop's contract that tasks need, and counts what is left.

local virtual_loop = {}

local Loop = {}
Loop.__index = Loop

local Timer = {}
Timer.__index = Timer

function Timer:cancel()
  if self.loop.timers[self] then self.loop.cancelled = self.loop.cancelled + 1 end
  self.loop.timers[self] = nil
end

function Loop:timer(seconds, fn)
  self.order = self.order + 1
  local timer = setmetatable({ loop = self, at = self.now + seconds, order = self.order, fn = fn }, Timer)
  self.timers[timer] = true
  return timer
end

local function before(one, other)
  return one.at < other.at or one.at == other.at and one.order < other.order
end

---@return table? timer of those set before `order`
local function earliest(self, order)
  local found
  for timer in pairs(self.timers) do
    if timer.order <= order and (not found or before(timer, found)) then found = timer end
  end
  return found
end

function Loop:on_turn(fn) self.turn = fn end

function Loop:is_stepping() return self.stepping end

---Calls back for the timers that are due first, then takes the turn; raises the first error once all have run.
function Loop:step(seconds)
  if self.stepping then error("loop:step inside a callback of the same loop", 2) end
  local order, next_timer = self.order, earliest(self, self.order)
  if not next_timer or next_timer.at > self.now + (seconds or math.huge) then
    if not seconds then error("the virtual loop would wait for ever", 2) end
    return 0
  end
  self.stepping, self.now = true, math.max(self.now, next_timer.at)
  local count, failure = 0, nil
  while next_timer and next_timer.at <= self.now do
    self.timers[next_timer] = nil
    count = count + 1
    local ok, err = pcall(next_timer.fn)
    if not ok and failure == nil then failure = err end
    next_timer = earliest(self, order)
  end
  local ok, err = pcall(self.turn or function() end)
  if not ok and failure == nil then failure = err end
  self.stepping = false
  if failure ~= nil then error(failure, 0) end
  return count
end

---@return integer timers that are still set
function Loop:left()
  local count = 0
  for _ in pairs(self.timers) do count = count + 1 end
  return count
end

function virtual_loop.new()
  return setmetatable({ timers = {}, now = 0, order = 0, cancelled = 0, stepping = false }, Loop)
end

local MODULES <const> = { "gantry.task", "gantry.task.scheduler", "gantry.task.scope", "gantry.task.waiters",
  "gantry.task.event", "gantry.task.queue" }

---A gantry.task of its own on a virtual loop. The one that others have required stays as it is.
---@return table task, table loop
function virtual_loop.task()
  local core, loop, kept = require "gantry.core", virtual_loop.new(), {}
  require "gantry.base.errors"
  for _, name in ipairs(MODULES) do kept[name], package.loaded[name] = package.loaded[name], nil end
  package.loaded["gantry.core"] = { loop = { new = function() return loop end } }
  local task = require "gantry.task"
  for _, name in ipairs(MODULES) do package.loaded[name] = kept[name] end
  package.loaded["gantry.core"] = core
  return task, loop
end

return virtual_loop
