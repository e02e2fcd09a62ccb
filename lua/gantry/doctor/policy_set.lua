-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/policy_set.lua: what is wrong with policies of one folder that each are valid: two of one name, plugins that
--- wait for each other in a circle, or for one that is not there.

local errors = require "gantry.base.errors"
local order = require "gantry.supervisor.order"
local policy_folder = require "gantry.policy.folder"

local policy_set = {}

---@class gantry.SetMember
---@field path string
---@field policy gantry.Policy? nil where the file is broken
---@field add fun(err: gantry.Error) takes what is wrong

---@param one gantry.SetMember
---@param index integer? of `after`
---@param text string
local function add(one, index, text)
  local field = index and ("after[%d]"):format(index) or "after"
  local file, line = one.policy.loader:locate(field)
  one.add(errors.new("CONFIG_INVALID", ("%s:%d: %s"):format(file, line, text), { field = field, file = file,
    line = line }))
end

---The first file has its name, as under `gantry up`.
---@param members gantry.SetMember[]
---@return table<string, gantry.SetMember> by_name
local function name_each(members)
  local by_name = {}
  for _, one in ipairs(members) do
    local name = one.policy and one.policy.name
    local other = name and by_name[name]
    if other then
      one.add(policy_folder.name_taken(one.path, name, other.path))
    elseif name then
      by_name[name] = one
    end
  end
  return by_name
end

---@param by_name table<string, gantry.SetMember>
---@return table<string, boolean> names that broken files may have
local function names_of_broken(members)
  local names = {}
  for _, one in ipairs(members) do
    if not one.policy then names[one.path:match "([^/]*)%.lua$" or one.path] = true end
  end
  return names
end

---Looks at policies as a set.
---@param members gantry.SetMember[] sorted by path
---@param whole boolean whether these are all of the folder's
function policy_set.check(members, whole)
  local by_name, broken, after_of = name_each(members), names_of_broken(members), {}
  for name, one in pairs(by_name) do after_of[name] = one.policy.config.after or {} end
  local circles = order.cycles(after_of)
  for name, one in pairs(by_name) do
    for i, other in ipairs(whole and after_of[name] or {}) do
      if not by_name[other] and not broken[other] then
        add(one, i, ("after: no policy of this folder is for a plugin '%s'; correct the name, or add its policy")
          :format(other))
      end
    end
    if circles[name] then add(one, nil, order.describe(circles[name])) end
  end
end

return policy_set
