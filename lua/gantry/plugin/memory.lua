-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/memory.lua: what only the launch of a plugin could learn (its handshake, the key and certificates of
--- AutoMTLS), kept in the state directory for whoever attaches later: one file a container, readable by the user alone.
--- It goes with the plugin.

local base64 = require "gantry.protobuf.base64"
local core = require "gantry.core"
local json = require "gantry.json"
local state_dir = require "gantry.state_dir"

local memory = {}

local VERSION <const> = 1
local PRIVATE_FOLDER <const>, PRIVATE_FILE <const> = tonumber("700", 8), tonumber("600", 8)

---@class gantry.Memory
---@field name string the plugin's
---@field container string the engine's id
---@field engine string the engine's address
---@field socket string its path, the same on both sides
---@field address string the stable one
---@field protocol string
---@field protocol_version integer
---@field certificate { certificate: string, key: string }? ours, of AutoMTLS
---@field peer string? the plugin's certificate, DER

---@return string
local function folder(environment)
  return state_dir.path(environment) .. "/reattach"
end

---@param id string
---@return string
local function path_of(id, environment)
  return folder(environment) .. "/" .. id .. ".json"
end

---@param plugin gantry.Plugin
---@return table
local function record_of(plugin)
  local shake = plugin.handshake
  return {
    version = VERSION, name = plugin.name, container = plugin.container, engine = plugin.engine.endpoint.name,
    socket = shake.address, address = plugin.address.string, protocol = shake.protocol,
    protocol_version = shake.protocol_version, certificate = plugin.certificate,
    peer = plugin.certificate and base64.encode(shake.certificate) or nil,
  }
end

---The last step of a launch. A state directory that cannot be written stops no launch.
---@param plugin gantry.Plugin ready
---@return boolean ok
function memory.keep(plugin)
  local environment = plugin.options.environment
  local path, text = path_of(plugin.container, environment), assert(json.encode(record_of(plugin))) .. "\n"
  local ok, err = core.files.replace(path, text, PRIVATE_FILE)
  if not ok then
    ok, err = core.files.make_directory(folder(environment), PRIVATE_FOLDER)
    if ok then ok, err = core.files.replace(path, text, PRIVATE_FILE) end
  end
  if not ok and plugin.certificate then
    plugin:event("warning", { text = ("nobody can attach to this plugin later, for its key cannot be kept: %s; set "
      .. "GANTRY_STATE_DIR to a folder of yours"):format(err.message) })
  end
  return true
end

---@param id string
---@param environment table<string, string>?
---@return gantry.Memory? memory nil where there is none, or none that can be read
function memory.of(id, environment)
  local file = io.open(path_of(id, environment), "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  local record = json.decode(text or "")
  if type(record) ~= "table" or record.version ~= VERSION or record.container ~= id then return nil end
  record.peer = record.peer and base64.decode(record.peer)
  return record
end

---The containers that something is kept of.
---@param environment table<string, string>?
---@return string[] ids
function memory.all(environment)
  local ids = {}
  for _, name in ipairs(core.files.list(folder(environment)) or {}) do ids[#ids + 1] = name:match("^(%x+)%.json$") end
  table.sort(ids)
  return ids
end

---@param id string
---@param environment table<string, string>?
function memory.forget(id, environment)
  os.remove(path_of(id, environment))
end

return memory
