-- SPDX-License-Identifier: Apache-2.0
--
--- exec/resident.lua: for engines whose connections no other process can take over (TLS): the launcher stays, and
--- hands on what they bring.

local core = require "gantry.core"
local face = require "gantry.face"
local task = require "gantry.task"
local writer = require "gantry.text.writer"

local resident = {}

-- Seconds for a plugin's host that reads slowly, once the container has ended.
local DRAIN_TIMEOUT <const> = 10

---Hands on what is left of the output, and ends it.
---@param out gantry.Writer
---@param descriptor integer
local function finish(out, descriptor)
  if face.host == "asks" then
    out:drain(task.event()) -- all of the answer, until who asked goes away
  else
    out:settle(DRAIN_TIMEOUT)
  end
  out:rest()
  core.system.close(descriptor)
  resident.drained:set()
end

-- Of what the engine itself says, too.
local NUMBERS <const> = { stdout = 1, stderr = 2, engine = 3 }

---As the face reads output: see gantry.engine.interface.
---@param name "stdout"|"stderr"|"engine"
---@param bytes string
---@return string
local function frame(name, bytes)
  return string.pack(">BxxxI4", NUMBERS[name], #bytes) .. bytes
end

---The container's output through a socket of our own.
---@param engine gantry.EngineClient
---@param id string
---@return integer? descriptor for the face; the caller's, gantry.Error? err
function resident.hand_over_output(engine, id)
  local ours, theirs = core.system.socket_pair()
  if not ours then return nil, theirs end
  local stream
  resident.drained = task.event()
  local out = writer.new(ours, {
    on_full = function() stream:pause() end,
    on_drained = function() stream:resume() end,
  })
  local err
  stream, err = engine:attach(id, {
    on_output = function(name, bytes) out:write(frame(name, bytes)) end,
    on_end = function() task.detach(finish, out, ours) end,
  })
  if not stream then return nil, err end
  return theirs
end

---Waits for the container's end and tells the face of it.
---@param engine gantry.EngineClient
---@param id string
---@return boolean? ok, gantry.Error? err
function resident.follow(engine, id)
  collectgarbage "restart"
  local result, err = engine:wait(id)
  if not result then return nil, err end
  resident.drained:wait()
  return face.tell("exit", tostring(result.exit_code))
end

return resident
