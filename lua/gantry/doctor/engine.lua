-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/engine.lua: what the engine is, what its runtimes can, and what it ignores.

local confinement = require "gantry.place.confinement"
local runtimes = require "gantry.engine.runtimes"
local system = require("gantry.core").system

local engine_checks = {}

local KINDS = { docker = "Docker", podman = "Podman", oci = "No daemon:" }

---@param self gantry.Examination
local function tell_engine(self)
  local found, info = self.description, self.info
  local api = found.api and ("API %s, "):format(found.api) or ""
  self:ok("engine", ("%s %s at %s, %scgroup v%d (%s)%s"):format(KINDS[found.kind] or found.kind, found.version or "?",
    self.engine.endpoint.name, api, found.cgroup_version, info.cgroup_driver or "?",
    found.rootless and ", rootless" or ""))
  if self.engine.endpoint.url and not self.engine.endpoint.unix_socket then
    self:warn("engine", ("%s is on TCP: plugins meet their hosts on Unix sockets"):format(self.engine.endpoint.name),
      "run gantry on the engine's own machine")
  end
end

---@param self gantry.Examination
local function check_rootless(self)
  -- Where the caller is the plugin's user, there is nothing to share.
  if not self.description.rootless or not self.engine.endpoint.unix_socket then return end
  local socket = self.engine.endpoint.unix_socket
  local status = socket and system.stat(socket)
  if status and status.uid ~= system.euid() then
    self:problem("rootless", ("this rootless engine is user %d's: its plugins can share sockets with that user alone")
      :format(status.uid), "run gantry as that user, or name another engine with --engine")
  else
    self:ok("rootless", "root in its containers is you; a plugin that is another user there needs rootless = true")
  end
end

---@param self gantry.Examination
local function check_users(self)
  if not self.description.remapped then return end
  local found = self.info.remapped
  local wanted = self.policy and self.policy.config.userns_mode
  if wanted == "host" then
    return self:ok("userns", "the policy keeps its plugin's users out of the engine's mapping (userns-remap)")
  elseif not found.gid then
    return self:problem("userns", "the engine maps its containers' users to others (userns-remap) and does not say to "
      .. "whom", "set userns_mode = \"host\" in policies")
  end
  self:warn("userns", ("user N in its containers is user %d + N here (userns-remap): sockets are shared by ACLs, but "
    .. "what a policy mounts or shares opens to its plugin as to a stranger"):format(found.uid),
    "set userns_mode = \"host\" in policies that share files, or whose plugins call their host back")
end

---@param self gantry.Examination
local function check_modules(self)
  local own = confinement.own()
  if own then
    self:warn("confinement", ("this process is held to '%s' by %s"):format(own.label, own.module),
      ("allow it to connect to sockets below %s"):format(self.runtime_dir))
  end
  if self.description.apparmor then
    self:ok("AppArmor", "the engine's own profile lets plugins make their sockets; another one (security_opt) has to")
  end
  if not self.description.selinux then return end
  self:ok("SELinux", "socket directories get a label that containers may open; a mount of a policy does where it has "
    .. "relabel = \"shared\" or \"private\", and a plugin that calls its host back needs security_opt = "
    .. "{ \"label=disable\" }")
end

---@param self gantry.Examination
local function check_limits(self)
  local found, info = self.description, self.info
  if not found.rootless or info.cgroup_driver ~= "none" or not self.engine.capabilities.pids then return end
  self:warn("limits", "this rootless engine ignores memory, cpus and pids_limit without a word (no cgroup driver)",
    "use cgroup v2 with systemd's delegation, or a rootful engine, where limits matter")
end

---A path as the engine has it, which may be a bare name.
---@param path string?
---@return string? problem
local function path_problem(path)
  path = path or ""
  if path:find("^%s") or path:find("%s$") then return ("its path '%s' begins or ends with a space"):format(path) end
  if path:sub(1, 1) == "/" and not system.stat(path) then return ("its program %s does not exist"):format(path) end
end

---@param self gantry.Examination
---@param name string
---@param runtime table
local function check_runtime(self, name, runtime)
  local wrong = path_problem(runtime.path)
  if wrong then
    self:warn("runtimes", ("runtime '%s': %s"):format(name, wrong), "correct its path in the engine's daemon.json")
  end
  local problem, remedy = runtimes.socket_problem(name, runtime)
  local wanted = self.policy and self.policy.config.runtime == name
  if problem and wanted then
    self:problem("runtimes", problem, remedy)
  elseif problem then
    self:warn("runtimes", problem, remedy)
  end
  local gvisor = self.engine.endpoint.url and runtimes.is_gvisor(name, runtime)
  if gvisor and self.description.rootless and not runtimes.flag(runtime, "ignore-cgroups") then
    self:warn("runtimes", ("runtime '%s' cannot start on a rootless engine without --ignore-cgroups"):format(name),
      'add "--ignore-cgroups" to its runtimeArgs in ~/.config/docker/daemon.json')
  end
end

---@param self gantry.Examination
local function check_runtimes(self)
  local names = {}
  for name in pairs(self.info.runtimes) do names[#names + 1] = name end
  table.sort(names)
  self:ok("runtimes", ("%s; %s where the policy names none"):format(table.concat(names, ", "),
    self.info.default_runtime or "the engine's default"))
  for _, name in ipairs(names) do
    -- Who has one for all containers may list every one that it has heard of (Podman).
    local used = self.engine.capabilities.runtimes or name == self.info.default_runtime
    if used then check_runtime(self, name, self.info.runtimes[name]) end
  end
end

---@param self gantry.Examination
local function tell_findings(self)
  for _, one in ipairs(self.engine:findings()) do self[one.level](self, one.topic, one.text, one.remedy) end
end

---@param self gantry.Examination
local function check_choice(self)
  if self.engine.capabilities.runtimes then return end
  local kind = self.description.kind
  self:warn(kind, ("%s ignores a request's runtime: the one of its own configuration runs all containers"):format(
    KINDS[kind] or kind),
    "set the runtime in containers.conf, and leave it out of policies")
end

---@param self gantry.Examination
function engine_checks.run(self)
  tell_engine(self)
  tell_findings(self)
  check_rootless(self)
  check_users(self)
  check_modules(self)
  check_limits(self)
  check_runtimes(self)
  check_choice(self)
end

return engine_checks
