-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/policies.lua: a directory of policies: what is there, what changed, and the last good one of each.

local bases = require "gantry.policy.bases"
local context = require "gantry.policy.context"
local blame = require "gantry.supervisor.blame"
local core = require "gantry.core"
local data = require "gantry.policy.data"
local errors = require "gantry.base.errors"
local evaluator = require "gantry.policy.evaluator"
local link_path = require "gantry.base.link_path"
local file_reader = require "gantry.policy.file"
local policy_folder = require "gantry.policy.folder"
local remote = require "gantry.policy.remote"
local task = require "gantry.task"

local policies = {}

-- What a running plugin need not be started anew for.
local SOFT = { restart = true, on_exit = true, health = true, after = true, stop_timeout = true, start_timeout = true,
  warm = true, standby = true }

---@class gantry.PolicyFile
---@field policy gantry.RemotePolicy? the last good one
---@field errors gantry.Error[]? what is wrong with the file as it is
---@field seen table<string, gantry.SeenFile> all that was looked at, by path
---@field base boolean? whether it only serves others

---@class gantry.PolicySet
---@field directory string
---@field files table<string, gantry.PolicyFile> by path
---@field evaluator gantry.Evaluator
---@field news table<string, gantry.PolicyFile> what was found wrong by the look that is under way
---@field turn gantry.Queue holds one token: whoever has it may look at the directory
---@field path_of table<string, string> of the policy in force, by the plugin's name
local Set = {}
Set.__index = Set

---@param directory string
---@param options { engine: fun(): gantry.EngineClient?, policy_process: string[]?, print: function? }
function policies.new(directory, options)
  local turn = task.queue()
  turn:put(true)
  return setmetatable({ directory = directory, files = {}, path_of = {}, turn = turn,
    evaluator = evaluator.new { command = options.policy_process, print = options.print },
    context = context.of({ verb = "up" }, options.engine) }, Set)
end

---Whether all that was looked at for a policy is as it was, also what was not there.
---@param file gantry.PolicyFile
---@return boolean
local function unchanged(file)
  for path, seen in pairs(file.seen) do
    if seen.stamp then
      if file_reader.stamp(path) ~= seen.stamp then return false end
    else
      local text, err = file_reader.read(path)
      if text ~= seen.text or (err and err.code) ~= seen.code then return false end
    end
  end
  return next(file.seen) ~= nil
end

---@param path string
---@return gantry.PolicyFile file
function Set:load(path)
  local policy, err, seen = remote.load(self.evaluator, path, self.context)
  if policy then return { policy = policy, seen = seen } end
  return { errors = errors.is(err) and { err } or err, seen = seen }
end

---Puts a policy under its name, unless another file has it.
local function enter(set, broken, path, file)
  local policy = file.policy
  local other = policy and set[policy.name]
  if not policy or not other or other == policy then
    file.refused, file.refused_for = nil, nil
    if policy then set[policy.name] = policy end
  elseif file.refused_for ~= other.path then
    file.refused, file.refused_for = policy_folder.name_taken(path, policy.name, other.path), other.path
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
---@field pending boolean whether one waits for the engine to be there

---Whether nothing new is wrong with a file.
---@param before gantry.Error[]
---@param now gantry.Error[]
---@return boolean
local function same(before, now)
  for i = 1, math.max(#before, #now) do
    if not before[i] or not now[i] or before[i].message ~= now[i].message then return false end
  end
  return true
end

---Whether nothing is wrong with a file but that the engine, or the machine, did not do its part for the moment.
---@param file gantry.PolicyFile
---@return boolean
local function waits(file)
  for _, err in ipairs(file.errors or {}) do
    if blame.passes(err) then return true end
  end
  return false
end

---@param path string
---@return gantry.PolicyFile
function Set:look_at(path)
  local known = self.files[path]
  if known and unchanged(known) then return known end
  local file = self:load(path)
  -- The last good one stays in force.
  if not file.policy and known then file.policy = known.policy end
  local news = file.errors and not (known and known.errors and same(known.errors, file.errors))
  self.news[path] = news and file or nil
  return file
end

---What is newly wrong, now that it is known who builds on whom.
---@param paths string[] sorted
---@param files table<string, gantry.PolicyFile>
---@param broken table[]
function Set:tell_broken(paths, files, broken)
  local seen_by = {}
  for path, file in pairs(files) do seen_by[path] = file.seen end
  for _, path in ipairs(paths) do
    local file = files[path]
    local was = file.base
    -- What was a policy and lost its image is more likely a mistake.
    file.base = not file.policy and bases.is_base(path, file.errors, seen_by)
    if file.errors and not file.base and (self.news[path] or was) then
      broken[#broken + 1] = { path = path, errors = file.errors, name = file.policy and file.policy.name }
    end
  end
end

---Policies that no file has any more need not be kept in their process. Who is asked all the same gets them anew.
---@param before table<string, gantry.PolicyFile>
---@param after table<string, gantry.PolicyFile>
local function forget_replaced(before, after)
  for path, file in pairs(before) do
    local policy = file.policy
    if policy and not (after[path] and after[path].policy == policy) then policy:forget() end
  end
end

---Looks at the directory again. Waits for the process that loads policies; what it returns is then the latest: whoever
---acts on it without waiting acts in the order of the looks.
---@return gantry.PolicyChanges? changes
---@return gantry.Error? err
function Set:scan()
  self.turn:take()
  local _ <close> = setmetatable({}, { __close = function() self.turn:put(true) end })
  local paths, err = policy_folder.policies(self.directory)
  if not paths then return nil, err end
  local files, broken, pending = {}, {}, false
  self.news = {}
  for _, path in ipairs(paths) do
    files[path] = self:look_at(path)
    pending = pending or waits(files[path])
  end
  self:tell_broken(paths, files, broken)
  local set = self:assign(paths, files, broken)
  forget_replaced(self.files, files)
  self.files = files
  return { set = set, broken = broken, pending = pending }
end

---Ends the process that evaluates the policies.
function Set:close()
  self.evaluator:close()
end

---@return gantry.Error[] all that is wrong with the files as they are, also what was told before
function Set:findings()
  local list, paths = {}, {}
  for path in pairs(self.files) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local file = self.files[path]
    for _, err in ipairs(not file.base and (file.errors or { file.refused }) or {}) do list[#list + 1] = err end
  end
  return list
end

---Whether a file is as it was read.
---@param path string
---@return boolean
function Set:is_current(path)
  local file = self.files[path]
  return file ~= nil and file.policy ~= nil and not file.errors and unchanged(file)
end

---Whether some file in the directory cannot be used, so that nobody knows which plugins it would name.
---@param path string
---@return boolean
function Set:is_broken(path)
  local file = self.files[path]
  return file ~= nil and file.errors ~= nil
end

---All that changes what the policies mean: what they were read from, also what was not there, and the credentials that
---plugins are to be restarted for.
---@return table<string, boolean> paths
function Set:sources()
  local sources, here = {}, core.system.current_directory() or ""
  for _, file in pairs(self.files) do
    for path in pairs(file.seen) do sources[path:sub(1, 1) == "/" and path or here .. "/" .. path] = true end
    for _, one in pairs(file.policy and file.policy.config.credentials or {}) do
      if one.on_change == "restart" then sources[one.file] = true end
    end
  end
  return sources
end

---The folders that hold what the policies mean, or would hold what they looked for; and of those that hold links on the
---way there, and what these lead to, the names that count.
---@return table<string, table<string, true>|true>
function Set:folders()
  local found = {}
  local function add(folder, name)
    if found[folder] == true or not name then
      found[folder] = true
    else
      found[folder] = found[folder] or {}
      found[folder][name] = true
    end
  end
  local function add_place(path)
    local folder, name = path:match "^(.*)/([^/]*)$"
    add(folder == "" and "/" or folder, name)
  end
  local function add_links(path)
    local target, on_the_way = link_path(path)
    for _, link in ipairs(on_the_way) do add_place(link) end
    return target
  end
  add_links(self.directory)
  for path in pairs(self:sources()) do
    add(path:match "^(.+)/[^/]*$" or "/")
    add_place(add_links(path))
  end
  for folder in pairs(found) do
    local status = core.system.stat(folder)
    if not status or status.type ~= "directory" then found[folder] = nil end
  end
  found[self.directory] = true
  return found
end

---@param config gantry.Config
---@return string? stamps of the credentials that the plugin is to be restarted for; nil where there are none
function policies.credential_stamps(config)
  local list = {}
  for name, one in pairs(config.credentials or {}) do
    if one.on_change == "restart" then list[#list + 1] = name .. " " .. file_reader.stamp(one.file) end
  end
  table.sort(list)
  return #list > 0 and table.concat(list, "\n") or nil
end

---What makes two configs the same container.
---@param config gantry.Config
---@return string
function policies.digest(config)
  local hard = {}
  for key, value in pairs(config) do
    if not SOFT[key] then hard[key] = value end
  end
  return assert(data.encode(hard)) -- a config that was read is plain data, and not deep
end

return policies
