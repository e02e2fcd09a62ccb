-- SPDX-License-Identifier: Apache-2.0
--
--- base/shipped.lua: folders that come with gantry beside its Lua files, in the source tree as when installed.

local core = require "gantry.core"

local shipped = {}

---@param name string such as "policies"
---@return string? folder
function shipped.folder(name)
  local here = debug.getinfo(1, "S").source:match("^@(.*)/gantry/base/shipped%.lua$")
  for _, parent in ipairs { "/../", "/../../gantry/" } do
    local folder = here and core.system.real_path(here .. parent .. name)
    if folder then return folder end
  end
end

return shipped
