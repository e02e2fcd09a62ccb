-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/credentials.lua: files that a plugin alone may read: copied into a folder in memory, which it sees under the
--- path that CREDENTIALS_DIRECTORY names. What they hold is copied by the kernel and never in this process.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hardening = require "gantry.engine.hardening"
local later = require "gantry.base.later"
local launches = require "gantry.place.launches"
local memory_dir = later "gantry.place.memory_dir"
local rootless = require "gantry.plugin.rootless"
local runtime_dir = require "gantry.place.runtime_dir"
local secret_file = later "gantry.plugin.secret_file"
local user = later "gantry.plugin.user"

local credentials = {}

-- As systemd has it: one folder a unit, below this one.
local INSIDE <const> = "/run/credentials/"
local OWNER_BITS <const> = tonumber("700", 8)

---@class gantry.CredentialsFolder
---@field source string on the host
---@field target string inside

---@param config gantry.Config
---@return string[] names sorted
local function names_of(config)
  local names = {}
  for name in pairs(config.credentials or {}) do names[#names + 1] = name end
  table.sort(names)
  return names
end

---@param name string
---@return string field
local function field_of(name)
  return "credentials." .. name
end

---Whether the files can be used as they are. Nothing of them is read.
---@param config gantry.Config
---@return boolean? ok, gantry.Error? err
function credentials.check(config)
  for _, name in ipairs(names_of(config)) do
    local ok, err = secret_file.check(config.credentials[name].file, field_of(name))
    if not ok then return nil, err end
  end
  return true
end

---Where the folder of a launch is, or would be.
---@param plugin gantry.Plugin
---@param unique string? nil for a plan, which makes none
---@return boolean? ok, gantry.Error? err
function credentials.settle(plugin, unique)
  if next(plugin.config.credentials or {}) == nil then return true end
  local root = plugin.root or plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  local source, err = memory_dir.path(root, plugin.name, unique)
  if not source then return nil, err end
  plugin.credentials = { source = source, target = INSIDE .. plugin.name }
  return true
end

---The user of this machine that root is in the engine's containers: another than root where it maps users
---(userns-remap).
---@param plugin gantry.Plugin
---@return integer? uid, gantry.Error? err
local function first_user(plugin)
  if plugin.config.userns_mode == "host" then return 0 end
  local found, err = hardening.of(plugin.engine)
  if not found then return nil, err end
  if not found.remapped then return 0 end
  if found.remapped.uid then return found.remapped.uid end
  return nil, errors.new("ENGINE_UNSUPPORTED", "credentials: the engine maps its containers' users to others and "
    .. "does not say to whom; set userns_mode = \"host\"")
end

---Who may read them on this machine. A caller who is not root can give files to nobody, but to a group of its own: the
---one that it shares the plugin's socket by.
---@param plugin gantry.Plugin
---@return integer? uid nil for the group, gantry.Error? err
local function reader_of(plugin)
  local caller, named = core.system.euid(), user.named(plugin)
  -- In the containers of a rootless engine root is its user, who is the caller.
  if plugin.rootless_engine then return user.is_root(named) and not rootless.keeps_ids(plugin) and caller or nil end
  local first, unknown = first_user(plugin)
  if not first then return nil, unknown end
  if caller == 0 then
    local uid, err = user.number(plugin)
    return uid and first + uid, err
  end
  if first ~= 0 then
    return nil, errors.new("ENGINE_UNSUPPORTED", "credentials: the engine maps its containers' users to others "
      .. "(userns-remap), to whom root alone may give files; set userns_mode = \"host\"")
  end
  return tonumber(named) == caller and caller or nil
end

---Puts the files where the plugin will see them: once its container is made, so that it is known who it is.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function credentials.fill(plugin)
  if not plugin.credentials then return true end
  local uid, unknown = reader_of(plugin)
  if unknown then return nil, unknown end
  local group = not uid and plugin.group or nil
  for _, name in ipairs(names_of(plugin.config)) do
    local one = plugin.config.credentials[name]
    local mode = one.mode
    if group then mode = mode | (mode & OWNER_BITS) >> 3 end
    local ok, err = secret_file.copy(one.file, plugin.credentials.source .. "/" .. name,
      { mode = mode, user = uid, group = group }, field_of(name))
    if not ok then return nil, err end
  end
  return true
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function credentials.make(plugin)
  if not plugin.credentials then return true end
  local ok, err = memory_dir.make(plugin.credentials.source)
  if ok then return true end
  return nil, errors.new(err.code, "credentials: " .. err.message, { cause = err })
end

---Takes them away, at the end of its generation; those of one that was taken over as the record of its launch says.
---@param plugin gantry.Plugin
function credentials.drop(plugin)
  if plugin.credentials then
    memory_dir.remove(plugin.credentials.source)
  elseif plugin.container_name then
    launches.drop_credentials(plugin.container_name, plugin.directory_path, plugin.options.environment)
  end
end

return credentials
