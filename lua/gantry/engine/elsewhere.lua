-- SPDX-License-Identifier: Apache-2.0
--
--- engine/elsewhere.lua: whether an image that an engine lacks is on another engine of this machine: Docker and Podman,
--- and each user's own, keep theirs apart.

local docker = require "gantry.engine.docker"
local endpoint = require "gantry.engine.endpoint"
local system = require("gantry.core").system
local task = require "gantry.task"

local elsewhere = {}

-- Seconds for all of them: they are asked for a better message, no more.
local TIMEOUT <const> = 2

---@param where gantry.Endpoint
---@param reference string
---@return boolean
local function has_image(where, reference)
  local engine <close> = docker.connect(where)
  return engine ~= nil and engine:image(reference) ~= nil
end

---The first other engine on a usual socket that has an image.
---@param engine gantry.EngineClient that has it not
---@param reference string
---@param environment table<string, string>?
---@return string? address as --engine takes it
function elsewhere.find(engine, reference, environment)
  environment = environment or system.environment()
  local own = engine.endpoint.unix_socket
  local tried = { [own and system.real_path(own) or engine.endpoint.name] = true }
  return (task.deadline(TIMEOUT, function()
    for _, url in ipairs(endpoint.usual(environment)) do
      local where = endpoint.parse(url, "default", environment)
      local socket = where and system.real_path(where.unix_socket)
      if socket and not tried[socket] then
        tried[socket] = true
        if has_image(where, reference) then return where.name end
      end
    end
  end))
end

return elsewhere
