-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/offline.lua: what can be said of a valid policy without an engine: whether this machine has what it asks for,
--- and what only an engine could say.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local home = require "gantry.config.home"
local types = require "gantry.base.types"

local offline = {}

---@param policy gantry.Policy
---@param field string
---@param text string
---@return gantry.Error
local function at(policy, field, text)
  local file, line = policy.loader:locate(field)
  return errors.new("CONFIG_INVALID", ("%s:%d: %s"):format(file, line, text), { field = field, file = file,
    line = line })
end

-- ---- what this machine has ----

---@param policy gantry.Policy
---@param cpus integer that the machine has
---@param found gantry.Error[]
local function check_processors(policy, cpus, found)
  local config = policy.config
  if config.nano_cpus and config.nano_cpus > cpus * 1000000000 then
    local field = policy.loader:names "cpus" and "cpus" or "nano_cpus"
    found[#found + 1] = at(policy, field, ("%s must be at most the machine's processors, which are %d here; --ctx can "
      .. "tell of another machine's"):format(field, cpus))
  end
  local highest = -1
  for number in (config.cpuset or ""):gmatch "%d+" do highest = math.max(highest, tonumber(number)) end
  if highest >= cpus then
    found[#found + 1] = at(policy, "cpuset", ("cpuset names processor %d, and the machine has 0 to %d; --ctx can tell "
      .. "of another machine's"):format(highest, cpus - 1))
  end
end

---@param policy gantry.Policy
---@param found gantry.Error[]
local function check_groups(policy, found)
  local function check(field, name)
    local gid, err = core.group.resolve(tostring(name))
    if not gid then found[#found + 1] = at(policy, field, ("%s: %s"):format(field, err.message)) end
  end
  if policy.config.socket_group then check("socket_group", policy.config.socket_group) end
  for i, name in ipairs(policy.config.group_add or {}) do
    if name ~= "caller" then check(types.child("group_add", i), name) end
  end
end

---What a policy asks for that no engine on this machine could give.
---@param policy gantry.Policy
---@param made_up boolean whether the machine is one that --ctx tells of
---@return gantry.Error[]
function offline.findings(policy, made_up)
  local found = {}
  local cpus = policy.attempt.facts.host.cpus
  if cpus then check_processors(policy, cpus, found) end
  if not made_up then check_groups(policy, found) end
  return found
end

-- ---- what may be there on another machine ----

---Files that a policy names and that are not there. It may be meant for another machine.
---@param policy gantry.Policy
---@return gantry.Error[]
function offline.missing(policy)
  local found = {}
  local config = home.settle(policy.config, core.system.environment()) or policy.config
  local function look(field, path)
    if path:sub(1, 1) ~= "/" or core.system.stat(path) then return end
    found[#found + 1] = at(policy, field, ("warning: %s: %s is not on this machine"):format(field, path))
  end
  for i, mount in ipairs(config.mounts or {}) do look(("mounts[%d].source"):format(i), mount.source) end
  for i, device in ipairs(config.devices or {}) do look(types.child("devices", i), device.source) end
  for i, path in ipairs(config.env_files or {}) do look(types.child("env_files", i), path) end
  for name, one in pairs(config.credentials or {}) do look(types.child("credentials", name), one.file) end
  look("seccomp", config.seccomp or "")
  table.sort(found, function(left, right) return left.message < right.message end)
  return found
end

-- ---- what an engine would say ----

---@param value any
---@return boolean
local function any(value) return value ~= nil end

---@param options string[]
---@return boolean whether one is more than a switch that every engine has
local function names_profile(options)
  for _, option in ipairs(options) do
    if not option:find "^no%-new%-privileges" then return true end
  end
  return false
end

-- In the order of the schema: fields that only an engine can judge, and which of their values.
local OF_ENGINE <const> = {
  { "image", any }, { "sha256", any }, { "entrypoint", any },
  { "user", function(user) return user ~= nil and not user:find "^%d+:?%d*$" end },
  { "userns_mode", any }, { "runtime", any }, { "cgroup_parent", any },
  { "security_opt", function(options) return names_profile(options or {}) end },
  { "seccomp", function(profile) return profile ~= nil and profile:sub(1, 1) == "/" end },
  { "apparmor", function(profile) return profile ~= nil and profile ~= "unconfined" end },
  { "devices", any }, { "networks", any }, { "endpoints_config", any },
}

---@param config gantry.Config
---@return string[] fields whose values only an engine can judge
function offline.unchecked(config)
  local list = {}
  for _, field in ipairs(OF_ENGINE) do
    if field[2](config[field[1]]) then list[#list + 1] = field[1] end
  end
  return list
end

return offline
