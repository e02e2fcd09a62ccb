-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/hindrances.lua: what of this kernel, or of the container that this process is in itself, keeps it from
--- making containers, each with its remedy. Runtimes say no more than which call was refused.

local core = require "gantry.core"

local hindrances = {}

local LONGEST <const> = 64 * 1024
local SYS_ADMIN <const> = 1 << 21
-- Each keeps an ordinary user from making a user namespace at one of its values.
local SWITCHES <const> = {
  { path = "/proc/sys/user/max_user_namespaces", name = "user.max_user_namespaces", off = 0, on = "15000" },
  { path = "/proc/sys/kernel/unprivileged_userns_clone", name = "kernel.unprivileged_userns_clone", off = 0, on = "1" },
  { path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    name = "kernel.apparmor_restrict_unprivileged_userns", off = 1, on = "0" },
}
-- Where engines leave word of the container that a process is in, and whose it is.
local MARKS <const> = { { path = "/.dockerenv", engine = "Docker" },
  { path = "/run/.containerenv", engine = "Podman" } }

---@class gantry.Hindrance
---@field topic string
---@field text string what is in the way
---@field remedy string

---@param path string
---@return string
local function read(path)
  return (core.files.read(path, LONGEST)) or ""
end

---What keeps an ordinary user from having a user namespace.
---@return gantry.Hindrance? hindrance
function hindrances.user_namespaces()
  for _, switch in ipairs(SWITCHES) do
    if tonumber(read(switch.path)) == switch.off then
      return { topic = "user namespaces", text = ("this kernel lets no ordinary user make a user namespace (%s = %d)")
        :format(switch.name, switch.off), remedy = ("as root: sysctl %s=%s"):format(switch.name, switch.on) }
    end
  end
end

---The engine whose container this process is in, as far as that says so.
---@return string? engine
function hindrances.inside()
  for _, mark in ipairs(MARKS) do
    if core.system.stat(mark.path) then return mark.engine end
  end
end

---Whether this process is in a user namespace other than the machine's first.
---@return boolean
function hindrances.in_user_namespace()
  return read "/proc/self/uid_map":match "^%s*0%s+0%s+4294967295%s*$" == nil
end

---Whether something is mounted over parts of /proc, of which the kernel then gives no new one to a user namespace. One
---folder there is made to have something mounted on it.
---@return boolean
local function proc_is_masked()
  for place in ("\n" .. read "/proc/self/mounts"):gmatch "\n%S+ (/proc/%S+)" do
    if place ~= "/proc/sys/fs/binfmt_misc" then return true end
  end
  return false
end

---@return boolean
local function is_administrator()
  local digits = read "/proc/self/status":match "CapEff:%s*(%x+)"
  return digits == nil or tonumber(digits, 16) & SYS_ADMIN ~= 0
end

---What a container around this process, or the user namespace that it is root of, keeps from it.
---@return gantry.Hindrance? hindrance
function hindrances.nested()
  local engine, is_root = hindrances.inside(), core.system.euid() == 0
  local where = engine and "a container of " .. engine .. "'s" or "a container"
  if is_root and not is_administrator() then
    return { topic = "nested", text = ("this root has no CAP_SYS_ADMIN, as in %s"):format(where),
      remedy = "give that one --privileged, or to gantry the socket of the engine outside of it (--engine)" }
  elseif (engine and not is_root or hindrances.in_user_namespace()) and proc_is_masked() then
    return { topic = "nested", text = ("parts of /proc are hidden from this process, as in %s, so that the kernel "
      .. "gives no other one to containers in it"):format(where), remedy = "start that one with --security-opt "
      .. "systempaths=unconfined --security-opt seccomp=unconfined, or give gantry the socket of the engine outside of "
      .. "it (--engine)" }
  end
end

---What is in the way, the first that there is.
---@return gantry.Hindrance? hindrance
function hindrances.first()
  return core.system.euid() ~= 0 and hindrances.user_namespaces() or hindrances.nested()
end

return hindrances
