-- SPDX-License-Identifier: Apache-2.0
--
--- handover/connections.lua: what the process that the host holds gets of a container, by way of its channel: the
--- output, the answer to a wait for the end, and the process itself. Whoever hands it over has the engine's client
--- for no longer than that, but where nobody else can have them: see gantry.exec.resident.

local cgroup = require "gantry.plugin.cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local task = require "gantry.task"

local connections = {}

-- Seconds for an engine that does not answer while a plugin waits for it.
local TIMEOUT <const> = 30

---@class gantry.Connections
---@field engine gantry.EngineClient
---@field id string the container's
---@field face table what tells the face: `tell` of gantry.face, or of gantry.handover.face
---@field relay table? gantry.exec.resident, where this process may stay
---@field resident table? that, where this process has to stay
local Connections = {}
Connections.__index = Connections

-- In a record in the place of an engine's address: a gate started the plugin, and nobody else knows of it.
connections.BY_GATE = "gate:"

---@param engine gantry.EngineClient
---@param id string
---@param face table
---@param relay table?
---@return gantry.Connections
function connections.new(engine, id, face, relay)
  return setmetatable({ engine = engine, id = id, face = face, relay = relay }, Connections)
end

---@param what string for the message where it takes too long
---@param request fun(engine: gantry.EngineClient, id: string): ...
---@return any ... what the engine's client returns
function Connections:ask(what, request)
  local answer = table.pack(task.deadline(TIMEOUT, request, self.engine, self.id))
  local err = answer[2]
  if errors.is(err, "DEADLINE_EXCEEDED") then return nil, err:wrap(what) end
  return table.unpack(answer, 1, answer.n)
end

---@param lock integer? the descriptor of the lock on the socket directory, where it is to be held
---@return boolean? ok, gantry.Error? err
function Connections:hand_over_output(lock)
  local descriptor, err = self:ask("attach to the container", self.engine.hand_over_output)
  if err and err.code == "ENGINE_UNSUPPORTED" and self.relay then
    self.resident = self.relay
    descriptor, err = self.resident.hand_over_output(self.engine, self.id)
  end
  if not descriptor then return nil, err end
  local sent, lost = self.face.tell("output", "", descriptor, lock or -1)
  core.system.close(descriptor)
  return sent, lost
end

---Hands over the connection that will tell of the end; where this process has to stay, waits for that end.
---@return boolean? ok, gantry.Error? err
function Connections:hand_over_exit()
  if self.resident then return self.resident.follow(self.engine, self.id) end
  local descriptor, err, result = self:ask("wait for the container", self.engine.hand_over_exit)
  if result then return self.face.tell("exit", tostring(result.exit_code)) end
  if not descriptor then return nil, err end
  local sent, lost = self.face.tell("exit", "", descriptor)
  core.system.close(descriptor)
  return sent, lost
end

---@return table? inspected, gantry.Error? err
function Connections:inspect()
  return self:ask("inspect the container", self.engine.inspect)
end

---Hands over the container's process, whose end then needs nobody to tell of it, where it is on this machine.
---@param inspected table
---@return boolean? ok, gantry.Error? err
function Connections:hand_over_process(inspected)
  local state, pid = inspected.state, inspected.state.pid or 0
  local descriptor = pid > 0 and core.system.process(pid) or -1
  if descriptor >= 0 and not cgroup.has(pid, inspected.id) then
    core.system.close(descriptor)
    descriptor = -1
  end
  local sent, err = self.face.tell("process", inspected.id .. "\0" .. (state.started_at or ""), descriptor)
  if descriptor >= 0 then core.system.close(descriptor) end
  return sent, err
end

return connections
