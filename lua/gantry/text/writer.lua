-- SPDX-License-Identifier: Apache-2.0
--
--- text/writer.lua: text to a descriptor that may be slow, without blocking the loop: a pipe or terminal is written
--- when it takes more, a file at once. What was written stays in order. A reader that went away loses its text, no
--- more; so does one that reads nothing while the source cannot be paused, from a bound on, and is told how much.

local core = require "gantry.core"
local task = require "gantry.task"

local writer = {}

-- Held text over which a source should pause, and under which it may go on.
local HIGH <const>, LOW <const> = 1024 * 1024, 256 * 1024

-- Held text over which no more is taken.
local MOST <const> = 16 * 1024 * 1024

---@class gantry.Writer
---@field held integer bytes that wait
---@field empty gantry.Event set while nothing is held
local Writer = {}
Writer.__index = Writer

---@param bytes integer
---@return string
local function left_out(bytes)
  return ("gantry: %d bytes of output are left out here: its reader is too slow\n"):format(bytes)
end

---@class gantry.WriterHandlers
---@field on_full fun()? more is held than should be: a source should pause
---@field on_drained fun()? it may go on
---@field on_lost fun(err: gantry.Error)? nobody reads any more
---@field left_out (fun(bytes: integer): string)? what stands in the place of so many bytes

---@param fd integer
---@param handlers gantry.WriterHandlers?
---@return gantry.Writer
function writer.new(fd, handlers)
  local self = setmetatable({ fd = fd, queue = {}, first = 1, last = 0, from = 1, held = 0, dropped = 0,
    handlers = handlers or {} }, Writer)
  self.left_out = self.handlers.left_out or left_out
  self.empty = task.event()
  self.empty:set()
  -- Regular files cannot be watched (and never block for long): they are written at once.
  self.watch = task.loop():watch(fd, "w", function() self:flush_some() end)
  self:rest()
  return self
end

---Nothing waits: no events until there is.
function Writer:rest()
  if self.watch then self.watch:close() end
  self.resting = self.watch ~= nil
end

---One piece, as much as a ready pipe takes without blocking.
---@return boolean more
function Writer:write_piece()
  local bytes = self.queue[self.first]
  local taken, err = core.system.write(self.fd, bytes, self.from)
  if not taken then -- nobody reads, or the disk is full: dropped
    taken = #bytes - self.from + 1
    self:tell_lost(err)
  end
  self.from, self.held = self.from + taken, self.held - taken
  if self.from > #bytes then
    self.queue[self.first] = nil
    self.first, self.from = self.first + 1, 1
  end
  return self.first <= self.last
end

---@param err gantry.Error
function Writer:tell_lost(err)
  if self.lost then return end
  self.lost = true
  if self.handlers.on_lost then self.handlers.on_lost(err) end
end

---@param text string
function Writer:put(text)
  self.last = self.last + 1
  self.queue[self.last] = text
  self.held = self.held + #text
end

---Whether a text is one too many. Once there was one, more is taken only when most of what is held was read.
---@param text string
---@return boolean
function Writer:overflows(text)
  if self.dropped == 0 and self.held <= MOST then return false end
  self.dropped = self.dropped + #text
  return true
end

function Writer:flush_some()
  local more = self:write_piece()
  if self.dropped > 0 and self.held < LOW then
    self:put(self.left_out(self.dropped))
    self.dropped, more = 0, true
  end
  if not more then
    self:rest()
    self.empty:set()
  end
  if self.full and self.held < LOW then
    self.full = false
    if self.handlers.on_drained then self.handlers.on_drained() end
  end
end

---@param text string
function Writer:write(text)
  if text == "" or self:overflows(text) then return end
  self:put(text)
  if not self.watch then return self:flush() end
  if self.resting and core.system.is_writable(self.fd) and not self:write_piece() then return end
  if self.resting then
    self.resting, self.empty = false, task.event()
    self.watch = task.loop():watch(self.fd, "w", function() self:flush_some() end)
  end
  if not self.full and self.held > HIGH then
    self.full = true
    if self.handlers.on_full then self.handlers.on_full() end
  end
end

---Waits until nothing is held, but not for ever: for output elsewhere that should come after this.
---@param seconds number
function Writer:settle(seconds)
  if not self.empty:is_set() then task.deadline(seconds, self.empty.wait, self.empty) end
end

---Waits until all is written, however slow the reader is, or until it is told to give up.
---@param give_up gantry.Event
---@return boolean written
function Writer:drain(give_up)
  if self.empty:is_set() then return true end
  return task.first(function() self.empty:wait() end, function() give_up:wait() end) == 1
end

---Writes all that waits, blocking.
function Writer:flush()
  while self.first <= self.last do self:write_piece() end
end

return writer
