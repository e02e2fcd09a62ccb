-- SPDX-License-Identifier: Apache-2.0
--
--- exec/returner.lua: what the process that the host holds has done when it has lost its connections to the engine, or
--- has none that it can trust: finds out whether the container's process still runs, and hands over connections in
--- place of the lost ones, or the exit code. It asks until the engine answers; how long that may take is for the
--- process that started it to say, with which it ends.

local connections = require "gantry.handover.connections"
local engines = require "gantry.engine"
local face = require "gantry.face"
local face_watch = require "gantry.exec.face_watch"
local resident = require("gantry.base.later") "gantry.exec.resident"
local retry = require "gantry.task.retry"

local returner = {}

-- Seconds between two attempts.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 0.1, 2

---@class gantry.LostPlugin
---@field wanted "output"|"exit"|"ask" what is missing: all connections, that for the exit code, or none
---@field engine string the address
---@field container string id, or its name where that is all that is known
---@field started string when its process started, as the engine has it; empty where that is not known
---@field plugin string

---@param lost gantry.LostPlugin
---@param reason string
---@return boolean told
local function fail(lost, reason)
  face.tell("failed", ("plugin '%s' has ended: %s"):format(lost.plugin, reason))
  return true
end

---@param lost gantry.LostPlugin
---@param state gantry.ContainerState
---@return boolean? told nil where its process runs on
local function tell_end(lost, state)
  if lost.started ~= "" and state.started_at and state.started_at ~= lost.started then
    return fail(lost, "its container was started again by somebody else, and with it another process, which this "
      .. "host does not know; restart the plugin from its host")
  end
  if state.running then return nil end
  return face.tell("exit", tostring(state.exit_code)) or true
end

---One look at the container, and what follows from it.
---@param lost gantry.LostPlugin
---@return boolean? done, gantry.Error? err
local function look(lost)
  if lost.engine == connections.BY_GATE then
    return fail(lost, "the process that had asked its gate for it was killed, and it ended with that")
  end
  local engine <close>, unreachable = engines.connect { url = lost.engine }
  if not engine then return nil, unreachable end
  local links = connections.new(engine, lost.container, face, resident)
  local inspected, err = links:inspect()
  if err and err.code == "NOT_FOUND" then return fail(lost, "its container was removed by somebody else") end
  if not inspected then return nil, err end
  if tell_end(lost, inspected.state) then return true end
  if lost.started == "" then links:hand_over_process(inspected) end
  if lost.wanted == "ask" then return true end
  if lost.wanted == "output" then
    local ok, failure = links:hand_over_output()
    if not ok then return nil, failure end
  end
  face.tell "started"
  return links:hand_over_exit()
end

---@param lost gantry.LostPlugin
---@return boolean? done, gantry.Error? err
local function come_back(lost)
  local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
  while true do
    local done, err = look(lost)
    if done or lost.wanted == "ask" then return done, err end
    face.tell("away", err.message)
    again:pause()
  end
end

---@param wanted "output"|"exit"|"ask"
---@param engine string
---@param container string
---@param started string
---@param plugin string
---@return integer exit_code
function returner.main(wanted, engine, container, started, plugin)
  local lost = { wanted = wanted, engine = engine, container = container, started = started, plugin = plugin }
  local lives, done = face_watch.run(function() return come_back(lost) end)
  return lives and done and 0 or 1
end

return returner
