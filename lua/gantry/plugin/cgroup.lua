-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/cgroup.lua: the cgroup of a container, where it is on this machine: what its processes use, as the kernel
--- keeps account of it. Nothing but files of the kernel's is read: nobody is asked, and nothing waits. Version 1 has a
--- hierarchy for each controller, version 2 one for all, and hybrid machines have both.

local core = require "gantry.core"
local later = require "gantry.base.later"
local mount_table = later "gantry.plugin.mount_table"

local cgroup = {}

-- The most of one of these files that is read.
local LONGEST <const> = 64 * 1024
-- What version 1 says where there is no limit: the largest number of whole pages.
local NO_LIMIT <const> = 1 << 62
local NANOSECONDS <const>, MICROSECONDS <const> = 1e9, 1e6

-- The controllers that keep the accounts, by what is to be known.
local CONTROLLERS <const> = { cpu = "cpuacct", memory = "memory", pids = "pids" }

---@class gantry.CgroupFolder
---@field version 1|2
---@field path string
---@field inner string? of a cgroup inside of it that the processes are in, which may have limits of its own

---@alias gantry.CgroupPlace table<"cpu"|"memory"|"pids", gantry.CgroupFolder>

---@param path string
---@return string text empty where it cannot be read
local function read(path)
  return (core.files.read(path, LONGEST)) or ""
end

---@param path string
---@return integer? number
local function read_number(path)
  return math.tointeger(tonumber(read(path):match "^%d+"))
end

---Whether a process is of a container, by its cgroups: a number that an engine on another machine gave, or one with
---another view of processes, is anybody's here.
---@param pid integer
---@param id string the container's
---@return boolean
function cgroup.has(pid, id)
  return read(("/proc/%d/cgroup"):format(pid)):find(id, 1, true) ~= nil
end

---The cgroups of a container in a process's list of its own: paths that end with the container's own name, which has
---its id in it, and what of the process's path is left below.
---@param text string as /proc/PID/cgroup has it
---@param id string the container's
---@return table<string, { path: string, below: string }> cgroups by controller of version 1; by "" of version 2
function cgroup.parse(text, id)
  local found = {}
  for controllers, path in text:gmatch "%d+:([^:\n]*):([^\n]*)" do
    local _, last = path:find(id, 1, true)
    if last and not path:find(" (deleted)", 1, true) then
      last = (path:find("/", last, true) or #path + 1) - 1
      local one = { path = path:sub(1, last), below = path:sub(last + 1) }
      if controllers == "" then found[""] = one end
      for controller in controllers:gmatch "[^,]+" do found[controller] = one end
    end
  end
  return found
end

---Where a hierarchy's cgroup is to be found: a mount may show a part of the hierarchy only, and a process in a cgroup
---namespace sees what is outside as a way up.
---@param mounts gantry.Mount[]
---@param controller string of version 1; "" of version 2
---@param path string
---@return string? folder
function cgroup.folder(mounts, controller, path)
  for _, mount in ipairs(mounts) do
    local root = mount.root == "/" and "" or mount.root
    local fits = controller == "" and mount.type == "cgroup2"
      or mount.type == "cgroup" and ("," .. (mount.of_all or "") .. ","):find("," .. controller .. ",", 1, true)
    local rest = fits and path:sub(1, #root + 1) == root .. "/" and path:sub(#root + 1)
    if rest and not (rest .. "/"):find("/../", 1, true) then
      local folder = mount.path .. rest
      if core.system.stat(folder) then return folder end
    end
  end
end

---Finds a container's cgroup by one of its processes.
---@param pid integer
---@param id string the container's
---@return gantry.CgroupPlace? place nil where the process is not the container's, or not on this machine
function cgroup.find(pid, id)
  local cgroups = cgroup.parse(read(("/proc/%d/cgroup"):format(pid)), id)
  if not next(cgroups) then return nil end
  local mounts, place = mount_table.read(), {}
  for what, controller in pairs(CONTROLLERS) do
    local hierarchy = cgroups[controller] and controller or ""
    local one = cgroups[hierarchy]
    local folder = one and cgroup.folder(mounts, hierarchy, one.path)
    if folder then
      place[what] = { version = hierarchy == "" and 2 or 1, path = folder,
        inner = one.below ~= "" and folder .. one.below or nil }
    end
  end
  return next(place) and place or nil
end

---@param folder gantry.CgroupFolder
---@param name string
---@return integer? limit the smaller of its own and of the one that its processes are in
local function limit(folder, name)
  local least
  for _, path in ipairs { folder.path, folder.inner } do
    local one = read_number(path .. "/" .. name)
    if one and one < NO_LIMIT and (not least or one < least) then least = one end
  end
  return least
end

---@param folder gantry.CgroupFolder
---@return number? seconds
local function cpu_seconds(folder)
  if folder.version == 1 then
    local used = read_number(folder.path .. "/cpuacct.usage")
    return used and used / NANOSECONDS
  end
  local used = tonumber(read(folder.path .. "/cpu.stat"):match "usage_usec (%d+)")
  return used and used / MICROSECONDS
end

---@param folder gantry.CgroupFolder
---@return integer? used without what was read of files lately and can be dropped
---@return integer? most
local function memory(folder)
  local first = folder.version == 1
  local used = read_number(folder.path .. (first and "/memory.usage_in_bytes" or "/memory.current"))
  local droppable = read(folder.path .. "/memory.stat"):match(first and "total_inactive_file (%d+)"
    or "%f[%w_]inactive_file (%d+)")
  if used and droppable then used = math.max(0, used - math.tointeger(tonumber(droppable))) end
  return used, used and limit(folder, first and "memory.limit_in_bytes" or "memory.max")
end

---What a container uses.
---@param place gantry.CgroupPlace
---@return gantry.Usage? usage nil where the cgroup is gone
function cgroup.read(place)
  local usage = { source = "cgroup" }
  if place.cpu then usage.cpu_seconds = cpu_seconds(place.cpu) end
  if place.memory then usage.memory_bytes, usage.memory_limit_bytes = memory(place.memory) end
  if place.pids then
    usage.pids = read_number(place.pids.path .. "/pids.current")
    usage.pids_limit = usage.pids and limit(place.pids, "pids.max")
  end
  return (usage.cpu_seconds or usage.memory_bytes or usage.pids) and usage or nil
end

return cgroup
