-- SPDX-License-Identifier: Apache-2.0
--
--- base/user_runtime.lua: the folder that a login gives its user for sockets. What is in the environment may be missing
--- (cron, a service) or another user's (sudo -E): the folder has to be this user's own.

local system = require("gantry.core").system

local user_runtime = {}

---@param path string
---@return string? path where this user owns it
local function own(path)
  local status = path:sub(1, 1) == "/" and system.stat(path) or nil
  return status and status.type == "directory" and status.uid == system.euid() and path or nil
end

---@param environment table<string, string>
---@return string? path XDG_RUNTIME_DIR, else what systemd calls so
function user_runtime.path(environment)
  return own(environment.XDG_RUNTIME_DIR or "") or own(("/run/user/%d"):format(system.euid()))
end

---Where Podman keeps its socket without such a folder.
---@return string? path
function user_runtime.podman()
  return own(("/tmp/podman-run-%d"):format(system.euid()))
end

return user_runtime
