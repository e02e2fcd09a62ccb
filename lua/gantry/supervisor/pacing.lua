-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/pacing.lua: how many launches are under way at a time. An engine that is flooded starts no more in a
--- second, and each takes longer; so the number follows how many starts a second the engine shows: it grows as long as
--- that brings more, and goes back where it does not. Served in the order of asking.

local floors = require "gantry.restart.floors"
local task = require "gantry.task"

local pacing = {}

local FIRST <const>, MOST <const> = 3, 16
-- Starts that are counted at least before a number is judged; after so many at the best one, others are tried again.
local FEWEST <const>, SETTLED <const> = 4, 40
-- So many times as many starts a second are worth more at a time.
local WORTH <const> = 1.05

---@class gantry.Pacing
---@field limit integer
---@field under_way integer
---@field waiting gantry.Event[]
---@field spare gantry.Event[] those that wait until nobody else launches
---@field counted integer starts at this number, while more were waiting; below 0 while none counts yet
---@field since number? when counting began
---@field best { limit: integer, rate: number }?
---@field settled integer? starts at the best number, once it is known
local Pacing = {}
Pacing.__index = Pacing

---@param clock fun(): number
---@return gantry.Pacing
function pacing.new(clock)
  return setmetatable({ clock = clock, limit = FIRST, under_way = 0, waiting = {}, spare = {}, counted = -FIRST,
    starts = {} }, Pacing)
end

---Whether there is a turn for who comes now.
---@return boolean
function Pacing:has_room()
  return self.under_way < self.limit and #self.waiting == 0
end

---Waits for a turn. Give it back with the function returned, once; a waiter that is cancelled leaves the queue.
---@return fun() release
function Pacing:acquire()
  return self:await_turn(self.waiting, not self:has_room())
end

---Waits until nothing else is launched, for what nobody waits for.
---@return fun() release
function Pacing:acquire_spare()
  return self:await_turn(self.spare, self.under_way > 0 or #self.waiting > 0)
end

---@param queue gantry.Event[]
---@param must_wait boolean
---@return fun() release
function Pacing:await_turn(queue, must_wait)
  if must_wait then
    local turn = task.event()
    table.insert(queue, turn)
    local _ <close> = setmetatable({}, { __close = function() self:leave(queue, turn) end })
    turn:wait()
    turn.taken = true
  else
    self.under_way = self.under_way + 1
  end
  local released = false
  return function()
    if released then return end
    released = true
    self.under_way = self.under_way - 1
    self:serve()
  end
end

---A waiter is done with waiting: one that was given its turn and did not take it gives it back.
---@param queue gantry.Event[]
---@param turn gantry.Event
function Pacing:leave(queue, turn)
  if turn.taken then return end
  for i, one in ipairs(queue) do
    if one == turn then
      table.remove(queue, i)
      return
    end
  end
  self.under_way = self.under_way - 1
  self:serve()
end

function Pacing:serve()
  while self.under_way < self.limit and #self.waiting > 0 do
    self.under_way = self.under_way + 1
    table.remove(self.waiting, 1):set()
  end
  if self.under_way == 0 and #self.spare > 0 then
    self.under_way = 1
    table.remove(self.spare, 1):set()
  end
end

---Counts anew, at this number: first come starts that were under way with the old one, which do not count.
---@param limit integer
function Pacing:change(limit)
  self.limit, self.counted, self.since = limit, -limit, nil
end

---@param rate number starts a second at the present number
function Pacing:judge(rate)
  if not self.best or rate > self.best.rate * WORTH then
    self.best = { limit = self.limit, rate = rate }
    self:change(math.min(MOST, self.limit + math.max(1, self.limit // 2)))
  else
    self.settled = 0
    self:change(self.best.limit)
  end
end

---The engine has answered to a start. Only what it does while more are waiting says what it can do.
function Pacing:note()
  if #self.waiting == 0 then return self:change(self.limit) end
  self.counted = self.counted + 1
  if self.counted == 0 then self.since = self.clock() end
  -- Whole rounds, for starts that come in step.
  local enough = -(-FEWEST // self.limit) * self.limit
  if self.settled then
    self.settled = self.settled + 1
    if self.settled >= SETTLED then self.settled, self.best = nil, nil end
  elseif self.since and self.counted >= enough then
    self:judge(self.counted / math.max(1e-3, self.clock() - self.since))
  end
  self:serve()
end

---Waits for the turn of a start that nobody asked for: it keeps to the rate of all when it begins, however long it has
---waited for its turn. No turn is held while the rate has it wait: a start that somebody asked for takes it.
---@param spare boolean? nobody waits for it
---@return fun() release
function Pacing:acquire_automatic(spare)
  while true do
    local wait = floors.wait_for_rate(self.starts, floors.overall, self.clock())
    if wait > 0 then task.sleep(wait) end
    local release = spare and self:acquire_spare() or self:acquire()
    if floors.wait_for_rate(self.starts, floors.overall, self.clock()) <= 0 then
      floors.note_start(self.starts, self.clock(), floors.overall.max)
      return release
    end
    release()
  end
end

return pacing
