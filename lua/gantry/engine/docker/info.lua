-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/info.lua: what an engine is and has, as it says itself.

local answers = require "gantry.engine.docker.answer"
local errors = require "gantry.base.errors"
local interface = require "gantry.engine.interface"
local records = require "gantry.engine.docker.records"
local task = require "gantry.task"

---@class gantry.DockerClient
local Info = {}

---@return gantry.EngineInfo?, gantry.Error?
function Info:info()
  if self.known_info then return self.known_info end
  return self:ask():wait()
end

---@return gantry.Event answer
function Info:ask()
  if self.asking then return self.asking end
  local answer = task.event()
  self.asking = answer
  task.detach(function()
    local info, err = self:call("GET", "/info", { action = "ask the engine what it is", type = answers.types.info })
    local found = info and records.info(info, self.kind)
    self.known_info, self.asking = found, found and answer or nil
    answer:set(found, err)
  end)
  return answer
end

Info.describe = interface.describe

---Whether containers can have a runtime. Podman's own is for all of them: see gantry.engine.docker.podman.
---@param engine gantry.EngineClient
---@param wanted string?
---@return boolean? ok, gantry.Error? err RUNTIME_UNKNOWN
function Info.check_runtime(engine, wanted)
  if not wanted or not engine.capabilities.runtimes then return true end
  local info, err = engine:info()
  if not info then return nil, err end
  if info.runtimes[wanted] then return true end
  local known = {}
  for name in pairs(info.runtimes) do known[#known + 1] = name end
  table.sort(known)
  return nil, errors.new("RUNTIME_UNKNOWN",
    ("the engine at %s has no runtime '%s'; it has %s; register it in the engine's "
    .. "daemon.json or change the policy's runtime"):format(engine.endpoint.name, wanted, table.concat(known, ", ")))
end

---What is to be known of it, it says itself: see info.
---@return table[] findings none
function Info.findings() return {} end

---Whoever an engine with a daemon maps users to is its own.
---@return nil
function Info.caller_inside() end

return { methods = Info }
