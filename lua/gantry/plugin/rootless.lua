-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/rootless.lua: how a plugin shares its socket with the caller where the engine is rootless. In its containers,
--- root is the engine's user and group 0 is that user's group; every other number is one that nobody else has.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hardening = require "gantry.engine.hardening"
local later = require "gantry.base.later"
local runtimes = later "gantry.engine.runtimes"
local user = later "gantry.plugin.user"

local rootless = {}

-- The caller's group, seen from inside.
local INSIDE <const> = 0

---Whether the engine is rootless. A root's socket says no without asking the engine.
---@param engine gantry.EngineClient
---@return boolean? is, gantry.Error? err
local function is_rootless(engine)
  local socket = engine.endpoint.unix_socket
  local status = socket and core.system.stat(socket)
  if not status or status.uid == 0 then return false end
  local found, err = hardening.of(engine)
  if not found then return nil, err end
  return found.rootless
end

---@param plugin gantry.Plugin
---@return gantry.Error? err
local function check_caller(plugin)
  local socket = plugin.engine.endpoint.unix_socket
  local owner = core.system.stat(socket).uid
  if owner ~= core.system.euid() then
    return errors.new("ROOTLESS_CALLER", ("the rootless engine at %s belongs to user %d, and its plugins can share "
      .. "sockets with that user alone; run gantry as that user, or use another engine"):format(socket, owner))
  end
  if plugin.group ~= core.group.effective() then
    return errors.new("ROOTLESS_GROUP", ("socket_group: a rootless engine knows no group of this machine but your own "
      .. "(%d), got %d; leave socket_group out"):format(core.group.effective(), plugin.group))
  end
end

---@param plugin gantry.Plugin
---@param named string
---@return gantry.Error
local function user_error(plugin, named)
  return errors.new("ROOTLESS_USER", ("plugin '%s' runs as user '%s' in a container of the rootless engine at %s, "
    .. "where that user is nobody you know; set rootless = true in the policy to share the socket by group 0 of the "
    .. "container, which is your own group, or user = \"0:0\" to run it as yourself"):format(plugin.name, named,
    plugin.engine.endpoint.name))
end

---Whether what runs the container looks at mode bits only and drops a change of the socket's group (gVisor).
---@param plugin gantry.Plugin
---@return boolean
local function is_gvisor(plugin)
  local about = plugin.engine:info() or {}
  local name = plugin.config.runtime or about.default_runtime or ""
  local known = about.runtimes and about.runtimes[name] or {}
  return runtimes.is_gvisor(name, known)
end

---Whether the caller is inside who it is outside, as Podman can have it.
---@param plugin gantry.Plugin
---@return boolean
function rootless.keeps_ids(plugin)
  return (plugin.config.userns_mode or ""):find "^keep%-id" ~= nil
end

---An engine whose containers have one user alone, the caller: they share all that the caller owns.
---@param plugin gantry.Plugin
---@return { uid: integer, gid: integer }? inside, gantry.Error? err
local function as_caller(plugin)
  local inside, err = plugin.engine:caller_inside { image = plugin.image.id, user = plugin.config.user,
    runtime = plugin.config.runtime }
  if not inside then return nil, err end
  if plugin.group == core.group.effective() then return inside end
  return nil, errors.new("ROOTLESS_GROUP", ("socket_group: an ordinary user's container knows no group of this machine "
    .. "but your own (%d), got %d; leave socket_group out"):format(core.group.effective(), plugin.group))
end

---Settles the group that the plugin shares its socket by, once the image and the caller's group are known.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function rootless.settle(plugin)
  local inside, wrong_group = as_caller(plugin)
  if wrong_group then return nil, wrong_group end
  if inside then
    plugin.group_inside, plugin.uid_inside = inside.gid, inside.uid
    return true
  end
  local is, unknown = is_rootless(plugin.engine)
  if is == nil then return nil, unknown end
  plugin.rootless_engine = is
  plugin.group_inside = is and not rootless.keeps_ids(plugin) and INSIDE or plugin.group
  if not is then return true end
  plugin.uid_inside = not rootless.keeps_ids(plugin) and INSIDE or nil
  local wrong = check_caller(plugin)
  if wrong then return nil, wrong end
  local named = user.named(plugin)
  if user.is_root(named) or rootless.keeps_ids(plugin) then return true end
  if not plugin.config.rootless then return nil, user_error(plugin, named) end
  plugin.needs_acl = is_gvisor(plugin)
  return true
end

---Prepares the socket directory: what the group cannot give, an access list does.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function rootless.prepare(plugin)
  if not plugin.needs_acl then return true end
  return plugin.directory:default_acl(core.system.euid())
end

return rootless
