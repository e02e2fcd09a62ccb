-- SPDX-License-Identifier: Apache-2.0
--
--- engine/deaths.lua: how containers ended, as the engine's stream of events tells it. An engine answers to wait and
--- inspect only once it has taken a container's network down, some 50 ms after its process has ended; its events come
--- at once. They are no more than a short cut: what they do not tell, or not in time, is to be inspected. They also
--- tell who was paused by hand.

local core = require "gantry.core"
local retry = require "gantry.task.retry"
local task = require "gantry.task"

local deaths = {}

-- Seconds between two attempts to follow the stream of an engine that is away.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 0.1, 5

-- Containers that are remembered: others may never be asked for.
local MOST <const> = 4096

---@class gantry.Death
---@field code integer the exit code
---@field oom boolean whether the engine has told that memory ran out; it may do so a moment later
---@field uptime number? seconds, by the engine's clock; nil where its start was not seen

---@class gantry.Deaths
---@field engine gantry.EngineClient
---@field labels table<string, string>
---@field known table<string, { started: number?, oom: boolean?, death: gantry.Death?, without_code: boolean?,
--- paused: boolean? }> by container id; without_code: it died, and the engine did not say how
---@field order table<integer, string> ids of those known, oldest first, from `first` to `last`
---@field first integer
---@field last integer
---@field connected boolean
---@field on_pause (fun(id: string, paused: boolean))?
---@field changed gantry.Event set, and replaced, with each death and when the stream ends
local Deaths = {}
Deaths.__index = Deaths

---@param engine gantry.EngineClient
---@param labels table<string, string> of the containers that matter
---@param on_pause (fun(id: string, paused: boolean))? told of a pause by hand, and of its end
---@return gantry.Deaths
function deaths.new(engine, labels, on_pause)
  return setmetatable({ engine = engine, labels = labels, on_pause = on_pause, known = {}, order = {}, first = 1,
    last = 0, connected = false, changed = task.event() }, Deaths)
end

function Deaths:tell()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---@param id string
---@return table
function Deaths:entry(id)
  local entry = self.known[id]
  if entry then return entry end
  entry = {}
  self.known[id] = entry
  self.last = self.last + 1
  self.order[self.last] = id
  if self.last - self.first >= MOST then
    self.known[self.order[self.first]], self.order[self.first] = nil, nil
    self.first = self.first + 1
  end
  return entry
end

---@param event gantry.EngineEvent
function Deaths:take(event)
  local id, seconds = event.id, event.at
  local entry = self:entry(id)
  if event.kind == "start" then
    entry.started, entry.oom, entry.death, entry.without_code, entry.paused = seconds, nil, nil, nil, nil
  elseif event.kind == "pause" or event.kind == "unpause" then
    entry.paused = event.kind == "pause"
    if self.on_pause then self.on_pause(id, entry.paused) end
  elseif event.kind == "oom" then
    entry.oom = true
  elseif event.kind == "die" then
    local code = event.exit_code
    entry.without_code, entry.paused = code == nil, nil
    entry.death = code and { code = code, oom = entry.oom or false,
      uptime = entry.started and math.max(0, seconds - entry.started) }
    self:tell()
  end
end

---@param id string
---@return boolean
function Deaths:is_paused(id)
  local entry = self.known[id]
  return entry ~= nil and entry.paused == true
end

---Follows the stream, again whenever it ends; for a task of its own.
function Deaths:run()
  local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
  while true do
    self.engine:events({ labels = self.labels, kinds = { "start", "oom", "die", "pause", "unpause" } }, {
      on_open = function()
        self.connected = true
        again:reset()
      end,
      on_event = function(event) self:take(event) end,
    })
    self.connected = false
    self:tell()
    again:pause()
  end
end

---How a container ended.
---@param id string
---@param seconds number to wait for the event
---@return gantry.Death? death nil where the events do not tell
function Deaths:await(id, seconds)
  local until_when = core.loop.clock() + seconds
  while self.connected do
    local entry = self.known[id]
    if entry and (entry.death or entry.without_code) then return entry.death end
    local rest, changed = until_when - core.loop.clock(), self.changed
    if rest <= 0 then return nil end
    task.deadline(rest, changed.wait, changed)
  end
end

return deaths
