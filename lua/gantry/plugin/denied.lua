-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/denied.lua: why the kernel refuses a plugin's socket to us: by its mode, or, where that lets us in, by a
--- security module.

local confinement = require "gantry.place.confinement"
local core = require "gantry.core"
local errors = require "gantry.base.errors"

local denied = {}

local EACCES <const> = 13
local OWNER, GROUP, OTHERS = tonumber("200", 8), tonumber("020", 8), tonumber("002", 8)

---Whether mode and owner let us write to it, which is what connecting takes.
---@param status table
---@return boolean
local function mode_allows(status)
  local uid = core.system.euid()
  if uid == 0 then return true end
  if status.uid == uid then return status.mode & OWNER ~= 0 end
  return status.mode & OTHERS ~= 0 or status.mode & GROUP ~= 0 and core.group.may_assign(status.gid)
end

---@param plugin gantry.Plugin
---@return string
local function by_module(plugin)
  local inspected = plugin.container and plugin.engine:inspect(plugin.container)
  local own, found = confinement.own(), {}
  if own then found[1] = ("this process is held to '%s' by %s"):format(own.label, own.module) end
  for module, label in pairs(inspected and inspected.confinement or {}) do
    found[#found + 1] = ("its container to '%s' by %s"):format(label, module)
  end
  if #found == 0 then found[1] = "AppArmor or SELinux" end
  return ("its mode lets you in, but a security module of the kernel does not (%s): look for \"denied\" in `dmesg` or "
    .. "the audit log, and allow the path in that profile, or set security_opt = { \"apparmor=unconfined\" } or "
    .. "{ \"label=disable\" } in the policy"):format(table.concat(found, ", "))
end

---@param plugin gantry.Plugin
---@param status table
---@return string
local function by_mode(plugin, status)
  local uid, gid = core.system.euid(), core.system.egid()
  return ("it belongs to user %d, group %d, with mode %04o, and you are user %d: the plugin lets your group in where "
    .. "its go-plugin is 1.5 or newer; else set %suser = \"%d:%d\" in the policy"):format(status.uid, status.gid,
    status.mode, uid, plugin.remapped and 'userns_mode = "host" and ' or "", uid, gid)
end

---@param plugin gantry.Plugin
---@param err gantry.Error of a connection
---@return gantry.Error? why nil where permission was not what failed
function denied.explain(plugin, err)
  local path = plugin.handshake.address
  local status = err.os_error == EACCES and core.system.stat(path)
  if not status then return nil end
  local why = mode_allows(status) and by_module(plugin) or by_mode(plugin, status)
  return errors.new("SOCKET_DENIED", ("permission denied on the socket of plugin '%s', %s: %s"):format(plugin.name,
    path, why), { cause = err, os_error = EACCES })
end

return denied
