-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/cgroups.lua: where gantry may make cgroups, and what can be limited there. Root has all of the machine.
--- An ordinary user has what was delegated to this process: its own cgroup, of version 2, where it may write to it.

local core = require "gantry.core"
local machine = require "gantry.base.machine"

local cgroups = {}

local MOUNTED <const> = "/sys/fs/cgroup"
local OURS <const> = "/gantry"
-- Of this process, in a cgroup that was delegated to it: one that has processes cannot limit those below.
local SUPERVISOR <const> = "gantry-supervisor"
local WANTED <const> = { "cpu", "cpuset", "memory", "pids" }
local LONGEST <const> = 64 * 1024
local EBUSY <const> = 16
-- PF_EXITING of a process's flags.
local EXITING <const> = 4

---@class gantry.CgroupPlaces
---@field version 1|2
---@field parent string? below which containers' cgroups are; nil where none can be made
---@field reason string? why there is none, or why it limits too little
---@field controllers string[] what can be limited there
---@field swap_accounting boolean
---@field delegated string? the folder of a cgroup of this process's own, whose controllers are to be handed down

---@param path string
---@return string
local function read(path)
  return (core.files.read(path, LONGEST)) or ""
end

---@return 1|2
function cgroups.version()
  return core.system.stat(MOUNTED .. "/cgroup.controllers") and 2 or 1
end

---@param text string of cgroup.controllers
---@return string[]
local function wanted_of(text)
  local list = {}
  for _, name in ipairs(WANTED) do
    if (" " .. text:gsub("%s", " ") .. " "):find(" " .. name .. " ", 1, true) then list[#list + 1] = name end
  end
  return list
end

---@return gantry.CgroupPlaces
local function root_first()
  local place = { version = 1, controllers = {}, parent = OURS,
    swap_accounting = core.system.stat(MOUNTED .. "/memory/memory.memsw.limit_in_bytes") ~= nil }
  for _, name in ipairs(WANTED) do
    local folder = ("%s/%s"):format(MOUNTED, name)
    if core.system.stat(folder .. "/tasks") and core.system.accessible(folder, "w") then
      place.controllers[#place.controllers + 1] = name
    end
  end
  if #place.controllers == 0 then
    place.parent, place.reason = nil, "no cgroup below " .. MOUNTED .. " can be written to (a container's machine?)"
  end
  return place
end

---@return gantry.CgroupPlaces
local function root_second()
  local place = { version = 2, controllers = {}, swap_accounting = core.system.stat "/proc/swaps" ~= nil }
  if not core.system.accessible(MOUNTED .. "/cgroup.subtree_control", "w") then
    place.reason = MOUNTED .. " cannot be written to (a container's machine?)"
    return place
  end
  place.parent, place.controllers = OURS, wanted_of(read(MOUNTED .. "/cgroup.controllers"))
  if #place.controllers < #WANTED then
    place.reason = "the kernel's cgroup version 2 has no such controller (another hierarchy may hold it)"
  end
  return place
end

---The cgroup that was given to this process, which may have made way within it.
---@param text string of /proc/self/cgroup
---@return string? path in the hierarchy of version 2, "" of its root; nil where it has none that it sees
function cgroups.given(text)
  local path = ("\n" .. text):match "\n0::(/[^\n]*)"
  if not path or path:find("/..", 1, true) then return nil end
  local above, last = path:match "^(.*)/([^/]*)$"
  return (last == SUPERVISOR or last == "") and above or path
end

---@return gantry.CgroupPlaces
local function user()
  local place = { version = cgroups.version(), controllers = {}, swap_accounting = false }
  if place.version == 1 then
    place.reason = "this machine has cgroups of version 1, which are root's alone"
    return place
  end
  local path = cgroups.given(read "/proc/self/cgroup")
  local folder = path and MOUNTED .. path
  for _, name in ipairs { "", "/cgroup.procs", "/cgroup.subtree_control" } do
    if not folder or not core.system.accessible(folder .. name, "w") then
      place.reason = ("the cgroup of this process (%s) was not delegated to it"):format(path ~= "" and path or "/")
      return place
    end
  end
  place.parent, place.delegated = path .. OURS, folder
  place.controllers = wanted_of(read(folder .. "/cgroup.controllers"))
  place.swap_accounting = core.system.stat(folder .. "/memory.swap.max") ~= nil
  if #place.controllers < #WANTED then
    place.reason = ("%s has but these controllers: %s"):format(path, table.concat(place.controllers, ", "))
  end
  return place
end

---Where this process may make cgroups. Changes nothing.
---@return gantry.CgroupPlaces
function cgroups.find()
  if core.system.euid() ~= 0 then return user() end
  if cgroups.version() == 1 then return root_first() end
  return root_second()
end

---Writes to a file of the kernel's.
---@param path string
---@param text string
---@return boolean ok, string? reason, integer? os_error
local function write(path, text)
  local file, reason, code = io.open(path, "w")
  if not file then return false, reason, code end
  local _
  file:setvbuf "no"
  _, reason, code = file:write(text)
  file:close()
  return code == nil, reason, code
end

---@param folder string
---@param controllers string[]
---@return boolean ok, string? reason, integer? os_error
local function enable(folder, controllers)
  return write(folder .. "/cgroup.subtree_control", "+" .. table.concat(controllers, " +"))
end

---@param pid integer
---@return boolean whether this process has started it, or one that did
local function is_descendant(pid)
  local own = core.system.pid()
  while pid > 1 do
    pid = machine.parent(pid) or 0
    if pid == own then return true end
  end
  return false
end

---Moves this process and what it has started out of its cgroup, into one of their own below.
---@param folder string
---@return boolean ok
local function make_way(folder)
  local own = folder .. "/" .. SUPERVISOR
  if not core.files.make_directory(own, tonumber("755", 8)) or not write(own .. "/cgroup.procs", "0") then
    return false
  end
  for pid in read(folder .. "/cgroup.procs"):gmatch "%d+" do
    local number = math.tointeger(tonumber(pid)) --[[@as integer]]
    if is_descendant(number) then write(own .. "/cgroup.procs", pid) end
  end
  return true
end

---Lets what lies below a place be limited: hands the controllers down, for which the processes in a delegated cgroup
---have to make way. This process does, with what it has started; those of others are not touched.
---@param place gantry.CgroupPlaces as found; its controllers and reason are changed where that fails
---@return boolean ok
function cgroups.prepare(place)
  if place.version == 1 or not place.parent or #place.controllers == 0 then return true end
  local folder = place.delegated or MOUNTED
  local ok, reason, code = enable(folder, place.controllers)
  if not ok and code == EBUSY and place.delegated then
    if make_way(folder) then ok, reason, code = enable(folder, place.controllers) end
  end
  if ok then return true end
  place.controllers = {}
  place.reason = code == EBUSY and ("other processes are in the cgroup of this one (%s); give gantry one of its own")
    :format(folder) or ("controllers cannot be handed down (%s)"):format(reason)
  return false
end

---@param text string of /proc/PID/cgroup
---@param version 1|2
---@param controller string
---@return string? folder of the cgroup that a process is in
local function folder_of(text, version, controller)
  text = "\n" .. text
  if version == 2 then
    local path = text:match "\n0::(/[^\n]*)"
    return path and MOUNTED .. path
  end
  for names, path in text:gmatch "\n%d+:([^:\n]*):(/[^\n]*)" do
    if ("," .. names .. ","):find("," .. controller .. ",", 1, true) then
      return ("%s/%s%s"):format(MOUNTED, controller, path)
    end
  end
end

---Reads files of the cgroups that a process is in.
---@param pid integer
---@param version 1|2
---@return fun(controller: string, file: string): string?
function cgroups.reader(pid, version)
  local text = read(("/proc/%d/cgroup"):format(pid))
  return function(controller, file)
    local folder = folder_of(text, version, controller)
    return folder and read(folder .. "/" .. file)
  end
end

---The list of the processes of this process's own cgroup, where containers get cgroups: src/monitor says what for.
---@param place gantry.CgroupPlaces
---@return string? path of cgroup.procs
function cgroups.own(place)
  local folder = place.parent and folder_of(read "/proc/self/cgroup", place.version, place.controllers[1])
  return folder and folder .. "/cgroup.procs" or nil
end

---Whether a process has ended or is about to, though its parent may not know yet: it is in no cgroup of its own any
---more, and no runtime can send it a signal.
---@param pid integer
---@return boolean
function cgroups.is_ending(pid)
  local state, flags = read(("/proc/%d/stat"):format(pid))
    :match "^.*%) (%a) %-?%d+ %-?%d+ %-?%d+ %-?%d+ %-?%d+ (%d+) "
  return not state or state == "Z" or state == "X" or tonumber(flags) & EXITING ~= 0
end

return cgroups
