-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/find_binary.lua: the first step of a launch from a plugin's binary: the engine has an image that holds this
--- file and nothing else, or gets it. What was hashed is what is loaded, and what is loaded is what runs.

local binaries = require "gantry.place.binaries"
local binary = require "gantry.plugin.binary"
local binary_image = require "gantry.engine.binary_image"
local core = require "gantry.core"
local errors = require "gantry.base.errors"

local find_binary = {}

---@param plugin gantry.Plugin
---@return gantry.Binary? found, gantry.Error? err
local function open(plugin)
  local found, err = binary.open(plugin.config, { policy = plugin.options.policy,
    environment = plugin.options.environment })
  if not found then return nil, err end
  plugin.reference, plugin.libraries, plugin.binary_sha256 = binary_image.reference(found.sha256), found.mounts,
    found.sha256
  return found
end

---The engine's image of it.
---@param plugin gantry.Plugin
---@param found gantry.Binary
---@return table|false|nil image false where the engine has none, gantry.Error? err
local function look_up(plugin, found)
  local image, err = plugin.engine:image(plugin.reference)
  if image then return binary_image.holds(image, found) and image end
  if err.code == "IMAGE_NOT_FOUND" then return false end
  return nil, err
end

---@param plugin gantry.Plugin
---@param found gantry.Binary
---@param id string
local function take(plugin, found, id)
  plugin.image = { id = id, digests = {}, size = found.size, entrypoint = { binary_image.PROGRAM } }
end

---@param plugin gantry.Plugin
---@param found gantry.Binary
---@return boolean? ok, gantry.Error? err
local function load(plugin, found)
  -- Before the engine has it: what is not written down is never taken away.
  binaries.keep_image({ engine = plugin.engine.endpoint.name, sha256 = found.sha256, layer = found.layer },
    plugin.options.environment)
  local ok, failure = plugin.engine:load_binary(found)
  if ok or failure.code ~= "FILE_CHANGED" then return ok, failure end
  return nil, errors.new("BINARY_CHANGED", ("binary %s was changed while it was loaded; launch it again"):format(
    found.path), { cause = failure })
end

---For an engine that is not there: the file may be as absent.
---@param plugin gantry.Plugin
---@return boolean ok
local function believe(plugin)
  local pin = plugin.config.sha256
  plugin.reference = binary_image.reference(pin or "latest")
  plugin.image = { id = pin and "sha256:" .. pin or plugin.reference, digests = {},
    entrypoint = { binary_image.PROGRAM } }
  return true
end

---Looks the binary up and holds it against the pin; nothing is loaded.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function find_binary.look_up(plugin)
  if plugin.engine.believes then return believe(plugin) end
  local found <close>, err = open(plugin)
  if not found then return nil, err end
  local image, failure = look_up(plugin, found)
  if image == nil then return nil, failure end
  take(plugin, found, image and image.id or binary_image.id(found))
  return true
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function find_binary.run(plugin)
  local began = core.loop.clock()
  local found <close>, err = open(plugin)
  if not found then return nil, err end
  local image, failure = look_up(plugin, found)
  if image == nil then return nil, failure end
  local loaded = not image
  if loaded then
    plugin:event("loading", { path = found.path })
    local ok, unloaded = load(plugin, found)
    if not ok then return nil, unloaded end
    image, failure = look_up(plugin, found)
    if image == nil then return nil, failure end
  end
  if not image then
    return nil, errors.new("BINARY_NOT_LOADED", ("load binary %s: the engine says that it has it, but image %s is not "
      .. "this one; look at the engine's log"):format(found.path, plugin.reference))
  end
  take(plugin, found, image.id)
  local path, sha256, seconds = found.path, found.sha256, loaded and core.loop.clock() - began or nil
  plugin:event("binary", { path = path, sha256 = sha256, id = image.id, size = found.size, seconds = seconds })
  return true
end

return find_binary
