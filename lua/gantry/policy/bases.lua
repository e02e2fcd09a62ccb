-- SPDX-License-Identifier: Apache-2.0
--
--- policy/bases.lua: which files are no policies of their own, but what others are built on: they name no image, and
--- another policy requires them.

local bases = {}

-- What can be wrong with a file that is well-formed and names no image: it gives functions, or wants arguments.
local OF_BASES <const> = { POLICY_RESULT = true, POLICY_ERROR = true }

---@param errs gantry.Error[]
---@return boolean
local function names_no_image(errs)
  for _, err in ipairs(errs) do
    if OF_BASES[err.code] or err.field == "image" and err.kind == "missing" then return true end
  end
  return false
end

---@param path string
---@param errs gantry.Error[]? why it is no policy
---@param seen_by table<string, table<string, gantry.SeenFile>> what was looked at for each policy, by its path
---@return boolean
function bases.is_base(path, errs, seen_by)
  if not errs or not names_no_image(errs) then return false end
  for other, files in pairs(seen_by) do
    local seen = other ~= path and files[path]
    if seen and seen.text then return true end
  end
  return false
end

return bases
