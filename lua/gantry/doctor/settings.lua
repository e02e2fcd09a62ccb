-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/settings.lua: which settings hold, and where each comes from.

local settings = require "gantry.policy.settings"

local settings_checks = {}

---@param self gantry.Examination
---@param list { path: string, foreign: boolean? }[]
local function check_owners(self, list)
  for _, file in ipairs(list) do
    if file.foreign then
      self:warn("settings", file.path .. " belongs to another user, and is not read", "set HOME to a folder of yours")
    end
  end
end

---@param self gantry.Examination
---@return boolean usable
function settings_checks.run(self)
  local files, found = settings.files(self.environment), false
  for _, field in ipairs(settings.fields) do
    local value, source, err = settings.find(field.name, self.environment)
    if err then
      self:problem("settings", err)
      return false
    end
    if value ~= nil then
      self:ok("settings", ("%s = %s (%s)"):format(field.name, value, source))
      found = true
    end
  end
  check_owners(self, files)
  local paths = {}
  for i, file in ipairs(files) do paths[i] = file.path end
  if not found then self:ok("settings", "none; they would be in " .. table.concat(paths, ", or in ")) end
  return true
end

return settings_checks
