-- SPDX-License-Identifier: Apache-2.0
--
--- place/binaries.lua: what this user's gantries know of plugins' binaries, in the state directory: for each policy the
--- file that it launched last and what that holds, so that an unchanged file is not read again; and for each engine the
--- images that were made of such files, which alone are ever removed.

local core = require "gantry.core"
local json = require "gantry.json"
local sha256 = require "gantry.base.sha256"
local state_dir = require "gantry.place.state_dir"
local types = require "gantry.base.types"

local binaries = {}

local text, digest = types.text(), types.id()
local USE <const> = types.object { key = text, path = text, stamp = text, sha256 = digest, layer = digest }
local IMAGE <const> = types.object { engine = text, sha256 = digest, layer = digest }

---@class gantry.BinaryUse
---@field key string the policy's path; the binary's own for a program's config
---@field path string the binary
---@field stamp string of the file, when it was read
---@field sha256 string
---@field layer string SHA-256 of the layer that it is in

---@class gantry.BinaryImage
---@field engine string its address
---@field sha256 string of the binary
---@field layer string

---@param kind "binaries"|"binary_images"
local function folder(kind, environment)
  return state_dir.path(environment) .. "/" .. kind
end

---@param kind "binaries"|"binary_images"
---@param key string
local function path_of(kind, key, environment)
  return ("%s/%s.json"):format(folder(kind, environment), sha256(key))
end

---@param path string
---@param wanted gantry.Type
---@return table? record
local function read(path, wanted)
  local content = state_dir.read(path)
  local value = content and json.decode(content)
  return type(value) == "table" and types.first_finding(wanted, value, "it") or nil
end

---@param kind "binaries"|"binary_images"
---@param wanted gantry.Type
---@return table[]
local function all(kind, wanted, environment)
  local list, place = {}, folder(kind, environment)
  for _, name in ipairs(core.files.list(place) or {}) do list[#list + 1] = read(place .. "/" .. name, wanted) end
  return list
end

---@param key string
---@param environment table<string, string>?
---@return gantry.BinaryUse? use
function binaries.used(key, environment)
  local use = read(path_of("binaries", key, environment), USE)
  return use and use.key == key and use or nil
end

---A state directory that cannot be written stops no launch: the file is read again with the next one.
---@param use gantry.BinaryUse
---@param environment table<string, string>?
function binaries.use(use, environment)
  state_dir.write(path_of("binaries", use.key, environment), json.line(use))
end

---@param image gantry.BinaryImage
---@return string
local function image_key(image)
  return image.engine .. "\0" .. image.sha256
end

---Writes down what an engine is about to be given.
---@param image gantry.BinaryImage
---@param environment table<string, string>?
function binaries.keep_image(image, environment)
  state_dir.write(path_of("binary_images", image_key(image), environment), json.line(image))
end

---@param image gantry.BinaryImage
---@param environment table<string, string>?
function binaries.forget_image(image, environment)
  state_dir.remove(path_of("binary_images", image_key(image), environment))
end

---@param engine string its address
---@param environment table<string, string>?
---@return gantry.BinaryImage[]
function binaries.images(engine, environment)
  local list = {}
  for _, image in ipairs(all("binary_images", IMAGE, environment)) do
    if image.engine == engine then list[#list + 1] = image end
  end
  return list
end

---What is still there of binaries in use, by their SHA-256: the policy, and the file as it was when it was launched
---last. What is not is forgotten.
---@param environment table<string, string>?
---@return table<string, true>
function binaries.in_use(environment)
  local found = {}
  for _, use in ipairs(all("binaries", USE, environment)) do
    local file = core.system.stat(use.key) and core.files.open(use.path)
    if file and file:stamp() == use.stamp then
      found[use.sha256] = true
    else
      state_dir.remove(path_of("binaries", use.key, environment))
    end
    if file then file:close() end
  end
  return found
end

return binaries
