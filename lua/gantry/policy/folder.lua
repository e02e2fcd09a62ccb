-- SPDX-License-Identifier: Apache-2.0
--
--- policy/folder.lua: which files of a folder are its policies, and that each is for a plugin of its own.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local site = require "gantry.policy.site"

local folder = {}

---All that is named as a policy: a pipe, or a link that leads nowhere, is told as what it is. Hidden files are none,
---nor are tests and the site policy.
---@param path string of the folder
---@return string[]? paths sorted, gantry.Error? err
function folder.policies(path)
  local entries, err = core.files.list(path)
  if not entries then return nil, err end
  local paths = {}
  for _, entry in ipairs(entries) do
    local one = (path == "/" and "" or path) .. "/" .. entry
    if entry:find "^[^.].*%.lua$" and not site.is_no_policy(one) then paths[#paths + 1] = one end
  end
  table.sort(paths)
  return paths
end

---@param path string
---@param name string the plugin's
---@param other string the path of the policy that has it
---@return gantry.Error
function folder.name_taken(path, name, other)
  return errors.new("POLICY_NAME_TAKEN", ("%s: there is a plugin '%s' already, from %s; give one of them another name")
    :format(path, name, other), { file = path })
end

return folder
