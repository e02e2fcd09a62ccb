-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/runtimes.lua: the OCI runtimes of this machine: where they are, which one runs a container where nobody
--- chose, and why.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local layout = require "gantry.engine.oci.layout"
local task = require "gantry.task"

local runtimes = {}

runtimes.NAMES = { "crun", "runc", "runsc" }

-- What is loaded comes from absolute paths: those of packages first.
local FOLDERS <const> = { "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin" }
-- Seconds for a runtime to say its version.
local TIMEOUT <const> = 5
local MOST_OUTPUT <const> = 4096
local EXECUTABLE <const> = tonumber("111", 8)

-- Flags of the runtime's own, as an engine with a daemon would list them.
local ARGUMENTS <const> = { runsc = { "--host-uds=all" } }

---@class gantry.OciRuntime
---@field name "crun"|"runc"|"runsc"
---@field path string

---@param environment table<string, string>
---@return string[] folders
local function folders_of(environment)
  local list = { table.unpack(FOLDERS) }
  for folder in (environment.PATH or ""):gmatch "[^:]+" do
    if folder:sub(1, 1) == "/" then list[#list + 1] = folder end
  end
  return list
end

---@param path string
---@return boolean
local function is_program(path)
  local status = core.system.stat(path)
  return status ~= nil and status.type == "file" and status.mode & EXECUTABLE ~= 0
end

---The runtimes that are here.
---@param environment table<string, string>? the process's own where nil
---@return table<string, gantry.OciRuntime> found by name
function runtimes.find(environment)
  local folders, found = folders_of(environment or core.system.environment()), {}
  for _, name in ipairs(runtimes.NAMES) do
    for _, folder in ipairs(folders) do
      if not found[name] and is_program(folder .. "/" .. name) then
        found[name] = { name = name, path = folder .. "/" .. name }
      end
    end
  end
  return found
end

---@param wanted string?
---@return gantry.Error
local function missing(wanted)
  local package = wanted or cgroups.version() == 2 and "crun" or "runc"
  local what = wanted and ("the runtime %s is not installed"):format(wanted)
    or "no OCI runtime is installed to run containers without a daemon"
  return errors.new("RUNTIME_MISSING", ("%s; apt install %s"):format(what, package))
end

---@class gantry.RuntimeReason a runtime that was chosen, and why
---@field runtime gantry.OciRuntime
---@field reason string

---Chooses the runtime of containers that name none. crun needs cgroups of version 2 alone.
---@param found table<string, gantry.OciRuntime>
---@param wanted string? by the endpoint's name
---@return gantry.RuntimeReason? choice, gantry.Error? err RUNTIME_MISSING
function runtimes.choose(found, wanted)
  if wanted then
    if not found[wanted] then return nil, missing(wanted) end
    return { runtime = found[wanted], reason = "it was asked for" }
  end
  local pure = cgroups.version() == 2
  if pure and found.crun then
    return { runtime = found.crun, reason = "crun is the fastest, and this machine has cgroups of version 2" }
  end
  if found.runc then
    return { runtime = found.runc, reason = pure and "crun, which would be faster, is not installed"
      or "crun refuses this machine's cgroups of version 1" }
  end
  return nil, missing(not pure and found.crun and "runc" or nil)
end

---@param name string?
---@param found table<string, gantry.OciRuntime>
---@return gantry.Error? err RUNTIME_UNKNOWN, RUNTIME_MISSING
function runtimes.check(name, found)
  if not name or found[name] then return nil end
  for _, known in ipairs(runtimes.NAMES) do
    if name == known then return missing(name) end
  end
  local names = {}
  for one in pairs(found) do names[#names + 1] = one end
  table.sort(names)
  return errors.new("RUNTIME_UNKNOWN", ("runtime: gantry can run containers by crun, runc and runsc, and not by '%s'; "
    .. "here are: %s"):format(name, table.concat(names, ", ")))
end

---@param found table<string, gantry.OciRuntime>
---@return table<string, { path: string, arguments: string[] }> as gantry.EngineInfo has them
function runtimes.described(found)
  local list = {}
  for name, one in pairs(found) do list[name] = { path = one.path, arguments = ARGUMENTS[name] or {} } end
  return list
end

-- ---- versions ----

---@param path string
---@return string? text
local function ask(path)
  local output, size, ended = {}, 0, task.event()
  local process <close> = core.process.spawn(task.loop(), { path, "--version", output = "pipe",
    on_output = function(_, bytes)
      size = size + #bytes
      if size <= MOST_OUTPUT then output[#output + 1] = bytes end
    end,
    on_exit = function(exit) ended:set(exit.code == 0) end })
  if not process then return nil end
  local ok = task.deadline(TIMEOUT, ended.wait, ended)
  return ok and table.concat(output) or nil
end

---What a runtime says that it is. Asked once for each file, by whoever comes first: it costs as much as a start.
---@param runtime gantry.OciRuntime
---@param place gantry.OciLayout
---@return string? version such as "1.1.5"
function runtimes.version(runtime, place)
  local status = core.system.stat(runtime.path)
  local stamp = status and ("%d:%s"):format(status.size, status.mtime)
  local path = place.path .. "/versions.json"
  local kept = json.decode(layout.read(path) or "")
  kept = type(kept) == "table" and kept or {}
  local known = kept[runtime.path]
  if type(known) == "table" and known.stamp == stamp and type(known.version) == "string" then return known.version end
  local version = (ask(runtime.path) or ""):match "version +([%w.+~_-]+)"
  if version and stamp then
    kept[runtime.path] = { stamp = stamp, version = version }
    if core.system.stat(place.path) then layout.write(path, json.line(kept)) end
  end
  return version
end

return runtimes
