-- SPDX-License-Identifier: Apache-2.0
--
--- runtime_dir.lua: the folder below which every plugin has its socket directory.

local core = require "gantry.core"

local runtime_dir = {}

---GANTRY_RUNTIME_DIR, else $XDG_RUNTIME_DIR/gantry, else /run/gantry for root and /tmp/gantry-UID for others.
---@param environment table<string, string>? the process's own where nil
---@return string path
function runtime_dir.path(environment)
  environment = environment or core.system.environment()
  if (environment.GANTRY_RUNTIME_DIR or "") ~= "" then return environment.GANTRY_RUNTIME_DIR end
  if (environment.XDG_RUNTIME_DIR or "") ~= "" then return environment.XDG_RUNTIME_DIR .. "/gantry" end
  if core.system.euid() == 0 then return "/run/gantry" end
  return "/tmp/gantry-" .. core.system.euid()
end

return runtime_dir
