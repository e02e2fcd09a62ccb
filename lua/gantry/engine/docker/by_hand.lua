-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/by_hand.lua: the docker command that starts a container as gantry does, for people who look into a
--- failure. Pure.

local shell = require "gantry.base.shell"

local by_hand = {}

---@class gantry.ByHand a command that is being built
local Command = {}
Command.__index = Command

---@param flag string
---@param value any nil or false: left out; true: a flag without a value
function Command:option(flag, value)
  if value == nil or value == false or value == "" then return end
  self[#self + 1] = value == true and flag or flag .. " " .. shell.quote(tostring(value))
end

---@param flag string
---@param values any[]?
function Command:options(flag, values)
  for _, value in ipairs(values or {}) do self:option(flag, value) end
end

---@param map table<string, string>?
---@return string[] sorted KEY<separator>VALUE
local function pairs_of(map, separator)
  local list = {}
  for key, value in pairs(map or {}) do list[#list + 1] = value == "" and key or key .. separator .. value end
  table.sort(list)
  return list
end

---@param mounts gantry.EngineMount[]
---@return string[] mounts for --mount, string[] volumes for --volume
local function mount_texts(mounts)
  local list, volumes = {}, {}
  for _, mount in ipairs(mounts) do
    if mount.relabel then
      volumes[#volumes + 1] = ("%s:%s:%s,private,%s"):format(mount.source, mount.target,
        mount.read_only and "ro" or "rw", mount.relabel == "shared" and "z" or "Z")
    else
      list[#list + 1] = ("type=%s,source=%s,target=%s%s"):format(mount.kind, mount.source, mount.target,
        mount.read_only and ",readonly" or "")
    end
  end
  return list, volumes
end

---@param limits { name: string, soft: integer, hard: integer }[]?
---@return string[] for --ulimit
local function ulimit_texts(limits)
  local list = {}
  for i, limit in ipairs(limits or {}) do list[i] = ("%s=%d:%d"):format(limit.name, limit.soft, limit.hard) end
  return list
end

---@param devices { source: string, target: string, permissions: string }[]?
---@return string[] for --device
local function device_texts(devices)
  local list = {}
  for i, one in ipairs(devices or {}) do list[i] = ("%s:%s:%s"):format(one.source, one.target, one.permissions) end
  return list
end

---@param spec gantry.ContainerSpec
---@return string[] for --security-opt; a profile is read from its file
local function security_texts(spec)
  local list = { table.unpack(spec.security_options or {}) }
  if spec.no_new_privileges then list[#list + 1] = "no-new-privileges" end
  if spec.apparmor then list[#list + 1] = "apparmor=" .. spec.apparmor end
  if spec.seccomp then list[#list + 1] = "seccomp=" .. spec.seccomp end
  return list
end

---@param command gantry.ByHand
---@param spec gantry.ContainerSpec
local function limits(command, spec)
  command:option("--runtime", spec.runtime)
  command:option("--memory", spec.memory)
  command:option("--memory-swap", spec.memory_swap)
  command:option("--cpuset-cpus", spec.cpuset)
  command:option("--cpus", spec.nano_cpus and ("%g"):format(spec.nano_cpus / 1e9))
  command:option("--pids-limit", spec.pids_limit)
  command:options("--ulimit", ulimit_texts(spec.ulimits))
  command:option("--cgroup-parent", spec.cgroup_parent)
  command:option("--cap-drop", "ALL")
  command:options("--cap-add", spec.capabilities)
  command:options("--security-opt", security_texts(spec))
  command:option("--read-only", spec.read_only)
  command:options("--tmpfs", pairs_of(spec.tmpfs, ":"))
end

---The command, as one line for a shell.
---@param spec gantry.ContainerSpec with what of its environment may be shown
---@param kind "docker"|"podman"
---@param directory string its socket directory
---@return string
function by_hand.command(spec, kind, directory)
  local command = setmetatable({ kind .. " run --rm" }, Command)
  local entrypoint = spec.entrypoint or {}
  command:option("--entrypoint", entrypoint[1])
  command:option("--user", spec.user)
  command:options("--group-add", spec.groups)
  command:option("--userns", spec.userns_mode)
  command:option("--init", spec.init)
  command:option("--stop-signal", spec.stop_signal)
  command:option("--no-healthcheck", not spec.image_health)
  command:options("--device", device_texts(spec.devices))
  command:option("--workdir", spec.working_dir)
  command:option("--hostname", spec.hostname)
  command:options("--dns", spec.dns)
  command:options("--add-host", pairs_of(spec.extra_hosts, ":"))
  command:option("--network", spec.network)
  limits(command, spec)
  local mounts, volumes = mount_texts(spec.mounts)
  command:options("--volume", volumes)
  command:options("--mount", mounts)
  command:options("--env", spec.env)
  command[#command + 1] = shell.quote(spec.image)
  for i = 2, #entrypoint do command[#command + 1] = shell.quote(entrypoint[i]) end
  for _, argument in ipairs(spec.args or {}) do command[#command + 1] = shell.quote(argument) end
  return ("mkdir -p -m 770 %s && %s"):format(shell.quote(directory), table.concat(command, " "))
end

return by_hand
