-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/file_watch.lua: tells that something in watched folders has changed, once for the many steps in which
--- editors and deployments write. Where a folder is watched for some names alone, others in it do not count.

local core = require "gantry.core"
local task = require "gantry.task"

local file_watch = {}

-- Seconds from a change until it is told: editors write in several steps.
local SETTLE <const> = 0.1

---@class gantry.FileWatch
---@field names table<integer, table<string, true>|true> that count, by the number of the folder's watch
---@field changed gantry.Event set by a change, and replaced
local FileWatch = {}
FileWatch.__index = FileWatch

---@return gantry.FileWatch? watch, gantry.Error? err
function file_watch.open()
  local self = setmetatable({ names = {}, changed = task.event() }, FileWatch)
  local err
  self.inotify, err = core.inotify.open(task.loop(), function(number, name) self:note(number, name) end)
  return self.inotify and self, err
end

---@param number integer
---@param name string? nil where the folder itself is gone, or events were lost
function FileWatch:note(number, name)
  local names = self.names[number]
  if name == nil then
    self.names[number] = nil
  elseif type(names) == "table" and not names[name] then
    return
  end
  self.changed:set()
end

---What counts of a folder that has two paths, or is named twice.
---@param one table<string, true>|true|nil
---@param other table<string, true>|true
---@return table<string, true>|true
local function both(one, other)
  if one == nil then return other end
  if one == true or other == true then return true end
  local all = {}
  for _, names in ipairs { one, other } do
    for name in pairs(names) do all[name] = true end
  end
  return all
end

---Watches folders; those that are watched already go on with the new names.
---@param folders table<string, table<string, true>|true> names that count, or all, by folder
---@return gantry.Error? err of one that cannot be watched
function FileWatch:cover(folders)
  local failure
  local numbers = {}
  for folder, names in pairs(folders) do
    local number, err = self.inotify:add(folder)
    failure = failure or err
    if number then numbers[number] = both(numbers[number], names) end
  end
  for number, names in pairs(numbers) do self.names[number] = names end
  return failure
end

---Waits for the next change, and until it has settled.
function FileWatch:wait()
  self.changed:wait()
  task.sleep(SETTLE)
  self.changed = task.event()
end

function FileWatch:close() self.inotify:close() end

return file_watch
