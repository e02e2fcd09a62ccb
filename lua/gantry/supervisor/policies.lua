-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/policies.lua: a directory of policies: what is there, what changed, and the last good one of each.

local core = require "gantry.core"
local errors = require "gantry.errors"
local gantry = require "gantry"
local json = require "gantry.json"

local policies = {}

-- What a running plugin need not be started anew for.
local SOFT = { restart = true, on_exit = true, health = true, after = true, stop_timeout = true, start_timeout = true }

---@class gantry.PolicySet
---@field directory string
---@field files table<string, { policy: gantry.Policy?, errors: gantry.Error[]?, texts: table<string, string> }> by path
---@field path_of table<string, string> of the policy in force, by the plugin's name
local Set = {}
Set.__index = Set

---@param directory string
---@param options { engine: gantry.Engine }
function policies.new(directory, options)
  return setmetatable({ directory = directory, options = options, files = {}, path_of = {} }, Set)
end

---@param path string
---@return string?
local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

---@return string[]? paths sorted, gantry.Error? err
function Set:paths()
  local entries, err = core.files.list(self.directory)
  if not entries then return nil, err end
  local paths = {}
  for _, entry in ipairs(entries) do
    local path = self.directory .. "/" .. entry
    local status = entry:find("^[^.].*%.lua$") and core.system.stat(path)
    if status and status.type == "file" then paths[#paths + 1] = path end
  end
  table.sort(paths)
  return paths
end

---Whether the policy and all that it required are as they were read.
---@param file table
---@return boolean
local function unchanged(file)
  for path, text in pairs(file.texts) do
    if read(path) ~= text then return false end
  end
  return next(file.texts) ~= nil
end

---@param path string
---@return table file
function Set:load(path)
  local text = read(path)
  local policy, err = gantry.load(path, { engine = self.options.engine, verb = "up" })
  local texts = { [path] = text }
  for _, one in ipairs(policy and policy.loader.texts or {}) do texts[one.path] = one.text end
  if policy then return { policy = policy, texts = texts } end
  return { errors = errors.is(err) and { err } or err, texts = texts }
end

---Puts a policy under its name, unless another file has it.
local function enter(set, broken, path, file)
  local policy = file.policy
  local other = policy and set[policy.name]
  if not policy or not other or other == policy then
    file.refused, file.refused_for = nil, nil
    if policy then set[policy.name] = policy end
  elseif file.refused_for ~= other.path then
    local message = ("%s: there is a plugin '%s' already, from %s; give one of them another name"):format(path,
      policy.name, other.path)
    file.refused, file.refused_for = errors.new("POLICY_NAME_TAKEN", message, { file = path }), other.path
    broken[#broken + 1] = { path = path, errors = { file.refused } }
  end
end

---Which policy has which name: the one that had it keeps it, else the first file gets it.
---@param paths string[] sorted
---@param files table<string, table>
---@param broken table[]
---@return table<string, gantry.Policy> set
function Set:assign(paths, files, broken)
  local set = {}
  for name, path in pairs(self.path_of) do
    local file = files[path]
    if file and file.policy and file.policy.name == name then set[name] = file.policy end
  end
  for _, path in ipairs(paths) do enter(set, broken, path, files[path]) end
  self.path_of = {}
  for name, policy in pairs(set) do self.path_of[name] = policy.path end
  return set
end

---@class gantry.PolicyChanges
---@field set table<string, gantry.Policy> in force, by the plugin's name
---@field broken { path: string, errors: gantry.Error[], name: string? }[] name of the last good one, which stays

---Looks at the directory again.
---@return gantry.PolicyChanges? changes
---@return gantry.Error? err
function Set:scan()
  local paths, err = self:paths()
  if not paths then return nil, err end
  local files, broken = {}, {}
  for _, path in ipairs(paths) do
    local known = self.files[path]
    local file = known and unchanged(known) and known or self:load(path)
    -- The last good one stays in force.
    if not file.policy and known then file.policy = known.policy end
    files[path] = file
    if file.errors and file ~= known then
      broken[#broken + 1] = { path = path, errors = file.errors, name = file.policy and file.policy.name }
    end
  end
  local set = self:assign(paths, files, broken)
  self.files = files
  return { set = set, broken = broken }
end

---@return gantry.Error[] all that is wrong with the files as they are, also what was told before
function Set:findings()
  local list, paths = {}, {}
  for path in pairs(self.files) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local file = self.files[path]
    for _, err in ipairs(file.errors or { file.refused }) do list[#list + 1] = err end
  end
  return list
end

---Whether some file in the directory cannot be used, so that nobody knows which plugins it would name.
---@param path string
---@return boolean
function Set:is_broken(path)
  local file = self.files[path]
  return file ~= nil and file.errors ~= nil
end

---@return string[] folders that hold what the policies were read from
function Set:folders()
  local list, seen = { self.directory }, { [self.directory] = true }
  for _, file in pairs(self.files) do
    for path in pairs(file.texts) do
      local folder = path:match("^(.*)/[^/]*$") or "."
      if not seen[folder] then
        seen[folder] = true
        list[#list + 1] = folder
      end
    end
  end
  return list
end

---What makes two configs the same container.
---@param config gantry.Config
---@return string
function policies.digest(config)
  local hard = {}
  for key, value in pairs(config) do
    if not SOFT[key] then hard[key] = value end
  end
  return assert(json.encode(hard))
end

return policies
