-- SPDX-License-Identifier: Apache-2.0
--
--- place/confinement.lua: what a security module of the kernel (AppArmor, SELinux) holds this process to, as far as the
--- kernel says it.

local confinement = {}

-- AppArmor's own place, which it has had since Linux 5.8, then the one of the first module.
confinement.files = { "/proc/self/attr/apparmor/current", "/proc/self/attr/current" }

---@class gantry.Confinement
---@field module "AppArmor"|"SELinux"
---@field label string the profile's name, or the context

---@param text string
---@return gantry.Confinement? none where it holds the process to nothing
local function read(text)
  local label = text:gsub("[%z%s]+$", "")
  if label:find "^[^:%s]+:[^:]+:[^:]+" then
    return not label:find("unconfined_t", 1, true) and { module = "SELinux", label = label } or nil
  end
  local profile = label:match "^(.+) %(enforce%)$"
  return profile and profile ~= "unconfined" and { module = "AppArmor", label = profile } or nil
end

---@return gantry.Confinement?
function confinement.own()
  for _, path in ipairs(confinement.files) do
    local file <close> = io.open(path, "rb")
    local text = file and file:read "l"
    if text then return read(text) end
  end
end

return confinement
