-- SPDX-License-Identifier: Apache-2.0
--
--- exec/cleaner.lua: what a guardian has done when the process that the host held has ended: the container and the
--- socket directory of that launch are taken away, then those of launches all of whose guardians were killed.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local engines = require "gantry.engine"
local ownership = require "gantry.ownership"
local removal = require "gantry.plugin.removal"
local task = require "gantry.task"

local cleaner = {}

-- Seconds: for an engine that is away; for a container that a launcher, killed meanwhile, may have asked for.
local ENGINE_PATIENCE <const>, MAKING_PATIENCE <const> = 300, 30
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 0.05, 2

---Calls until there is a result, with growing pauses.
---@param seconds number
---@param fn fun(): any
---@return any result nil where there was none in time
local function patiently(seconds, fn)
  local retry, until_when = FIRST_RETRY, core.loop.clock() + seconds
  while true do
    local result = fn()
    if result or core.loop.clock() > until_when then return result end
    task.sleep(retry)
    retry = math.min(retry * 2, LONGEST_RETRY)
  end
end

---The name may not be there yet, where the engine was just asked for it.
---@param engine gantry.Engine
---@param name string
---@param making boolean
---@return boolean? gone
local function remove_container(engine, name, making)
  if not making then return removal.remove(engine, name) end
  local removed = patiently(MAKING_PATIENCE, function() return engine:remove(name) or nil end)
  return removed or removal.remove(engine, name)
end

---Ends the process and keeps its container, as the policy's `debug` asks.
local function stop_container(engine, name)
  local sent, err = engine:kill(name, "KILL")
  return sent ~= nil or nil, err
end

---@param root string
---@param name string
---@return boolean? gone nil where a living process holds it
local function remove_directory(root, name)
  local directory, state = ownership.lock(root .. "/" .. name)
  if directory then directory:remove() end
  return state ~= "alive" or nil
end

---Takes away what nobody looks after any more: whoever does holds the lock on the socket directory, of the name that
---the launch wrote down. Only a dead owner's: a directory that is gone has just been removed by somebody, who removes
---its container too, or is in a file system that we do not see.
---@param engine gantry.Engine
local function sweep(engine)
  for _, one in ipairs(ownership.containers(engine) or {}) do
    local path, written_down = one.Labels[LABEL.directory], one.Labels[LABEL.exec]
    local _, name = ownership.split(path)
    local directory = name and name == written_down and ownership.lock(path)
    if directory and removal.remove(engine, one.Id) then directory:remove() end
  end
end

---@param what "made"|"making"|"keep" whether the container is surely there; whether it is to stay
---@param engine_url string
---@param name string the container's
---@param root string where the socket directory is; empty where there is none of ours
---@param directory string its name
---@return boolean clean
local function clean(what, engine_url, name, root, directory)
  local engine = patiently(ENGINE_PATIENCE, function() return engines.connect { url = engine_url } or nil end)
  local gone = engine and (what == "keep" and stop_container(engine, name)
    or what ~= "keep" and remove_container(engine, name, what == "making"))
  if root ~= "" then patiently(FIRST_RETRY, function() return remove_directory(root, directory) end) end
  if gone then sweep(engine) end
  return gone and true or false
end

---@param ... string as the guardian gives them
---@return integer exit_code
function cleaner.main(...)
  return task.run(clean, ...) and 0 or 1
end

return cleaner
