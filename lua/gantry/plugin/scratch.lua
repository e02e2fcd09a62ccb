-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/scratch.lua: where a plugin's temporary files go: memory of its container's own, counted to its limit. Its
--- socket directory, which is the host's, takes them only for plugins that put their sockets where TMPDIR says.

local sockets_in_tmp = require "gantry.place.sockets_in_tmp"
local variables = require "gantry.config.variables"

local scratch = {}

-- Inside; the second where the first is somebody's already.
local USUAL <const>, OTHER <const> = "/tmp", "/run/scratch"

-- The part of the plugin's memory that its files may take: one half.
local SHARE <const> = 2

---@param path string?
---@return boolean
local function below_usual(path)
  return path ~= nil and path:sub(1, #USUAL + 1) == USUAL .. "/"
end

---Whether the image has something of its own there that the plugin starts with.
---@param plugin gantry.Plugin
---@return boolean
local function image_needs(plugin)
  local config, image = plugin.config, plugin.image or {}
  local program = config.entrypoint or image.entrypoint or config.args or image.command or {}
  if below_usual(program[1]) or below_usual(config.working_dir or image.working_dir) then return true end
  for _, path in ipairs(image.volumes or {}) do
    if path == USUAL or below_usual(path) then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@param shared table[] mounts
---@return boolean
local function is_free(plugin, shared)
  for _, mounts in ipairs { shared, plugin.config.mounts or {} } do
    for _, mount in ipairs(mounts) do
      if mount.target:match("^(.-)/*$") == USUAL then return false end
    end
  end
  return not image_needs(plugin)
end

---@param config gantry.Config
---@return string options of a mount; the kernel's own bound is half of the machine's memory
local function options_of(config)
  local size = config.memory and (",size=%d"):format(config.memory // SHARE) or ""
  return "exec,nosuid,nodev,mode=1777" .. size
end

---@param config gantry.Config
---@param caller table<string, string>
---@return boolean whether the policy says itself where temporary files go
local function is_named(config, caller)
  for _, entry in ipairs(config.env or {}) do
    if entry:match("^[^=]*") == "TMPDIR" then return true end
  end
  return variables.select(config.pass_env, caller).TMPDIR ~= nil
end

---@class gantry.Scratch
---@field path string? where the plugin's own memory is; nil where the policy says where its files go
---@field tmpfs table<string, string>? all that is memory inside
---@field temporary string? what TMPDIR is to be

---@param plugin gantry.Plugin with its image
---@param directory string its socket directory
---@param shared table[] mounts of folders of the host
---@param caller table<string, string> the caller's environment
---@return gantry.Scratch
function scratch.of(plugin, directory, shared, caller)
  local config = plugin.config
  if is_named(config, caller) then return { tmpfs = config.tmpfs } end
  local tmpfs = {}
  for path, options in pairs(config.tmpfs or {}) do tmpfs[path:match("^(.-)/*$")] = options end
  local path = (tmpfs[USUAL] or is_free(plugin, shared)) and USUAL or OTHER
  tmpfs[path] = tmpfs[path] or options_of(config)
  if plugin.sockets_in_tmp == nil then plugin.sockets_in_tmp = sockets_in_tmp.known(plugin) end
  return { path = path, tmpfs = tmpfs, temporary = plugin.sockets_in_tmp and directory or path }
end

---Whether a plugin listens where its temporary files go: its go-plugin is one before 1.5, which knows TMPDIR alone.
---@param plugin gantry.Plugin launched, with its scratch
---@param address string a path inside
---@return boolean
function scratch.holds(plugin, address)
  local path = plugin.scratch and plugin.scratch.path
  return path ~= nil and not plugin.sockets_in_tmp and address:sub(1, #path + 1) == path .. "/"
end

---What is told of one that is started once more.
---@param name string the plugin's
---@return string
function scratch.explain(name)
  return ("plugin '%s' was built with a go-plugin before 1.5, whose sockets are where TMPDIR says: it is started once "
    .. "more with its socket directory there, which takes its temporary files as well"):format(name)
end

return scratch
