-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/shared_folders.lua: folders of the caller that a plugin sees at their own paths: its current directory
--- (`cwd`) and its temporary directory (`share_tmp`).

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local view = require "gantry.engine.view"

local shared_folders = {}

-- Temporary directories that belong to everybody.
local PUBLIC = { ["/tmp"] = true, ["/var/tmp"] = true, ["/dev/shm"] = true }

---@class gantry.SharedFolders
---@field mounts { source: string, target: string, read_only: boolean }[]
---@field working_dir string?
---@field warning string?

---@param path string
---@return string without slashes at its end
local function trimmed(path)
  return (path:gsub("(.)/+$", "%1"))
end

---Refuses a folder that the engine would take for another one.
---@param field string
---@param path string
---@param engine gantry.EngineClient
---@param remedy string
---@return gantry.Error? err
local function hidden_error(field, path, engine, remedy)
  local folder = view.hidden(engine, path)
  if not folder then return nil end
  return errors.new("FOLDER_HIDDEN", ("%s: %s cannot be shared: %s; %s"):format(field, path, view.describe(folder),
    remedy))
end

local function add_current_directory(shared, config, _, engine)
  local path, err = core.system.current_directory()
  if not path then return nil, err:wrap("cwd") end
  if path == "/" then
    return nil, errors.new("CWD_IS_ROOT", "cwd: the current directory is /, and all of the host's files are not "
      .. "shared; change to the directory that the plugin needs")
  end
  local hidden = hidden_error("cwd", path, engine, "give the unit a WorkingDirectory= elsewhere")
  if hidden then return nil, hidden end
  shared.working_dir = path
  return { source = path, target = path, read_only = config.cwd == "ro" }
end

local NOT_PRIVATE = "share_tmp: %s; run the host as `gantry host -- COMMAND`, which gives it a private one, "
  .. "or share all of /tmp with share_tmp = \"/tmp\""

local function add_temporary(shared, config, environment, engine)
  local path = environment.TMPDIR
  path = path and path ~= "" and trimmed(path) or nil
  if config.share_tmp == "/tmp" then
    path = path or "/tmp"
    shared.warning = ("share_tmp: the plugin can read and change all that its user can in %s"):format(path)
  elseif not path then
    return nil, errors.new("TMPDIR_NOT_PRIVATE", NOT_PRIVATE:format("the host has no TMPDIR"))
  elseif PUBLIC[path] or path == "/" then
    return nil, errors.new("TMPDIR_NOT_PRIVATE",
      NOT_PRIVATE:format(("the host's TMPDIR is %s, which is everybody's"):format(path)))
  end
  local status = core.system.stat(path)
  if path:sub(1, 1) ~= "/" or not status or status.type ~= "directory" then
    return nil, errors.new("TMPDIR_MISSING", ("share_tmp: the host's TMPDIR %s is no directory; make it, or set TMPDIR "
      .. "to an absolute path"):format(path))
  end
  local hidden = hidden_error("share_tmp", path, engine, view.REMEDY .. ", and run the host as `gantry host -- "
    .. "COMMAND`")
  if hidden then return nil, hidden end
  return { source = path, target = path, read_only = false }
end

---@param config gantry.Config
---@param target string
---@return boolean whether a mount of the policy's stands there
local function taken(config, target)
  for _, mount in ipairs(config.mounts or {}) do
    if trimmed(mount.target) == target then return true end
  end
  return false
end

---@param config gantry.Config
---@param environment table<string, string> the caller's
---@param engine gantry.EngineClient
---@return gantry.SharedFolders? shared, gantry.Error? err
function shared_folders.of(config, environment, engine)
  local shared = { mounts = {} }
  local seen = {}
  local adders = { config.cwd and add_current_directory or false, config.share_tmp and add_temporary or false }
  for _, add in ipairs(adders) do
    if add then
      local mount, err = add(shared, config, environment, engine)
      if not mount then return nil, err end
      if not seen[mount.target] and not taken(config, mount.target) then
        shared.mounts[#shared.mounts + 1] = mount
      end
      seen[mount.target] = true
    end
  end
  return shared
end

return shared_folders
