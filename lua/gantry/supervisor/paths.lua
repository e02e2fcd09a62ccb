-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/paths.lua: where a supervisor keeps its state, and where it is spoken to.

local core = require "gantry.core"
local runtime_dir = require "gantry.place.runtime_dir"
local state_dir = require "gantry.place.state_dir"

local paths = {}

---Where `gantry up` keeps what must outlive it.
---@param environment table<string, string>? the process's own where nil
---@return string
function paths.state(environment)
  return state_dir.path(environment) .. "/up"
end

---GANTRY_CONTROL, else a socket in the runtime directory; no plugin can have its name.
---@param environment table<string, string>?
---@return string
function paths.control(environment)
  environment = environment or core.system.environment()
  if (environment.GANTRY_CONTROL or "") ~= "" then return environment.GANTRY_CONTROL end
  return runtime_dir.path(environment) .. "/.control.sock"
end

return paths
