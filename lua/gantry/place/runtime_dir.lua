-- SPDX-License-Identifier: Apache-2.0
--
--- place/runtime_dir.lua: the folder below which every plugin has its socket directory.

local settings = require "gantry.policy.settings"
local system = require("gantry.core").system
local user_runtime = require "gantry.base.user_runtime"

local runtime_dir = {}

-- Root's own ends with its last login, and plugins of root are often a service's.
local ROOTS_LOGIN <const> = "/run/user/0"

---What the service manager made for a service, of whatever program: gantry's own, or one to have a folder in.
---@param folders string as in RUNTIME_DIRECTORY
---@return string path
local function of_service(folders)
  local first = folders:match "^[^:]*"
  return first:find "/gantry$" and first or first .. "/gantry"
end

---GANTRY_RUNTIME_DIR or the setting runtime_dir, else the folder gantry in XDG_RUNTIME_DIR, or in /run/user/UID, where
---that is this user's; else below the RUNTIME_DIRECTORY of a service that is not root's; else /run/gantry for root,
---/tmp/gantry-UID for others.
---@param environment table<string, string>? the process's own where nil
---@return string path
function runtime_dir.path(environment)
  environment = environment or system.environment()
  local function set(name) return (environment[name] or "") ~= "" and environment[name] or nil end
  local named = settings.get("runtime_dir", environment)
  if named then return named end
  local own, root = user_runtime.path(environment), system.euid() == 0
  if own and own ~= ROOTS_LOGIN then return own .. "/gantry" end
  if set "RUNTIME_DIRECTORY" and not (root and system.accessible("/run", "w")) then
    return of_service(environment.RUNTIME_DIRECTORY)
  end
  return root and "/run/gantry" or "/tmp/gantry-" .. system.euid()
end

return runtime_dir
