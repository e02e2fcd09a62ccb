-- SPDX-License-Identifier: Apache-2.0
--
--- place/ownership.lua: who owns a container, and whether its owner lives. A label says which user of which machine
--- launched it, so that another's on a shared engine is never touched; another says where its socket directory is, on
--- which its owner holds a lock for as long as it lives. Whoever gets that lock owns what is left. Labels only help to
--- find: whether a container was made by a gantry, this user's own records say.

local LABEL = require("gantry.engine.container").LABEL
local core = require "gantry.core"
local later = require "gantry.base.later"
local launches = require "gantry.place.launches"
local machine = require "gantry.base.machine"
local reattach_data = later "gantry.place.reattach_data"

local ownership = {}

---What is known of a socket directory's owner.
---@alias gantry.OwnerState
---| "dead" # nobody held the lock; it is ours now
---| "alive" # another living process holds it
---| "no_directory" # there is nothing to lock: it is gone, or in a file system that we do not see
---| "unknown" # it cannot be locked, and not because somebody holds it

---This user on this machine, as the label says it.
---@return string
function ownership.owner()
  return ("%d@%s"):format(core.system.euid(), machine.name())
end

---Whether a label means this user on this machine. Behind a socket of this machine is this machine's engine, and our
---records say which of its containers are ours: so what a gantry left that knew the machine by another name (its
---hostname of then) is found. An engine that others reach as well may have containers of another machine, whose records
---are here too where a home is shared.
---@param engine gantry.EngineClient
---@param label any
---@return boolean
local function is_owner(engine, label)
  local uid, where = tostring(label):match("^(%d+)@(.*)$")
  if uid ~= tostring(core.system.euid()) then return false end
  return engine.endpoint.unix_socket ~= nil or where == machine.name() or where == core.system.hostname()
end

---The labels by which a container of ours is found again.
---@param name string the plugin's
---@param directory string path of its socket directory
---@return table<string, string>
function ownership.labels(name, directory)
  return { [LABEL.plugin] = name, [LABEL.owner] = ownership.owner(), [LABEL.directory] = directory }
end

---@param container table as the engine lists it
---@return string? name
function ownership.name_of(container)
  return type(container.name) == "string" and container.name or nil
end

---What our own records know of a container: anybody's image can bring labels like ours.
---@param engine gantry.EngineClient
---@param container table as the engine lists it
---@param environment table<string, string>?
---@return boolean ours
---@return gantry.LaunchRecord? launch nil where it was lost
local function on_record(engine, container, environment)
  local labels = type(container.labels) == "table" and container.labels or {}
  if not is_owner(engine, labels[LABEL.owner]) then return false end
  local directory = labels[LABEL.directory]
  local launch = launches.of(ownership.name_of(container), directory, environment)
    or launches.by_id(container.id, environment) -- renamed by hand
  -- The engine may have been reached by another address then.
  if launch then return launch.plugin == labels[LABEL.plugin] and launch.directory == directory, launch end
  local kept = reattach_data.of(container.id, environment)
  return kept ~= nil and kept.engine == engine.endpoint.name and kept.name == labels[LABEL.plugin]
    and type(directory) == "string"
end

---Containers that gantries of this user made on this machine, running or not.
---@param engine gantry.EngineClient
---@param options { labels: table<string, string>?, environment: table<string, string>? }? labels: more that they have
---@return table[]? containers as the engine lists them, gantry.Error? err
---@return table<string, gantry.LaunchRecord>? records by the container's id, as far as there are
function ownership.containers(engine, options)
  options = options or {}
  local labels = { [LABEL.plugin] = true }
  for key, value in pairs(options.labels or {}) do labels[key] = value end
  local listed, err = engine:list(labels)
  if not listed then return nil, err end
  local ours, records = {}, {}
  for _, container in ipairs(listed) do
    local is_ours, launch = on_record(engine, container, options.environment)
    if is_ours then
      ours[#ours + 1], records[container.id] = container, launch
    end
  end
  return ours, nil, records
end

---Forgets a container that is gone.
---@param container table as the engine listed it
---@param environment table<string, string>?
function ownership.forget(container, environment)
  reattach_data.forget(container.id, environment)
  local labels = type(container.labels) == "table" and container.labels or {}
  local name, directory = ownership.name_of(container), labels[LABEL.directory]
  local launch = launches.of(name, directory, environment) or launches.by_id(container.id, environment)
  launches.forget(launch and launch.container or name, directory, environment)
end

---The path of a socket directory in its two parts.
---@param path string?
---@return string? root nil where the path is none of a socket directory, string? name
function ownership.split(path)
  return (path or ""):match("^(.*)/([^/]+)$")
end

---Takes the lock of a socket directory whose owner is dead. The directory is left as it is.
---@param path string?
---@return table? directory the caller's to close or remove; only where the owner is dead
---@return gantry.OwnerState state
function ownership.lock(path)
  local root, name = ownership.split(path)
  if not root then return nil, "unknown" end
  local directory, err = core.socket_dir.adopt(root, name)
  if directory then return directory, "dead" end
  if err.code == "SOCKET_DIR_BUSY" then return nil, "alive" end
  return nil, core.system.stat(path) and "unknown" or "no_directory"
end

---What is known of the owner at this moment. Nothing stays locked.
---@param path string?
---@return gantry.OwnerState
function ownership.state(path)
  local directory, state = ownership.lock(path)
  if directory then directory:close() end
  return state
end

return ownership
