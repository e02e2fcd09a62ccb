-- SPDX-License-Identifier: Apache-2.0
--
--- engine/profile.lua: a policy's seccomp profile, a file as Docker documents it, which other engines read as well.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"

local profile = {}

local LARGEST <const> = 1024 * 1024

---@param path string
---@return string? text
---@return table|gantry.Error profile_or_err SECCOMP_UNREADABLE, SECCOMP_INVALID
function profile.read(path)
  local text, status = core.files.read(path, LARGEST)
  if not text or status.type ~= "file" then
    local why = text and "it is a " .. status.type or status.message
    return nil, errors.new(text and "SECCOMP_INVALID" or "SECCOMP_UNREADABLE", ("seccomp: %s is no file that can be "
      .. "read (%s); correct the policy"):format(path, why))
  end
  local read = json.decode(text)
  if type(read) ~= "table" then
    return nil, errors.new("SECCOMP_INVALID", ("seccomp: %s is no JSON; a profile is a file as Docker documents it")
      :format(path))
  end
  return text, read
end

return profile
