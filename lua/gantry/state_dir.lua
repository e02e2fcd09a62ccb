-- SPDX-License-Identifier: Apache-2.0
--
--- state_dir.lua: the folder of what must outlive a gantry that is killed.

local core = require "gantry.core"

local state_dir = {}

---GANTRY_STATE_DIR, else /var/lib/gantry for root, else $XDG_STATE_HOME/gantry, else ~/.local/state/gantry.
---@param environment table<string, string>? the process's own where nil
---@return string path
function state_dir.path(environment)
  environment = environment or core.system.environment()
  if (environment.GANTRY_STATE_DIR or "") ~= "" then return environment.GANTRY_STATE_DIR end
  if core.system.euid() == 0 then return "/var/lib/gantry" end
  if (environment.XDG_STATE_HOME or "") ~= "" then return environment.XDG_STATE_HOME .. "/gantry" end
  return (environment.HOME or "/tmp") .. "/.local/state/gantry"
end

return state_dir
