-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/garbage.lua: what killed gantries left behind on the whole machine, for `gc` and `doctor`: containers, socket
--- directories, data of reattachments, and images of binaries that no policy names any more. A plugin that `gantry up`
--- will take over again is none, nor is a container that is kept for inspection, unless somebody says so.

local LABEL = require("gantry.engine.container").LABEL
local binaries = require "gantry.place.binaries"
local binary_image = require "gantry.engine.binary_image"
local claims = require "gantry.plugin.claims"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local launches = require "gantry.place.launches"
local leftovers = require "gantry.plugin.leftovers"
local reattach_data = require "gantry.place.reattach_data"
local ownership = require "gantry.place.ownership"
local socket_directory = require "gantry.place.socket_directory"

local garbage = {}

---@class gantry.Garbage
---@field kind "container"|"directory"|"memory"|"launch"|"image"|"unnamed"
---@field name string the plugin's
---@field container string? the engine's id
---@field container_name string?
---@field state string? the container's
---@field path string? the directory's
---@field keep boolean? it is to stay for inspection: only its process is ended
---@field image gantry.BinaryImage? an image's record
---@field unnamed gantry.UnnamedImage?

-- Where the owner cannot be known nothing is taken away: whoever asked for it can look.
local UNOWNED = { dead = true, no_directory = true }

---Records of launches whose container is gone, and whose gantry too.
---@param list gantry.Garbage[]
---@param listed table<string, boolean> names of containers
local function find_launches(list, engine, listed, environment)
  for _, launch in ipairs(launches.all(environment)) do
    local gone = launch.engine == engine.endpoint.name and not listed[launch.container]
    if gone and UNOWNED[ownership.state(launch.directory)] then
      list[#list + 1] = { kind = "launch", name = launch.plugin, container_name = launch.container }
    end
  end
end

---@param container table as the engine lists it
---@param launch gantry.LaunchRecord?
---@param options table of garbage.find
---@return boolean
local function is_garbage(container, launch, options)
  if claims.is_supervised(container, launch, options.environment) then return false end
  -- By now its directory may be that of another launch.
  if claims.is_kept(container, launch) then return options.kept == true end
  return UNOWNED[ownership.state(container.labels[LABEL.directory])] == true
end

---@param list gantry.Garbage[]
---@return table<string, boolean>? directories of all containers of this user's, gantry.Error?
local function find_containers(list, engine, options)
  local containers, err, records = ownership.containers(engine, { environment = options.environment })
  if not containers then return nil, err end
  local directories, listed = {}, {}
  for _, container in ipairs(containers) do
    local launch = records[container.id]
    listed[launch and launch.container or ownership.name_of(container) or ""] = true
    local path = container.labels[LABEL.directory] or ""
    local here = options.all or ownership.split(path) == options.runtime_dir
    directories[path] = true
    if here and is_garbage(container, launch, options) then
      local keep = launch and launch.keep and not options.kept or nil
      list[#list + 1] = { kind = "container", name = container.labels[LABEL.plugin] or "?", container = container.id,
        state = container.status or "?", path = not claims.is_kept(container, launch) and path or nil,
        container_name = ownership.name_of(container), keep = keep }
    end
  end
  find_launches(list, engine, listed, options.environment)
  return directories
end

---@param list gantry.Garbage[]
---@param root string
---@param used table<string, boolean> directories of containers
local function find_directories(list, root, used)
  for _, name in ipairs(core.files.list(root) or {}) do
    local path = root .. "/" .. name
    local status = core.system.stat(path)
    local candidate = status and status.type == "directory" and not name:find("^%.") and not used[path]
    if candidate and UNOWNED[ownership.state(path)] then
      list[#list + 1] = { kind = "directory", name = name, path = path }
    end
  end
end

---@param list gantry.Garbage[]
---@return boolean? ok, gantry.Error?
local function find_memories(list, engine, environment)
  for _, id in ipairs(reattach_data.all(environment)) do
    local kept = reattach_data.of(id, environment)
    if kept and kept.engine == engine.endpoint.name then
      local container, err = engine:inspect(id)
      if not container and err.code ~= "NOT_FOUND" then return nil, err end
      if not container then list[#list + 1] = { kind = "memory", name = kept.name, container = id } end
    end
  end
  return true
end

---Whether an image is the one that was made, and no container is of it.
---@param engine gantry.EngineClient
---@param made gantry.BinaryImage
---@return boolean? unused nil where the engine did not say, gantry.Error? err
local function is_unused(engine, made)
  local image, err = engine:image(binary_image.reference(made.sha256))
  if not image and err.code ~= "IMAGE_NOT_FOUND" then return nil, err end
  if not image or not binary_image.holds(image, made) then return false end
  local containers, unlisted = engine:list({}, image.id)
  if not containers then return nil, unlisted end
  return #containers == 0
end

---Images of binaries that are no policy's any more. The next launch that wants one makes it again.
---@param list gantry.Garbage[]
---@return boolean? ok, gantry.Error?
local function find_images(list, engine, environment)
  local made = binaries.images(engine.endpoint.name, environment)
  local used = #made > 0 and binaries.in_use(environment)
  for _, one in ipairs(made) do
    local unused, err = false, nil
    if not used[one.sha256] then unused, err = is_unused(engine, one) end
    if unused == nil then return nil, err end
    if unused then list[#list + 1] = { kind = "image", name = binary_image.reference(one.sha256), image = one } end
  end
  return true
end

---@param list gantry.Garbage[]
local function find_unnamed(list, engine)
  for _, one in ipairs(engine:unnamed_images()) do
    list[#list + 1] = { kind = "unnamed", name = one.id or one.path --[[@as string]], unnamed = one }
  end
end

---@param engine gantry.EngineClient
---@param options { runtime_dir: string, all: boolean?, kept: boolean?, environment: table<string, string>? } all:
---containers of other runtime directories too; kept: those that are kept for inspection too
---@return gantry.Garbage[]? list, gantry.Error? err
function garbage.find(engine, options)
  local list = {}
  local used, err = find_containers(list, engine, options)
  if not used then return nil, err end
  find_directories(list, options.runtime_dir, used)
  local ok, failure = find_memories(list, engine, options.environment)
  if ok then ok, failure = find_images(list, engine, options.environment) end
  if not ok then return nil, failure end
  find_unnamed(list, engine)
  return list
end

---@param item gantry.Garbage
---@return string
function garbage.describe(item)
  if item.kind == "container" then
    return ("container %s of plugin '%s' (%s)"):format(item.container:sub(1, 12), item.name, item.state)
  elseif item.kind == "directory" then
    return ("socket directory %s"):format(item.path)
  elseif item.kind == "image" then
    return ("image %s of a binary that no policy names"):format(item.name)
  elseif item.kind == "unnamed" then
    return item.unnamed.path and ("what was left of an image, %s"):format(item.name)
      or ("image %s, which has no name"):format(item.name:sub(1, 19))
  elseif item.kind == "launch" then
    return ("record of container %s of plugin '%s', which is gone"):format(item.container_name, item.name)
  end
  return ("memory of plugin '%s' (container %s)"):format(item.name, item.container:sub(1, 12))
end

---@param engine gantry.EngineClient
---@param made gantry.BinaryImage
---@param environment table<string, string>?
---@return boolean? removed, gantry.Error? err
local function remove_image(engine, made, environment)
  local removed, err = engine:remove_image(binary_image.reference(made.sha256))
  if removed == nil then return nil, err end
  binaries.forget_image(made, environment)
  return true
end

---Removes one, unless it has an owner by now.
---@param engine gantry.EngineClient
---@param item gantry.Garbage
---@param environment table<string, string>?
---@return boolean? removed, gantry.Error? err
function garbage.remove(engine, item, environment)
  if item.kind == "unnamed" then return engine:discard_image(item.unnamed) end
  if item.kind == "image" then return remove_image(engine, item.image, environment) end
  local directory, state
  if item.path then
    directory, state = ownership.lock(item.path)
    if not UNOWNED[state] then
      return nil, errors.new("IN_USE", ("remove %s: a living gantry holds it by now"):format(garbage.describe(item)))
    end
  end
  if item.kind == "container" then
    local launch = item.keep and launches.of(item.container_name, item.path, environment)
    local gone, err = leftovers.take_away(engine, { id = item.container }, launch or nil, environment)
    if not gone then
      if directory then directory:close() end
      return nil, err
    end
  end
  if item.container then reattach_data.forget(item.container, environment) end
  if not item.keep then launches.forget(item.container_name, item.path, environment) end
  if directory then return socket_directory.remove(directory) end
  return true
end

return garbage
