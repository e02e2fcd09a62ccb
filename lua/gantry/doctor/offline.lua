-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/offline.lua: what can be said of a valid policy without an engine: whether this machine has what it asks for,
--- and what only an engine could say.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local home = require "gantry.config.home"
local later = require "gantry.base.later"
local env_files = later "gantry.plugin.env_files"
local profile = later "gantry.engine.profile"
local secret_file = later "gantry.plugin.secret_file"
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

-- ---- files that it names ----

---@class gantry.NamedFile
---@field field string
---@field path string
---@field judge (fun(path: string, field: string): gantry.Error?)? what a launch would say of it

---@param path string
---@param field string
---@return gantry.Error?
local function judge_device(path, field)
  local status = core.system.stat(path)
  if not status or status.device or status.type == "directory" then return nil end
  return errors.new("CONFIG_INVALID", ("%s: %s is no device"):format(field, path))
end

---@param path string
---@param field string
---@return gantry.Error?
local function judge_folder(path, field)
  local status = core.system.stat(path)
  if not status or status.type == "directory" then return nil end
  return errors.new("CONFIG_INVALID", ("%s: %s is no folder"):format(field, path))
end

---@param path string
---@param field string
---@return gantry.Error?
local function judge_variables(path, field) return select(2, env_files.read_one(path, field)) end

---@param path string
---@param field string
---@return gantry.Error?
local function judge_credential(path, field) return select(2, secret_file.check(path, field)) end

---@param path string
---@return gantry.Error?
local function judge_profile(path)
  local text, err = profile.read(path)
  return not text and err or nil
end

---@param config gantry.Config
---@return gantry.NamedFile[]
local function named_files(config)
  local list = {}
  local function add(field, path, judge)
    if path and path:sub(1, 1) == "/" then list[#list + 1] = { field = field, path = path, judge = judge } end
  end
  for i, mount in ipairs(config.mounts or {}) do add(("mounts[%d].source"):format(i), mount.source) end
  for i, device in ipairs(config.devices or {}) do add(types.child("devices", i), device.source, judge_device) end
  for i, path in ipairs(config.env_files or {}) do add(types.child("env_files", i), path, judge_variables) end
  for name, one in pairs(config.credentials or {}) do
    add(types.child("credentials", name), one.file, judge_credential)
  end
  add("seccomp", config.seccomp, judge_profile)
  add("temp_dir", config.temp_dir, judge_folder)
  table.sort(list, function(left, right) return left.field < right.field end)
  return list
end

-- What another user than who checks a policy may be able to read.
local UNREADABLE <const> = { SECRET_UNREADABLE = true, SECCOMP_UNREADABLE = true }
-- What a launch makes.
local IS_MADE <const> = { temp_dir = true }

---@param policy gantry.Policy
---@return gantry.Error[] wrong what would fail here whoever launches it
---@return gantry.Error[] warnings what is not there, or cannot be read; it may be meant for another machine, or user
local function look_at_files(policy)
  local wrong, warnings = {}, {}
  local config = home.settle(policy.config, core.system.environment()) or policy.config
  for _, file in ipairs(named_files(config)) do
    local is_there = core.system.stat(file.path) ~= nil
    local err = is_there and file.judge and file.judge(file.path, file.field)
    if not is_there and not IS_MADE[file.field] then
      warnings[#warnings + 1] = at(policy, file.field, ("warning: %s: %s is not on this machine"):format(file.field,
        file.path))
    elseif err and UNREADABLE[err.code] then
      warnings[#warnings + 1] = at(policy, file.field, "warning: " .. err.message)
    elseif err then
      wrong[#wrong + 1] = at(policy, file.field, err.message)
    end
  end
  return wrong, warnings
end

---What a policy asks for that no engine on this machine could give, or that is not as a launch needs it.
---@param policy gantry.Policy
---@param made_up boolean whether the machine is one that --ctx tells of
---@return gantry.Error[] found
---@return gantry.Error[] warnings
function offline.findings(policy, made_up)
  local found = {}
  local cpus = policy.attempt.facts.host.cpus
  if cpus then check_processors(policy, cpus, found) end
  if made_up then return found, {} end
  check_groups(policy, found)
  local wrong, warnings = look_at_files(policy)
  return table.move(wrong, 1, #wrong, #found + 1, found), warnings
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
  { "seccomp", function(path) return path ~= nil and path:sub(1, 1) == "/" end },
  { "apparmor", function(name) return name ~= nil and name ~= "unconfined" end },
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
