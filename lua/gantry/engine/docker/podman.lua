-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/podman.lua: what Podman's service of the Docker Engine API takes otherwise. It ignores settings that
--- it does not know, so those are asked for in its own way or refused: never dropped without a word.

local LABEL = require("gantry.engine.container").LABEL
local core = require "gantry.core"
local errors = require "gantry.base.errors"

local podman = {}

---@param text string
---@param ... any
---@return gantry.Error
local function unsupported(text, ...)
  return errors.new("ENGINE_UNSUPPORTED", text:format(...))
end

---A request may not choose the runtime: the service has one for all containers.
---@param wanted string?
---@param info gantry.EngineInfo
---@return gantry.Error? err
local function check_runtime(wanted, info)
  if not wanted or wanted == info.default_runtime then return nil end
  return unsupported("runtime: Podman runs every container with its own runtime, which is '%s', and would ignore '%s'; "
    .. "start its service with --runtime %s, or leave runtime out of the policy", info.default_runtime or "unknown",
    wanted, wanted)
end

---A source that is missing would be made, as an empty folder of root's.
---@param mount table the engine's mount
---@return gantry.Error? err
local function check_mount(mount)
  if mount.Type ~= "bind" then return nil end
  if (mount.Source .. mount.Target):find(",", 1, true) then
    return unsupported("mounts: Podman takes no path with a comma in it (%s to %s)", mount.Source, mount.Target)
  end
  if core.system.stat(mount.Source) then return nil end
  return errors.new("MOUNT_SOURCE_MISSING", ("mounts: %s does not exist on this machine; make it, or correct the "
    .. "policy"):format(mount.Source))
end

---Fits a create request to Podman.
---@param request table body of POST /containers/create
---@param info gantry.EngineInfo
---@param made string? a source of a mount that will be made
---@return table? request, gantry.Error? err
function podman.fit(request, info, made)
  local host = request.HostConfig
  local refused = check_runtime(host.Runtime, info)
  if refused then return nil, refused end
  local directory = request.Labels and request.Labels[LABEL.directory]
  for _, mount in ipairs(host.Mounts) do
    -- A plan makes neither the socket directory nor that of the credentials.
    local err = mount.Source ~= directory and mount.Source ~= made and check_mount(mount)
    if err then return nil, err end
  end
  if request.NetworkDisabled then
    request.NetworkDisabled, host.NetworkMode = nil, "none"
  end
  -- Podman before 5 takes no settings, not even empty ones, of what it does not call a network.
  if host.NetworkMode == "host" or host.NetworkMode == "none" then request.NetworkingConfig = nil end
  return request
end

---The kinds of events to ask Podman for. Before 5 it tells of a death as Docker does, "die", but finds it under "died".
---@param kinds string[] as Docker has them
---@return string[]
function podman.event_kinds(kinds)
  local all = { table.unpack(kinds) }
  for _, kind in ipairs(kinds) do
    if kind == "die" then all[#all + 1] = "died" end
  end
  return all
end

return podman
