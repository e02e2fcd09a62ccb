-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/userns.lua: how a plugin shares its socket with the caller where the engine maps its containers' users to
--- others of this machine (dockerd's userns-remap). Root's group inside is one that nobody else has outside: an ACL
--- lets it into the socket directory, and another one lets the caller open what is made there.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hardening = require "gantry.engine.hardening"
local later = require "gantry.base.later"
local runtimes = later "gantry.engine.runtimes"

local userns = {}

-- Root's group, seen from inside.
local INSIDE <const> = 0

---@param code string
---@param plugin gantry.Plugin
---@param text string
---@return nil, gantry.Error
local function refuse(code, plugin, text)
  return nil, errors.new(code, ("%s: the engine at %s maps its containers' users to others of this machine "
    .. "(userns-remap); %s, or set userns_mode = \"host\" in the policy"):format(plugin.name,
    plugin.engine.endpoint.name, text))
end

---@param plugin gantry.Plugin
---@param info gantry.EngineInfo
---@param gid integer?
---@return boolean? ok, gantry.Error? err
local function check(plugin, info, gid)
  if plugin.config.socket_group then
    return refuse("USERNS_GROUP", plugin, "socket_group is no group inside: leave it out")
  end
  local name = plugin.config.runtime or info.default_runtime or ""
  if runtimes.is_gvisor(name, info.runtimes[name] or {}) then
    return refuse("USERNS_RUNTIME", plugin, ("runtime '%s' looks at no ACLs, by which the socket is shared: use "
      .. "another"):format(name))
  end
  if not gid then
    return refuse("USERNS_UNKNOWN", plugin, "it does not say to whom: see DockerRootDir of `docker info`, which ends "
      .. "in UID.GID")
  end
  return true
end

---Settles how the socket is shared, where the engine maps users and the policy does not keep it from that.
---@param plugin gantry.Plugin
---@return boolean? mapped, gantry.Error? err
function userns.settle(plugin)
  local found, err = hardening.of(plugin.engine)
  if not found then return nil, err end
  if not found.remapped or plugin.config.userns_mode == "host" then return false end
  local ok, wrong = check(plugin, found, found.remapped.gid)
  if not ok then return nil, wrong end
  plugin.group_inside, plugin.remapped, plugin.shared_group = INSIDE, found.remapped, true
  return true
end

---Prepares the socket directory.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function userns.prepare(plugin)
  if not plugin.remapped then return true end
  local ok, err = plugin.directory:group_acl(plugin.remapped.gid)
  if ok and core.system.euid() ~= 0 then ok, err = plugin.directory:default_acl(core.system.euid()) end
  return ok, err
end

---What a policy shares that the plugin's user, who is another one outside, may not be able to use.
---@param plugin gantry.Plugin
---@param shared table[] folders of the host at their own paths
---@return string? warning
function userns.warning(plugin, shared)
  if not plugin.remapped or #shared + #(plugin.config.mounts or {}) == 0 then return nil end
  return ("user N inside is user %d + N of this machine (userns-remap): what is mounted or shared opens to it as to a "
    .. "stranger; userns_mode = \"host\" makes the two the same"):format(plugin.remapped.uid or plugin.remapped.gid)
end

return userns
