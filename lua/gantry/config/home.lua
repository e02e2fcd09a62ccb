-- SPDX-License-Identifier: Apache-2.0
--
--- config/home.lua: `~` in the paths of a config: the caller's HOME. A policy may be loaded where no HOME is, so this
--- is settled with each launch.

local errors = require "gantry.base.errors"

local home = {}

---@param path string
---@return boolean
function home.wanted(path)
  return path == "~" or path:sub(1, 2) == "~/"
end

---@param path string
---@param environment table<string, string> the caller's
---@return string? path, gantry.Error? err HOME_UNKNOWN
function home.expand(path, environment)
  if not home.wanted(path) then return path end
  local folder = environment.HOME or ""
  if folder:sub(1, 1) ~= "/" then
    return nil, errors.new("HOME_UNKNOWN", ("%s: the caller has no HOME, as services have none; set HOME in its unit, "
      .. "or write the whole path"):format(path))
  end
  return folder:gsub("/+$", "") .. path:sub(2)
end

---A config whose mounts have whole paths.
---@param config gantry.Config
---@param environment table<string, string> the caller's
---@return gantry.Config? config the same where nothing had to be settled, gantry.Error? err
function home.settle(config, environment)
  local mounts, changed = {}, false
  for i, mount in ipairs(config.mounts or {}) do
    local source, err = home.expand(mount.source, environment)
    if not source then return nil, err:wrap(("mounts[%d].source"):format(i)) end
    changed = changed or source ~= mount.source
    mounts[i] = { source = source, target = mount.target, read_only = mount.read_only }
  end
  if not changed then return config end
  local settled = {}
  for name, value in pairs(config) do settled[name] = value end
  settled.mounts = mounts
  return settled
end

return home
