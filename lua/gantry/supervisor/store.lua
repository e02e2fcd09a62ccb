-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/store.lua: the state directory: one file of JSON a plugin, replaced in one step, and a lock. What cannot
--- be read is set aside, never deleted.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local machine = require "gantry.base.machine"
local paths = require "gantry.supervisor.paths"
local record_shape = require "gantry.supervisor.record_shape"
local state_dir = require "gantry.place.state_dir"

local store = {}

local VERSION <const> = 1
local ENDING <const> = ".json"

---@class gantry.Store
---@field directory string absolute
---@field lock any
---@field boot string this boot's id: the monotonic clock begins anew with each
local Store = {}
Store.__index = Store

---@param directory string
---@param err gantry.Error
---@return gantry.Error
local function unusable(directory, err)
  if err.code ~= "LOCK_BUSY" then
    return errors.new(err.code, ("the state directory %s cannot be used: %s; give another one with --state"):format(
      directory, err.message), { cause = err })
  end
  return errors.new("SUPERVISOR_RUNNING", ("another gantry up holds the state directory %s; stop that one, or give "
    .. "this one another with --state"):format(directory), { cause = err })
end

---@param directory string
---@return gantry.Store?, gantry.Error?
function store.open(directory)
  local made, err = core.files.make_directory(directory, tonumber("700", 8))
  if not made then return nil, unusable(directory, err) end
  local lock, busy = core.files.lock(directory .. "/lock")
  if not lock then return nil, unusable(directory, busy) end
  return setmetatable({ directory = core.system.real_path(directory) or directory, lock = lock, boot = machine.boot() },
    Store)
end

---@param self gantry.Store
---@param name string
---@return string
local function path_of(self, name)
  return self.directory .. "/" .. name .. ENDING
end

---@return string[] names of the plugins that have a state
function Store:names()
  local names = {}
  for _, entry in ipairs(core.files.list(self.directory) or {}) do
    local name = entry:match("^([%w_-][%w._-]*)%.json$")
    if name then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---@param text string
---@param name string
---@return table? record, string? reason
local function read_record(text, name)
  local record, err = json.decode(text)
  if record == nil then return nil, err.message end
  if type(record) ~= "table" or record.version ~= VERSION then return nil, "it is of another program or version" end
  if record.name ~= name then return nil, "it is not this plugin's" end
  local wrong = record_shape.wrong(record)
  if wrong then return nil, ("its %s is missing or of the wrong kind"):format(wrong) end
  return record
end

---A name that nothing has yet: what was set aside before stays as well.
---@param path string
---@return string
local function name_aside(path)
  local base = ("%s.bad-%d"):format(path, os.time())
  local name, number = base, 1
  while core.system.stat(name) do
    number = number + 1
    name = ("%s-%d"):format(base, number)
  end
  return name
end

---@param name string
---@return table? record nil where there is none
---@return string? note what was set aside, and why
function Store:load(name)
  local path = path_of(self, name)
  local text, unsafe = state_dir.read(path)
  if not text and not unsafe then return nil end
  local record, reason
  if text then record, reason = read_record(text, name) else reason = unsafe end
  if record then return record end
  local aside = name_aside(path)
  local moved = os.rename(path, aside)
  return nil, ("the state file %s cannot be used (%s); %s"):format(path, reason,
    moved and "it is set aside as " .. aside or "it stays")
end

---@param name string
---@param record table
---@return boolean? ok, gantry.Error? err
function Store:save(name, record)
  record.version, record.name, record.boot, record.saved = VERSION, name, self.boot, os.time()
  local text, err = json.encode(record)
  if not text then return nil, err end
  return core.files.replace(path_of(self, name), text .. "\n", tonumber("600", 8))
end

---@param name string
function Store:remove(name)
  state_dir.remove(path_of(self, name))
end

---Writes down where the supervisor is spoken to, for those who have another runtime directory.
---@param path string of the control socket
---@return boolean? ok, gantry.Error? err
function Store:save_control(path)
  if path:sub(1, 1) ~= "/" then path = core.system.current_directory() .. "/" .. path end
  return state_dir.write(paths.control_record(self.directory), path .. "\n")
end

function Store:close()
  os.remove(paths.control_record(self.directory))
  self.lock:close()
end

return store
