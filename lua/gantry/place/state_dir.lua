-- SPDX-License-Identifier: Apache-2.0
--
--- place/state_dir.lua: the folder of what must outlive a gantry that is killed.

local core = require "gantry.core"
local settings = require "gantry.policy.settings"

local state_dir = {}

local ENOENT <const>, ENOTDIR <const> = 2, 20

---GANTRY_STATE_DIR or the setting state_dir, else /var/lib/gantry for root, else $XDG_STATE_HOME/gantry, else
---~/.local/state/gantry; without a HOME /var/tmp/gantry-UID.
---@param environment table<string, string>? the process's own where nil
---@return string path
function state_dir.path(environment)
  environment = environment or core.system.environment()
  local named = settings.get("state_dir", environment)
  if named then return named end
  if core.system.euid() == 0 then return "/var/lib/gantry" end
  if (environment.XDG_STATE_HOME or "") ~= "" then return environment.XDG_STATE_HOME .. "/gantry" end
  if (environment.HOME or "") ~= "" then return environment.HOME .. "/.local/state/gantry" end
  return "/var/tmp/gantry-" .. core.system.euid()
end

-- Larger than any file of state.
local LARGEST <const> = 16 * 1024 * 1024
local PRIVATE_FOLDER <const>, PRIVATE_FILE <const> = tonumber("700", 8), tonumber("600", 8)
local OTHERS_WRITE <const> = tonumber("022", 8)

---The text of a file of state, if it is one that only this user can have written.
---@param path string
---@return string? text
---@return string? reason why a file that is there is not used
function state_dir.read(path)
  local text, status = core.files.read(path, LARGEST, true)
  if not text then
    local missing = status.os_error == ENOENT or status.os_error == ENOTDIR
    return nil, not missing and status.message or nil
  end
  if status.type ~= "file" or status.uid ~= core.system.euid() or status.mode & OTHERS_WRITE ~= 0 then
    return nil, "it is no file of this user's alone"
  end
  return text
end

---Replaces a file of state, readable by the user alone, and makes its folder where that is missing.
---@param path string
---@param text string
---@return boolean? ok, gantry.Error? err
function state_dir.write(path, text)
  local ok = core.files.replace(path, text, PRIVATE_FILE)
  if ok then return true end
  local made, err = core.files.make_directory(path:match "^(.*)/", PRIVATE_FOLDER)
  if not made then return nil, err end
  return core.files.replace(path, text, PRIVATE_FILE)
end

---Removes a file of state, with what a process that was killed as it replaced it has left beside it.
---@param path string
function state_dir.remove(path)
  os.remove(path)
  os.remove(path .. ".new")
end

return state_dir
