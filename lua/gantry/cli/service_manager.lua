-- SPDX-License-Identifier: Apache-2.0
--
--- cli/service_manager.lua: what systemd, or another of its kind, is told, and what it hands over: readiness,
--- status, the watchdog, a control socket. Without one, nothing is done.

local core = require "gantry.core"
local task = require "gantry.task"

local service_manager = {}

-- The first descriptor that is handed over.
local FIRST_DESCRIPTOR <const> = 3
-- Seconds that a start may take beyond what was allowed, from each time that it tells what it waits for.
local PATIENCE <const> = 60

---@class gantry.ServiceManager
---@field socket string? where it listens
local ServiceManager = {}
ServiceManager.__index = ServiceManager

---@param environment table<string, string>?
---@return gantry.ServiceManager
function service_manager.new(environment)
  environment = environment or core.system.environment()
  local socket = environment.NOTIFY_SOCKET
  return setmetatable({ socket = socket ~= "" and socket or nil, environment = environment }, ServiceManager)
end

---A failure to tell is nothing that anybody could do something about.
---@param ... string such as "READY=1"
function ServiceManager:tell(...)
  if self.socket then core.notify.send(self.socket, table.concat({ ... }, "\n")) end
end

---@param name string
---@return boolean whether a variable names this process
local function is_ours(self, name)
  local pid = self.environment[name]
  return pid == nil or pid == tostring(core.system.pid())
end

---The socket that it listens on for us.
---@return integer? descriptor
function ServiceManager:descriptor()
  local count = tonumber(self.environment.LISTEN_FDS)
  if not count or count < 1 or not self.environment.LISTEN_PID or not is_ours(self, "LISTEN_PID") then return nil end
  return FIRST_DESCRIPTOR
end

---Seconds between two signs of life; half of what is allowed.
---@return number?
function ServiceManager:watchdog_period()
  local allowed = tonumber(self.environment.WATCHDOG_USEC)
  if not self.socket or not allowed or allowed <= 0 or not is_ours(self, "WATCHDOG_PID") then return nil end
  return allowed / 2 / 1000000
end

---Gives signs of life for as long as its task lives: the loop turns, so the supervisor is not stuck.
function ServiceManager:keep_alive()
  local period = self:watchdog_period()
  while period do
    self:tell "WATCHDOG=1"
    task.sleep(period)
  end
end

---Tells what keeps it from being ready, and that this may take its time: to be called again while it does.
---@param what string
function ServiceManager:waiting(what)
  self:tell("STATUS=waits for " .. what, ("EXTEND_TIMEOUT_USEC=%d"):format(PATIENCE * 1000000))
end

---@param states table<string, string> of all plugins
---@return string such as "3 ready, 1 backoff"
local function summary(states)
  local counts, parts = {}, {}
  for _, state in pairs(states) do counts[state] = (counts[state] or 0) + 1 end
  for state, count in pairs(counts) do parts[#parts + 1] = ("%d %s"):format(count, state) end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, ", ") or "no plugins"
end

---@param states table<string, string> of all plugins
function ServiceManager:status(states)
  if not self.socket then return end
  local text = summary(states)
  if text ~= self.reported then
    self.reported = text
    self:tell("STATUS=" .. text)
  end
end

return service_manager
