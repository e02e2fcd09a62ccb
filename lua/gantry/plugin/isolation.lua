-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/isolation.lua: what of a container's isolation depends on this engine and this machine: its init, a profile's
--- text, and that what is mounted below a read-only folder is read-only too.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local mount_table = require "gantry.plugin.mount_table"

local isolation = {}

local LARGEST_PROFILE <const> = 1024 * 1024
-- Docker's first API with mounts that are read-only all the way down, or not made.
local RECURSIVE_SINCE <const> = 44

---@param engine gantry.Engine
---@return boolean
local function mounts_recursively(engine)
  return engine.kind == "docker" and tonumber(engine.api:match "^1%.(%d+)$" or 0) >= RECURSIVE_SINCE
end

---Podman's init is a package that need not be there, and its answer does not say.
---@param plugin gantry.Plugin
---@param host table the request's HostConfig
local function settle_init(plugin, host)
  if host.Init == nil and plugin.engine.kind == "docker" then host.Init = true end
end

---A rootless engine without cgroups would complain of a limit that nobody asked for.
---@param plugin gantry.Plugin
---@param host table
local function settle_pids(plugin, host)
  local info = plugin.rootless_engine and plugin.engine.known_info
  if info and info.CgroupDriver == "none" and not plugin.config.pids_limit then host.PidsLimit = nil end
end

---@param path string
---@return string? text, gantry.Error? err
local function read_profile(path)
  local text, status = core.files.read(path, LARGEST_PROFILE)
  if text and status.type ~= "file" then text = nil end
  if not text then
    return nil, errors.new("SECCOMP_UNREADABLE", ("seccomp: %s is no file that can be read (%s); correct the policy")
      :format(path, status.message or "it is a " .. status.type))
  end
  if type(json.decode(text)) ~= "table" then
    return nil, errors.new("SECCOMP_INVALID", ("seccomp: %s is no JSON; a profile is a file as Docker documents it")
      :format(path))
  end
  return text
end

---Docker takes a profile's text, Podman its path.
---@param plugin gantry.Plugin
---@param host table
---@return boolean? ok, gantry.Error? err
local function settle_seccomp(plugin, host)
  local path = plugin.config.seccomp
  if not path or path:sub(1, 1) ~= "/" then return true end
  local text, err = read_profile(path)
  if not text then return nil, err end
  table.insert(host.SecurityOpt, "seccomp=" .. (plugin.engine.kind == "podman" and path or text))
  return true
end

---@param mounts table[] the engine's
---@param target string
---@return boolean whether the policy has a mount of its own there
local function mounted_by_itself(mounts, target)
  for _, one in ipairs(mounts) do
    if one.Target == target then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@param mounts table[] the engine's
---@param mount table
---@param below { path: string, options: string }[] the mounts of this machine
---@return gantry.Error? err
local function settle_mount(plugin, mounts, mount, below)
  local source = core.system.real_path(mount.Source)
  for _, inner in ipairs(source and below or {}) do
    local rest = source == "/" and inner.path or inner.path:sub(1, #source + 1) == source .. "/"
      and inner.path:sub(#source + 1)
    local writable = rest and rest ~= "" and rest ~= "/" and not ("," .. inner.options .. ","):find(",ro,", 1, true)
    if writable and not mounted_by_itself(mounts, mount.Target .. rest) then
      if mounts_recursively(plugin.engine) then
        mount.BindOptions = { Propagation = "rprivate", ReadOnlyForceRecursive = true }
        return nil
      end
      return errors.new("MOUNT_NOT_READ_ONLY", ("mounts: %s is read_only, but %s is mounted below it and would be "
        .. "writable in the container; add { source = \"%s\", target = \"%s\", read_only = true }"):format(mount.Source,
        inner.path, inner.path, mount.Target .. rest))
    end
  end
end

---@param plugin gantry.Plugin
---@param mounts table[] the engine's
---@return boolean? ok, gantry.Error? err
local function settle_mounts(plugin, mounts)
  local below
  for _, mount in ipairs(mounts) do
    if mount.ReadOnly and not (mount.BindOptions and mount.BindOptions.NonRecursive) then
      below = below or mount_table.read()
      local err = settle_mount(plugin, mounts, mount, below)
      if err then return nil, err end
    end
  end
  return true
end

---Settles what of a create request depends on engine and machine.
---@param plugin gantry.Plugin
---@param request table which is changed
---@return boolean? ok, gantry.Error? err
function isolation.settle(plugin, request)
  local host = request.HostConfig
  settle_init(plugin, host)
  settle_pids(plugin, host)
  local ok, err = settle_seccomp(plugin, host)
  if not ok then return nil, err end
  return settle_mounts(plugin, host.Mounts)
end

return isolation
