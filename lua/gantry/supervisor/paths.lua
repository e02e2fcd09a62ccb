-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/paths.lua: where a supervisor keeps its state, and where it is spoken to.

local runtime_dir = require "gantry.place.runtime_dir"
local settings = require "gantry.policy.settings"
local state_dir = require "gantry.place.state_dir"

local paths = {}

---Where `gantry up` keeps what must outlive it.
---@param environment table<string, string>? the process's own where nil
---@return string
function paths.state(environment)
  return state_dir.path(environment) .. "/up"
end

---GANTRY_CONTROL or the setting control, else a socket in the runtime directory; no plugin can have its name.
---@param environment table<string, string>?
---@return string
function paths.control(environment)
  return settings.get("control", environment) or runtime_dir.path(environment) .. "/.control.sock"
end

---Where a `gantry up` that keeps its state in a directory writes down its control socket; no plugin has such a name.
---@param directory string
---@return string
function paths.control_record(directory)
  return directory .. "/.control"
end

---Where a running `gantry up` may be spoken to, in order. A login has a runtime directory of its own and cron has none:
---where nobody named a place, the one that the last `gantry up` wrote down comes after the usual one.
---@param environment table<string, string>?
---@return string[]
function paths.controls(environment)
  local list = { paths.control(environment) }
  if settings.get("control", environment) or settings.get("runtime_dir", environment) then return list end
  local recorded = state_dir.read(paths.control_record(paths.state(environment)))
  local path = recorded and recorded:match "^(/[^%c]+)\n$"
  if path and path ~= list[1] then list[2] = path end
  return list
end

return paths
