-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/by_hand.lua: the docker command that starts a plugin's container as gantry does, for people who look into a
--- failure. Values of variables that may be secret are not in it: docker takes them from the environment.

local shell = require "gantry.base.shell"

local by_hand = {}

-- Variables whose values are no secret: go-plugin's own, and what images use to say where things are. The client's
-- certificate is left out: without its key, which gantry has, nobody could connect.
local PUBLIC = { PATH = true, TMPDIR = true }
local LEFT_OUT = { PLUGIN_CLIENT_CERT = true }

---Whether a variable's value may be shown.
---@param name string
---@param show { all: boolean?, cookie: string?, masked: table<string, boolean>? } masked: shown in no case
---@return boolean
function by_hand.is_public(name, show)
  if show.masked and show.masked[name] then return false end
  return show.all or PUBLIC[name] or name == show.cookie or name:find("^PLUGIN_") ~= nil
end

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

---@param request table
---@param show table
---@return string[] for --env
local function variables(request, show)
  local list = {}
  for _, entry in ipairs(request.Env or {}) do
    local name = entry:match("^[^=]*")
    if not LEFT_OUT[name] then list[#list + 1] = by_hand.is_public(name, show) and entry or name end
  end
  return list
end

---@param mounts table[]?
---@return string[] for --mount
local function mount_texts(mounts)
  local list = {}
  for i, mount in ipairs(mounts or {}) do
    list[i] = ("type=%s,source=%s,target=%s%s"):format(mount.Type, mount.Source, mount.Target,
      mount.ReadOnly and ",readonly" or "")
  end
  return list
end

---@param limits table[]?
---@return string[] for --ulimit
local function ulimit_texts(limits)
  local list = {}
  for i, limit in ipairs(limits or {}) do list[i] = ("%s=%d:%d"):format(limit.Name, limit.Soft, limit.Hard) end
  return list
end

---@param mounted table[]?
---@return string[] for --device
local function device_texts(mounted)
  local list = {}
  for i, one in ipairs(mounted or {}) do
    list[i] = ("%s:%s:%s"):format(one.PathOnHost, one.PathInContainer, one.CgroupPermissions)
  end
  return list
end

---Docker's command reads a profile's text from its file.
---@param options string[]?
---@param seccomp string? the policy's
---@return string[] for --security-opt
local function profiles(options, seccomp)
  local list = {}
  for i, option in ipairs(options or {}) do
    list[i] = option:find "^seccomp=%s*{" and "seccomp=" .. seccomp or option
  end
  return list
end

---@param command gantry.ByHand
---@param host table the request's HostConfig
---@param seccomp string? the policy's
local function limits(command, host, seccomp)
  command:option("--runtime", host.Runtime)
  command:option("--memory", host.Memory)
  command:option("--memory-swap", host.MemorySwap)
  command:option("--cpuset-cpus", host.CpusetCpus)
  command:option("--cpus", host.NanoCpus and ("%g"):format(host.NanoCpus / 1e9))
  command:option("--pids-limit", host.PidsLimit)
  command:options("--ulimit", ulimit_texts(host.Ulimits))
  command:option("--cgroup-parent", host.CgroupParent)
  command:options("--cap-drop", host.CapDrop)
  command:options("--cap-add", host.CapAdd)
  command:options("--security-opt", profiles(host.SecurityOpt, seccomp))
  command:option("--read-only", host.ReadonlyRootfs)
  command:options("--tmpfs", pairs_of(host.Tmpfs, ":"))
end

---The command, as one line for a shell.
---@param request table the body of the engine's create request
---@param options { kind: "docker"|"podman", directory: string, all: boolean?, cookie: string?,
---  masked: table<string, boolean>?, seccomp: string? } all shows all values; seccomp: the policy's profile
---@return string
function by_hand.command(request, options)
  local host = request.HostConfig
  local command = setmetatable({ options.kind .. " run --rm" }, Command)
  local entrypoint = request.Entrypoint or {}
  command:option("--entrypoint", entrypoint[1])
  command:option("--user", request.User)
  command:options("--group-add", host.GroupAdd)
  command:option("--userns", host.UsernsMode)
  command:option("--init", host.Init)
  command:option("--stop-signal", request.StopSignal)
  command:option("--no-healthcheck", request.Healthcheck ~= nil)
  command:options("--device", device_texts(host.Devices))
  command:option("--workdir", request.WorkingDir)
  command:option("--hostname", request.Hostname)
  command:options("--dns", host.Dns)
  command:options("--add-host", host.ExtraHosts)
  command:option("--network", request.NetworkDisabled and "none" or host.NetworkMode)
  limits(command, host, options.seccomp)
  command:options("--volume", host.Binds)
  command:options("--mount", mount_texts(host.Mounts))
  command:options("--env", variables(request, options))
  command[#command + 1] = shell.quote(request.Image)
  for i = 2, #entrypoint do command[#command + 1] = shell.quote(entrypoint[i]) end
  for _, argument in ipairs(request.Cmd or {}) do command[#command + 1] = shell.quote(argument) end
  return ("mkdir -p -m 770 %s && %s"):format(shell.quote(options.directory), table.concat(command, " "))
end

return by_hand
