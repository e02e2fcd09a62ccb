-- SPDX-License-Identifier: Apache-2.0
--
--- cli/memory_trim.lua: gives memory back once a time of work is over. Many launches leave garbage and holes behind,
--- which a process that mostly rests would keep for days.

local core = require "gantry.core"
local task = require "gantry.task"

local memory_trim = {}

-- Seconds without work after which there is time.
local QUIET <const> = 1

---@class gantry.MemoryTrim
---@field worked gantry.Event
local Tidying = {}
Tidying.__index = Tidying

---@return gantry.MemoryTrim
function memory_trim.new()
  return setmetatable({ worked = task.event() }, Tidying)
end

---There was work.
function Tidying:note()
  if not self.worked:is_set() then self.worked:set() end
end

---Waits until there was no work for a while.
function Tidying:await_quiet()
  repeat
    self.worked = task.event()
    local again = task.deadline(QUIET, function()
      self.worked:wait()
      return true
    end)
  until not again
end

---Tidies up after each time of work; for a task of its own.
function Tidying:run()
  while true do
    self.worked:wait()
    self:await_quiet()
    collectgarbage()
    core.system.trim_memory()
  end
end

return memory_trim
