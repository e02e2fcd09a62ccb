-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/isolation.lua: what of a container's isolation depends on this engine and this machine: its init, a limit
--- that nobody asked for, and that what is mounted below a read-only folder is read-only too.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local later = require "gantry.base.later"
local mount_table = later "gantry.plugin.mount_table"

local isolation = {}

---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec
local function settle_init(plugin, spec)
  if spec.init == nil and plugin.engine.capabilities.init then spec.init = true end
end

---An engine that cannot limit processes would complain of a limit that nobody asked for.
---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec
local function settle_pids(plugin, spec)
  if plugin.config.pids_limit then return end
  local info = plugin.rootless_engine and plugin.engine.known_info
  if info and info.cgroup_driver == "none" or not plugin.engine.capabilities.pids then spec.pids_limit = nil end
end

---@param mounts gantry.EngineMount[]
---@param target string
---@return boolean whether the policy has a mount of its own there
local function mounted_by_itself(mounts, target)
  for _, one in ipairs(mounts) do
    if one.target == target then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@param mounts gantry.EngineMount[]
---@param mount gantry.EngineMount
---@param below { path: string, options: string }[] the mounts of this machine
---@return gantry.Error? err
local function settle_mount(plugin, mounts, mount, below)
  local source = core.system.real_path(mount.source)
  for _, inner in ipairs(source and below or {}) do
    local rest = source == "/" and inner.path or inner.path:sub(1, #source + 1) == source .. "/"
      and inner.path:sub(#source + 1)
    local writable = rest and rest ~= "" and rest ~= "/" and not ("," .. inner.options .. ","):find(",ro,", 1, true)
    if writable and not mounted_by_itself(mounts, mount.target .. rest) then
      if plugin.engine.capabilities.recursively_read_only then
        mount.recursively_read_only = true
        return nil
      end
      return errors.new("MOUNT_NOT_READ_ONLY", ("mounts: %s is read_only, but %s is mounted below it and would be "
        .. "writable in the container; add { source = \"%s\", target = \"%s\", read_only = true }"):format(mount.source,
        inner.path, inner.path, mount.target .. rest))
    end
  end
end

---@param plugin gantry.Plugin
---@param mounts gantry.EngineMount[]
---@return boolean? ok, gantry.Error? err
local function settle_mounts(plugin, mounts)
  local below
  for _, mount in ipairs(mounts) do
    if mount.read_only and not mount.own and not mount.relabel then
      below = below or mount_table.read()
      local err = settle_mount(plugin, mounts, mount, below)
      if err then return nil, err end
    end
  end
  return true
end

---Settles what of a container's isolation depends on engine and machine.
---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec which is changed
---@return boolean? ok, gantry.Error? err
function isolation.settle(plugin, spec)
  settle_init(plugin, spec)
  settle_pids(plugin, spec)
  return settle_mounts(plugin, spec.mounts)
end

return isolation
