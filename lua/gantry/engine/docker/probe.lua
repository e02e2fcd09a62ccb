-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/probe.lua: whether an engine sees a folder of this machine: Docker refuses to make a container with a
--- folder that it does not see. What is made for that is never started, and removed at once.

local core = require "gantry.core"
local json = require "gantry.json"

---@class gantry.DockerClient
local Probe = {}

---@param engine gantry.DockerClient
---@return string? image any that is on the engine, gantry.Error? err
local function any_image(engine)
  local list, err = engine:images()
  return list and list[1] and list[1].id, err
end

---@param path string
---@param options { image: string?, labels: table<string, string>? }?
---@return boolean? sees nil where that cannot be told, gantry.Error? err why not
function Probe:sees_folder(path, options)
  if self.kind ~= "docker" then return nil end
  local image = options and options.image or any_image(self)
  if not image then return nil end
  local function try(mounts)
    local created, err = self:create("gantry-probe-" .. core.system.random(4), { Image = image,
      Labels = options and options.labels, Cmd = { "/none" }, HostConfig = { Mounts = json.array(mounts) } })
    if created then self:remove(created.id) end
    return created ~= nil, err
  end
  local fine, err = try { { Type = "bind", Source = path, Target = path } }
  if fine then return true end
  if err.code ~= "ENGINE_REFUSED" or not try {} then return nil, err end
  return false, err
end

return { methods = Probe }
