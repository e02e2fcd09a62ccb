-- SPDX-License-Identifier: Apache-2.0
--
--- place/launches.lua: what this user's gantries have asked engines to create: one file a container in the state
--- directory, written before the engine is asked, taken away with the container. Labels, names and ids that an engine
--- lists help to find containers; only what stands here, or among the memories of plugins, is ever removed.

local core = require "gantry.core"
local json = require "gantry.json"
local later = require "gantry.base.later"
local machine = require "gantry.base.machine"
local memory_dir = later "gantry.place.memory_dir"
local parsed = require "gantry.base.parsed"
local state_dir = require "gantry.place.state_dir"

local launches = {}

local PRIVATE_FILE <const> = tonumber("600", 8)
local NAME <const> = "^[%w_-][%w._-]*$"

---@class gantry.LaunchRecord
---@field container string the name that it was asked for by, which no other launch has
---@field plugin string
---@field engine string its address
---@field directory string the plugin's socket directory
---@field credentials string? the folder of its credentials
---@field boot string? of the machine, when it was launched
---@field id string? the engine's, once it has answered
---@field keep boolean? it is to stay for inspection
---@field pid integer? of the process that launched it
---@field waits "waiting"|"standing"|nil it was made ahead and serves nobody yet: see gantry.plugin.ahead
---@field fits string? the config that it was made for, by a short name
---@field by_input boolean? it waits at its standard input: see gantry.plugin.gate_input
---@field supervisor string? the state directory of the `gantry up` that launched it

---@return string
local function folder(environment)
  return state_dir.path(environment) .. "/launches"
end

---@return string
local function path_of(container, environment)
  return folder(environment) .. "/" .. container .. ".json"
end

---Where a record stands while the state directory takes none, as on a full disk: beside the socket directory, until
---the machine's next start.
---@param directory any of the plugin
---@return string? path
local function path_beside(container, directory)
  local root = type(directory) == "string" and directory:match "^(/.*)/[^/]+$"
  return root and ("%s/.%s.launch"):format(root, container) or nil
end

-- What begins the names of a plugin's containers, and of some others'.
local PREFIX <const> = "gantry-%s-"
local NAME_BYTES <const> = 4 -- random ones

---A name for a container that no other launch has.
---@param plugin string
---@param unique string? what makes it one
---@return string
function launches.container_name(plugin, unique)
  return PREFIX:format(plugin) .. (unique or core.system.random(NAME_BYTES))
end

---@param record gantry.LaunchRecord
---@param environment table<string, string>?
---@return boolean? ok, gantry.Error? err
function launches.keep(record, environment)
  local text, err = json.encode(record)
  if not text then return nil, err end
  local ok, unwritten = state_dir.write(path_of(record.container, environment), text .. "\n")
  if ok then return true end
  local beside = path_beside(record.container, record.directory)
  if beside and core.files.replace(beside, text .. "\n", PRIVATE_FILE) then return true end
  return nil, unwritten
end

---@param container any its name
---@return boolean
local function is_name(container)
  return type(container) == "string" and container:find(NAME) ~= nil
end

local parse = parsed.once(function(text)
  local record = json.decode(text)
  local valid = type(record) == "table" and type(record.container) == "string" and type(record.plugin) == "string"
    and type(record.engine) == "string" and type(record.directory) == "string"
    and (record.id == nil or type(record.id) == "string") and (record.boot == nil or type(record.boot) == "string")
    and (record.supervisor == nil or type(record.supervisor) == "string")
    and (record.fits == nil or type(record.fits) == "string")
    and (record.pid == nil or math.type(record.pid) == "integer")
  return valid and record or nil
end)

---@param container string
---@param directory any where its labels say that its plugin has its socket
---@param environment table<string, string>?
---@return string? text of its record
local function read(container, directory, environment)
  local beside = path_beside(container, directory)
  return state_dir.read(path_of(container, environment)) or beside and state_dir.read(beside) or nil
end

---@param container any its name
---@param directory any where its labels say that its plugin has its socket
---@param environment table<string, string>?
---@return gantry.LaunchRecord? record not to be changed
function launches.of(container, directory, environment)
  local text = is_name(container) and read(container, directory, environment)
  local record = text and parse(text)
  return record and record.container == container and record or nil
end

---Takes away the credentials of a launch whose process has ended, or is about to.
---@param container any its name
---@param directory any as in launches.of
---@param environment table<string, string>?
function launches.drop_credentials(container, directory, environment)
  local record = launches.of(container, directory, environment)
  if record and type(record.credentials) == "string" then memory_dir.remove(record.credentials) end
end

---@param container any its name
---@param directory any as in launches.of
---@param environment table<string, string>?
function launches.forget(container, directory, environment)
  if not is_name(container) then return end
  launches.drop_credentials(container, directory, environment)
  state_dir.remove(path_of(container, environment))
  local beside = path_beside(container, directory)
  if beside and state_dir.read(beside) then state_dir.remove(beside) end
end

---Takes away the credentials of all earlier launches of a plugin, whose lock the caller holds: its containers are gone,
---and whoever removed them may have known nothing of these.
---@param directory string of the plugin
---@param environment table<string, string>?
function launches.drop_earlier_credentials(directory, environment)
  for _, record in ipairs(launches.all(environment)) do
    if record.directory == directory then launches.drop_credentials(record.container, directory, environment) end
  end
end

---@param plugin string
---@return string
local function left_path(plugin, environment)
  return ("%s/%s.left"):format(folder(environment), plugin)
end

---Writes down how a plugin went that nobody had closed.
---@param record gantry.LaunchRecord
---@param how "left"|"killed" its host left it running; or its own process was killed
---@param environment table<string, string>?
function launches.leave(record, how, environment)
  if not is_name(record.plugin) then return end
  local text = json.line { container = record.container, how = how, at = os.time() }
  state_dir.write(left_path(record.plugin, environment), text)
end

---What was written down of the plugin's last host, once.
---@param plugin string
---@param environment table<string, string>?
---@return { container: string, how: "left"|"killed", at: integer }? left
function launches.take_left(plugin, environment)
  if not is_name(plugin) then return nil end
  local path = left_path(plugin, environment)
  local text = state_dir.read(path)
  local left = text and os.remove(path) and json.decode(text)
  local valid = type(left) == "table" and type(left.container) == "string" and math.type(left.at) == "integer"
    and (left.how == "left" or left.how == "killed")
  return valid and left or nil
end

---@param environment table<string, string>?
---@return string[] containers by name
local function names_on_record(environment)
  local list = {}
  for _, name in ipairs(core.files.list(folder(environment)) or {}) do list[#list + 1] = name:match "^(.+)%.json$" end
  return list
end

---@param environment table<string, string>?
---@return gantry.LaunchRecord[] records
function launches.all(environment)
  local list = {}
  for _, name in ipairs(names_on_record(environment)) do list[#list + 1] = launches.of(name, nil, environment) end
  return list
end

---The records of a plugin's launches with a socket directory, wherever they stand. Those of others are not read.
---@param plugin string
---@param directory string
---@param environment table<string, string>?
---@return gantry.LaunchRecord[] records
function launches.of_directory(plugin, directory, environment)
  local list, known, prefix = {}, {}, PREFIX:format(plugin)
  local function add(container)
    if known[container] or container:sub(1, #prefix) ~= prefix then return end
    local record = launches.of(container, directory, environment)
    if record and record.directory == directory then known[container], list[#list + 1] = true, record end
  end
  for _, container in ipairs(names_on_record(environment)) do add(container) end
  local root = directory:match "^(/.*)/[^/]+$"
  for _, name in ipairs(root and core.files.list(root) or {}) do add(name:match "^%.(.+)%.launch$" or "") end
  return list
end

---@param environment table<string, string>?
---@return table<string, gantry.LaunchRecord> records by their socket directories
function launches.by_directory(environment)
  local records = {}
  for _, record in ipairs(launches.all(environment)) do records[record.directory] = record end
  return records
end

---The record of a container whose name is another by now.
---@param id any the engine's
---@param environment table<string, string>?
---@return gantry.LaunchRecord? record
function launches.by_id(id, environment)
  if type(id) ~= "string" then return nil end
  for _, record in ipairs(launches.all(environment)) do
    if record.id == id then return record end
  end
end

---Launches before the machine's last start: nobody who made one lives. Without those kept for inspection, and without
---those of a gantry that did not write down its boot.
---@param environment table<string, string>?
---@return gantry.LaunchRecord[] records
function launches.of_other_boots(environment)
  local boot, list = machine.boot(), {}
  if boot == "" then return list end
  local of_this_boot = ('"boot":"%s"'):format(boot)
  for _, name in ipairs(names_on_record(environment)) do
    -- Most are of this one, and each launch for a host asks: those are not parsed.
    local text = read(name, nil, environment)
    local record = text and not text:find(of_this_boot, 1, true) and launches.of(name, nil, environment)
    if record and record.boot and record.boot ~= boot and not record.keep then list[#list + 1] = record end
  end
  return list
end

return launches
