-- SPDX-License-Identifier: Apache-2.0
--
--- policy/settings.lua: what people would otherwise type each time: from the environment, else from the user's file,
--- else from this machine's. A file is Lua that returns a table, and is read as a policy is, once and when it is first
--- needed.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local home = require "gantry.config.home"
local nearest = require "gantry.base.nearest"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

local settings = {}

local OF_MACHINE <const> = "/etc/gantry/gantry.lua"
-- ENOENT, ENOTDIR; and EACCES: what lies in a folder that is closed to this user is not for them.
local NOT_THERE <const> = { [2] = true, [20] = true, [13] = true }

local path = types.string { one_line = true, text = "a path", check = function(text)
  if text:sub(1, 1) == "/" or home.wanted(text) then return text end
  return nil, ("must be a whole path, or begin with ~/, got %s"):format(words.show(text))
end }
local text = types.string { one_line = true }

---@class gantry.SettingField
---@field name string
---@field variable string of the environment
---@field type gantry.Type
---@field doc string

---@type gantry.SettingField[]
settings.fields = {
  { name = "engine", type = text, doc = "The engine's address, as of `--engine`." },
  { name = "site", type = path, doc = "The site policy." },
  { name = "runtime_dir", type = path, doc = "The folder of the plugins' sockets and of the control socket." },
  { name = "gates", type = path, doc = "The folder of gates, as a policy's `gate` names it." },
  { name = "state_dir", type = path, doc = "The folder of what must outlive a gantry that is killed." },
  { name = "image_dir", type = path, doc = "The folder of the images that no daemon keeps." },
  { name = "image_size", type = types.size { min = 1 },
    doc = "How much one image may bring where no daemon unpacks it: `64GiB`." },
  { name = "image_entries", type = types.integer { min = 1 },
    doc = "How many files and folders it may have: 1000000." },
  { name = "control", type = path, doc = "The control socket of `gantry up`." },
  { name = "control_group", type = text, doc = "A group whose members may control `gantry up`." },
  { name = "log_format", type = types.enumeration { "text", "json" },
    doc = "How `gantry up` writes events and output: text or json." },
  { name = "log_dir", type = path, doc = "Where `gantry up` writes the plugins' output to files, too." },
  { name = "timestamps", type = types.boolean(),
    doc = "Whether lines of `gantry up` and `gantry logs` begin with their time; where unset, on a terminal." },
}

local BY_NAME, NAMES = {}, {}
for i, field in ipairs(settings.fields) do
  field.variable = "GANTRY_" .. field.name:upper()
  BY_NAME[field.name], NAMES[i] = field, field.name
end

---@param message string
---@param fields table?
---@return gantry.Error
local function invalid(message, fields)
  return errors.new("SETTINGS_INVALID", "gantry's settings cannot be used: " .. message, fields)
end

---Where settings may be, the user's first. A file of another user's is not theirs, as under `sudo -E`.
---@param environment table<string, string>? the process's own where nil
---@return { path: string, foreign: boolean? }[]
function settings.files(environment)
  environment = environment or core.system.environment()
  local folder = environment.XDG_CONFIG_HOME or ""
  if folder:sub(1, 1) ~= "/" then
    folder = (environment.HOME or ""):sub(1, 1) == "/" and environment.HOME .. "/.config" or nil
  end
  if not folder then return { { path = OF_MACHINE } } end
  local own = folder .. "/gantry/gantry.lua"
  local status = core.system.stat(own)
  local foreign = status and status.uid ~= core.system.euid() and status.uid ~= 0
  return { { path = own, foreign = foreign or nil }, { path = OF_MACHINE } }
end

---@param loader gantry.PolicyLoader
---@param values any what the file returned
---@return table? checked, gantry.Error? err
local function check(loader, values)
  local function wrong(at, message)
    local file, line = loader:locate(at)
    return nil, invalid(("%s:%d: %s"):format(file, line, message), { file = file, line = line, field = at })
  end
  if type(values) ~= "table" then return wrong("", "it must return a table, got " .. words.show(values)) end
  local checked = {}
  for name, value in next, values do
    local field = BY_NAME[name]
    if not field then
      local near = type(name) == "string" and nearest.find(name, NAMES)
      return wrong(tostring(name), ("there is no setting %s; %s"):format(words.show(name),
        near and ("did you mean '%s'?"):format(near) or "there are " .. table.concat(NAMES, ", ")))
    end
    local finding
    checked[name], finding = types.first_finding(field.type, value, name)
    if finding then return wrong(name, finding) end
  end
  return checked
end

---@type table<string, table> by path
local read_before = {}

---@param file string
---@return table? values none where there is no file, gantry.Error? err
local function read(file)
  if read_before[file] then return read_before[file] end
  local status, missing = core.system.stat(file)
  if not status and NOT_THERE[missing.os_error] then return {} end
  local loader = require("gantry.policy.loader").new(file, {})
  local content, err = loader:read(file)
  local chunk, ok, values
  if content then chunk, err = loader:compile(file, content) end
  if not chunk then return nil, invalid(err.message, { file = file, cause = err }) end
  ok, values = loader:call(chunk)
  if not ok then return nil, invalid(values.message, { file = file, line = values.line, cause = values }) end
  values, err = check(loader, values)
  read_before[file] = values
  return values, err
end

---@param field gantry.SettingField
---@param environment table<string, string>
---@return any value, gantry.Error? err
local function of_environment(field, environment)
  local written = environment[field.variable] or ""
  if written == "" then return nil end
  if field.type.kind == "boolean" then
    if written == "true" or written == "1" then return true end
    if written == "false" or written == "0" then return false end
  elseif field.type.kind == "integer" then
    written = tonumber(written) or written
  elseif field.type.kind ~= "enumeration" and field.type.kind ~= "size" then
    return written
  end
  local value, finding = types.first_finding(field.type, written, field.variable)
  return value, finding and invalid(finding) or nil
end

---What the files say of a setting. All are read: one that is broken is told of, whatever is asked for.
---@param field gantry.SettingField
---@param environment table<string, string>
---@return any value, string? file, gantry.Error? err
local function of_files(field, environment)
  local found, source
  for _, file in ipairs(settings.files(environment)) do
    local values, err = {}, nil
    if not file.foreign then values, err = read(file.path) end
    if not values then return nil, nil, err end
    if found == nil and values[field.name] ~= nil then found, source = values[field.name], file.path end
  end
  if type(found) ~= "string" or field.type ~= path then return found, source end
  local whole, err = home.expand(found, environment)
  return whole, source, err and invalid(("%s: %s: %s"):format(source, field.name, err.message)) or nil
end

---What holds for a setting.
---@param name string
---@param environment table<string, string>? the process's own where nil
---@return any value nil where nobody set it
---@return string? source the variable, or the file
---@return gantry.Error? err SETTINGS_INVALID
function settings.find(name, environment)
  environment = environment or core.system.environment()
  local field = BY_NAME[name]
  local value, source, err = of_files(field, environment)
  if err then return nil, nil, err end
  local written, wrong = of_environment(field, environment)
  if written ~= nil then return written, field.variable end
  return value, source, wrong
end

---As find, for those who have no way to return an error: raises it.
---@param name string
---@param environment table<string, string>?
---@return any value
function settings.get(name, environment)
  local value, _, err = settings.find(name, environment)
  if err then error(err, 0) end
  return value
end

return settings
