-- SPDX-License-Identifier: Apache-2.0
--
--- garbage.lua: what a gantry that was killed left behind and no living one owns: containers, socket directories, and
--- memories of plugins. A plugin that `gantry up` will take over again is none.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local errors = require "gantry.errors"
local json = require "gantry.json"
local memory = require "gantry.plugin.memory"
local ownership = require "gantry.ownership"
local removal = require "gantry.plugin.removal"
local state_dir = require "gantry.state_dir"

local garbage = {}

---@class gantry.Garbage
---@field kind "container"|"directory"|"memory"
---@field name string the plugin's
---@field container string? the engine's id
---@field state string? the container's
---@field path string? the directory's

-- Where the owner cannot be known nothing is taken away: whoever asked for it can look.
local UNOWNED = { dead = true, no_directory = true }

---The containers that `gantry up` keeps account of.
---@param environment table<string, string>?
---@return table<string, boolean> ids
local function supervised(environment)
  local ids, folder = {}, state_dir.path(environment) .. "/up"
  for _, name in ipairs(core.files.list(folder) or {}) do
    local file = name:find("%.json$") and io.open(folder .. "/" .. name, "rb")
    local record = file and json.decode(file:read "a" or "")
    if file then file:close() end
    local live = type(record) == "table" and type(record.live) == "table" and record.live.container
    if live then ids[live] = true end
  end
  return ids
end

---@param list gantry.Garbage[]
---@return table<string, boolean>? directories of all containers of this user's, gantry.Error?
local function find_containers(list, engine, options)
  local containers, err = ownership.containers(engine)
  if not containers then return nil, err end
  local kept, directories = supervised(options.environment), {}
  for _, container in ipairs(containers) do
    local path = container.Labels[LABEL.directory] or ""
    local here = options.all or ownership.split(path) == options.runtime_dir
    directories[path] = true
    if here and not kept[container.Id] and UNOWNED[ownership.state(path)] then
      list[#list + 1] = { kind = "container", name = container.Labels[LABEL.plugin], container = container.Id,
        state = container.State, path = path }
    end
  end
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
  for _, id in ipairs(memory.all(environment)) do
    local kept = memory.of(id, environment)
    if kept and kept.engine == engine.endpoint.name then
      local container, err = engine:inspect(id)
      if not container and err.status ~= 404 then return nil, err end
      if not container then list[#list + 1] = { kind = "memory", name = kept.name, container = id } end
    end
  end
  return true
end

---@param engine gantry.Engine
---@param options { runtime_dir: string, all: boolean?, environment: table<string, string>? } all: containers of other
---runtime directories too
---@return gantry.Garbage[]? list, gantry.Error? err
function garbage.find(engine, options)
  local list = {}
  local used, err = find_containers(list, engine, options)
  if not used then return nil, err end
  find_directories(list, options.runtime_dir, used)
  local ok, failure = find_memories(list, engine, options.environment)
  if not ok then return nil, failure end
  return list
end

---@param item gantry.Garbage
---@return string
function garbage.describe(item)
  if item.kind == "container" then
    return ("container %s of plugin '%s' (%s)"):format(item.container:sub(1, 12), item.name, item.state)
  elseif item.kind == "directory" then
    return ("socket directory %s"):format(item.path)
  end
  return ("memory of plugin '%s' (container %s)"):format(item.name, item.container:sub(1, 12))
end

---Removes one, unless it has an owner by now.
---@param engine gantry.Engine
---@param item gantry.Garbage
---@param environment table<string, string>?
---@return boolean? removed, gantry.Error? err
function garbage.remove(engine, item, environment)
  local directory, state
  if item.path then
    directory, state = ownership.lock(item.path)
    if not UNOWNED[state] then
      return nil, errors.new("IN_USE", ("remove %s: a living gantry holds it by now"):format(garbage.describe(item)))
    end
  end
  if item.kind == "container" then
    local gone, err = removal.remove(engine, item.container)
    if not gone then
      if directory then directory:close() end
      return nil, err
    end
  end
  if item.container then memory.forget(item.container, environment) end
  if directory then return directory:remove() end
  return true
end

return garbage
