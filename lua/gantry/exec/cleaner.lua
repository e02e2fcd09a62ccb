-- SPDX-License-Identifier: Apache-2.0
--
--- exec/cleaner.lua: what a guardian has done when the process that the host held has ended: the container and the
--- socket directory of that launch are taken away, then those of launches all of whose guardians were killed.

local core = require "gantry.core"
local engines = require "gantry.engine"
local launches = require "gantry.place.launches"
local leftovers = require "gantry.plugin.leftovers"
local removal = require "gantry.plugin.removal"
local retry = require "gantry.task.retry"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

local cleaner = {}

-- Seconds: for an engine that is away; for a container that a launcher, killed meanwhile, may have asked for; for a
-- process that holds the socket directory and is about to end.
local ENGINE_TIMEOUT <const>, MAKING_TIMEOUT <const>, DIRECTORY_TIMEOUT <const> = 300, 30, 2

---What to call the container: by hand its name may have been changed, or have become another's.
---@param name string that it was asked for by
---@param directory string
---@return string id or name
local function current(name, directory)
  local record = launches.of(name, directory)
  return record and record.id or name
end

---It may not be there yet, where the engine was just asked for it.
---@param engine gantry.EngineClient
---@param name string
---@param directory string
---@param appears_by number? by when it is there, if it ever is; by the loop's clock
---@return boolean? gone
local function remove_container(engine, name, directory, appears_by)
  local removed = appears_by and retry.until_result(appears_by - core.loop.clock(), function()
    return engine:remove(current(name, directory)) or nil
  end)
  return removed or removal.remove(engine, current(name, directory))
end

---Ends the process and keeps its container, as the policy's `debug` asks.
local function stop_container(engine, name, directory)
  local sent, err = engine:kill(current(name, directory), "KILL")
  return sent ~= nil or nil, err
end

---Does something on an engine that may be away, or go away meanwhile.
---@param url string
---@param fn fun(engine: gantry.EngineClient): boolean?
---@return gantry.EngineClient? engine, boolean? done
local function reach(url, fn)
  local engine
  local done = retry.until_result(ENGINE_TIMEOUT, function()
    engine = engines.connect { url = url }
    return engine and fn(engine) or nil
  end)
  return engine, done
end

---@param what "made"|"making"|"left"|"killed"|"keep" whether the container is surely there; whether its host left it
--- running, or it was to outlive that but for a killed process; whether it is to stay
---@param engine_url string
---@param name string the container's
---@param root string where the socket directory is; empty where there is none of ours
---@param directory string its name
---@return boolean clean
local function clean(what, engine_url, name, root, directory)
  local path = root .. "/" .. directory
  local appears_by = what == "making" and core.loop.clock() + MAKING_TIMEOUT or nil
  local engine, gone = reach(engine_url, function(client)
    if what == "keep" then return stop_container(client, name, path) end
    return remove_container(client, name, path, appears_by)
  end)
  if gone and what ~= "keep" then
    local record = (what == "left" or what == "killed") and launches.of(name, path)
    if record then launches.leave(record, what) end
    launches.forget(name, path)
  elseif gone then
    launches.drop_credentials(name, path)
  end
  -- A container that is left is found by its directory, by whoever sweeps next.
  if root ~= "" and (gone or what == "keep") then
    retry.until_result(DIRECTORY_TIMEOUT, function() return socket_directory.take_away(path) end)
  end
  if gone then leftovers.sweep(engine) end
  return gone and true or false
end

---@param ... string as the guardian gives them
---@return integer exit_code
function cleaner.main(...)
  return task.run(clean, ...) and 0 or 1
end

return cleaner
