-- SPDX-License-Identifier: Apache-2.0
--
--- place/reattach_data.lua: what only the launch of a plugin could learn (its handshake, the key and certificates of
--- AutoMTLS), kept in the state directory for whoever attaches later: one file a container, readable by the user alone.
--- It goes with the plugin.

local core = require "gantry.core"
local json = require "gantry.json"
local state_dir = require "gantry.place.state_dir"

local base64 = core.base64

local reattach_data = {}

local VERSION <const> = 1

---@class gantry.ReattachData
---@field name string the plugin's
---@field container string the engine's id
---@field engine string the engine's address
---@field network string "unix" or "tcp"
---@field socket string its path, the same on both sides; or host:port
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

---An engine says the id, and it becomes a file's name.
---@param id any
---@return boolean
local function is_id(id)
  return type(id) == "string" and #id == 64 and not id:find "%X"
end

---@param plugin gantry.Plugin
---@return table
local function record_of(plugin)
  local shake = plugin.handshake
  return {
    version = VERSION, name = plugin.name, container = plugin.container, engine = plugin.engine.endpoint.name,
    network = shake.network, socket = shake.address, address = plugin.address.string, protocol = shake.protocol,
    protocol_version = shake.protocol_version, certificate = plugin.certificate,
    peer = plugin.certificate and base64.encode(shake.certificate) or nil,
  }
end

---The last step of a launch. A state directory that cannot be written stops no launch.
---@param plugin gantry.Plugin ready
---@return boolean ok
function reattach_data.keep(plugin)
  if not is_id(plugin.container) then return true end
  local environment = plugin.options.environment
  local path, text = path_of(plugin.container, environment), assert(json.encode(record_of(plugin))) .. "\n"
  local ok, err = state_dir.write(path, text)
  if not ok and plugin.certificate then
    plugin:event("warning", { text = ("nobody can attach to this plugin later, for its key cannot be kept: %s; set "
      .. "GANTRY_STATE_DIR to a folder of yours"):format(err.message) })
  end
  return true
end

---@param id string
---@param environment table<string, string>?
---@return gantry.ReattachData? data nil where there is none, or none that can be read
function reattach_data.of(id, environment)
  local text = is_id(id) and state_dir.read(path_of(id, environment))
  local record = text and json.decode(text)
  if type(record) ~= "table" or record.version ~= VERSION or record.container ~= id then return nil end
  record.network = record.network or "unix"
  record.peer = record.peer and base64.decode(record.peer)
  return record
end

---The containers that something is kept of.
---@param environment table<string, string>?
---@return string[] ids
function reattach_data.all(environment)
  local ids = {}
  for _, name in ipairs(core.files.list(folder(environment)) or {}) do ids[#ids + 1] = name:match("^(%x+)%.json$") end
  table.sort(ids)
  return ids
end

---@param id string
---@param environment table<string, string>?
function reattach_data.forget(id, environment)
  if not is_id(id) then return end
  state_dir.remove(path_of(id, environment))
end

return reattach_data
