-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/findings.lua: what of this machine and this session decides how containers without a daemon run, or keeps
--- them from it, each with its remedy.

local core = require "gantry.core"
local hindrances = require "gantry.engine.oci.hindrances"
local runtime_facts = require "gantry.engine.oci.runtime_facts"
local user_runtime = require "gantry.base.user_runtime"
local work = require "gantry.engine.oci.work"

---@class gantry.OciClient
local Findings = {}
local findings = { methods = Findings }

local LONGEST <const> = 64 * 1024
local CONTROLLERS <const> = 4
-- Seconds for systemd to say something.
local SYSTEMCTL <const>, SYSTEMCTL_TIMEOUT <const> = "/usr/bin/systemctl", 5
---@param path string
---@return string
local function read(path)
  return (core.files.read(path, LONGEST)) or ""
end

---@param text string of `systemctl show`
---@return table<string, string> properties
function findings.parse_properties(text)
  local list = {}
  for name, value in text:gmatch "(%w+)=([^\n]*)" do list[name] = value end
  return list
end

---@class gantry.EngineFinding
---@field level "ok"|"warn"|"problem"
---@field topic string
---@field text string
---@field remedy string?

---@param add fun(level: string, topic: string, text: string, remedy: string?)
local function surroundings(add)
  local hindrance = hindrances.first()
  if hindrance then return add("problem", hindrance.topic, hindrance.text, hindrance.remedy) end
  local engine = hindrances.inside()
  if engine or hindrances.in_user_namespace() then
    add("ok", "nested", engine and ("this process is in a container of %s's"):format(engine)
      or "this process is in a user namespace")
  end
  if core.system.euid() ~= 0 then
    add("ok", "user namespaces", "an ordinary user may make them: a plugin's user is you, and nobody else")
  end
end

---@param self gantry.OciClient
---@param add fun(level: string, topic: string, text: string, remedy: string?)
local function runtime_directory(self, add)
  if user_runtime.path(core.system.environment()) then return end
  add("warn", "containers", ("this session has no XDG_RUNTIME_DIR (cron, su, ssh without PAM): what is known of "
    .. "containers is in %s"):format(self.layout.path), "log in by way of systemd-logind, or loginctl enable-linger")
end

---@param self gantry.OciClient
---@param add fun(level: string, topic: string, text: string, remedy: string?)
local function limits(self, add)
  local places = self.places
  if places.parent and #places.controllers >= CONTROLLERS then
    return add("ok", "limits", ("%s of containers can be limited"):format(table.concat(places.controllers, ", ")))
  end
  local some = places.parent and #places.controllers > 0
  add("warn", "limits", ("%s of containers can be limited: %s"):format(some and "only " .. table.concat(
    places.controllers, ", ") or "nothing", places.reason or "no controller is there"),
    core.system.euid() ~= 0 and "run gantry in a user service with Delegate=yes where a policy has limits"
    or "give all controllers to one version of cgroups")
end

---The unit that this process is in, where a service manager has started it.
---@return string? unit, boolean is_users
local function unit_of()
  local path = read "/proc/self/cgroup":match "(/[^\n]+%.service)"
  local unit = path and path:match "[^/]+$"
  if not unit or (core.system.environment().INVOCATION_ID or "") == "" or unit:find "^user@" then return nil, false end
  return unit, path:find("/user@%d+%.service/") ~= nil
end

---What systemd has of a unit.
---@param unit string
---@param is_users boolean
---@return table<string, string>? properties nil where it does not say
local function properties_of(unit, is_users)
  local command = { SYSTEMCTL, is_users and "--user" or "--system", "show",
    "--property=KillMode,Delegate,DelegateSubgroup", "--", unit }
  local ended = core.system.stat(SYSTEMCTL) and work.command(command, 0, { seconds = SYSTEMCTL_TIMEOUT })
  if not ended or ended.code ~= 0 then return nil end
  return findings.parse_properties(ended.output)
end

---A user's containers have their cgroups below the unit's own, which then may have no process, and so no new start.
---@param add fun(level: string, topic: string, text: string, remedy: string?)
---@param unit string
---@param found table<string, string> properties
local function starts_again(add, unit, found)
  if found.Delegate ~= "yes" or (found.DelegateSubgroup or "") ~= "" then return end
  add("warn", "service", ("systemd's %s has no DelegateSubgroup: while a plugin with limits runs on, systemd cannot "
    .. "start it again"):format(unit), "set DelegateSubgroup=gantry-supervisor (systemd 254 and newer; see "
    .. "docs/systemd), or end the plugins with the service: gantry down")
end

---@param add fun(level: string, topic: string, text: string, remedy: string?)
local function service(add)
  local unit, is_users = unit_of()
  if not unit then return end
  local found = properties_of(unit, is_users)
  local remedy = "set KillMode=process and Delegate=yes in its [Service]"
  if not found or not found.KillMode then
    add("warn", "service", ("this is a process of systemd's %s, of which systemd does not say how it is stopped: "
      .. "unless it has KillMode=process, a stop ends containers that are to outlive it"):format(unit), remedy)
  elseif found.KillMode ~= "process" and found.KillMode ~= "none" then
    add("warn", "service", ("this is a process of systemd's %s, which has KillMode=%s: a stop ends containers that are "
      .. "to outlive it (gantry up)"):format(unit, found.KillMode), remedy)
  else
    add("ok", "service", ("systemd's %s has KillMode=%s: a stop leaves containers that are to outlive it"):format(unit,
      found.KillMode))
  end
  if found and is_users then starts_again(add, unit, found) end
end

---@param self gantry.OciClient
---@param add fun(level: string, topic: string, text: string, remedy: string?)
local function networks(self, add)
  local facts = runtime_facts.network()
  local pasta = facts.helpers.pasta and core.system.euid() ~= 0
  local name = facts.helpers.slirp4netns and "slirp4netns" or pasta and "pasta"
  if name and facts.device == "usable" and self.choice.runtime.name ~= "runsc" then
    add("ok", "networks", ('none, "host", and "user" (by %s)'):format(name))
  else
    add("ok", "networks", ('none and "host"; "user" needs %s'):format(name and "/dev/net/tun, and crun or runc"
      or "slirp4netns (apt install slirp4netns)"))
  end
end

---@return gantry.EngineFinding[] findings
function Findings:findings()
  local list = {}
  local function add(level, topic, text, remedy)
    list[#list + 1] = { level = level, topic = topic, text = text, remedy = remedy }
  end
  add("ok", "runtime", ("%s: %s"):format(self.choice.runtime.path, self.choice.reason))
  local program, missing = core.system.own_program "gantry-monitor"
  if not program then add("problem", "monitor", missing.message) end
  surroundings(add)
  if core.system.euid() ~= 0 then runtime_directory(self, add) end
  limits(self, add)
  networks(self, add)
  service(add)
  return list
end

return findings
