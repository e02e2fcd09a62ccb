-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/orphans.lua: plugins that a `gantry up` which is gone left running, stopped without another one. The next
--- `gantry up` starts them again, as after a `gantry down`.

local LABEL = require("gantry.engine.container").LABEL
local claims = require "gantry.plugin.claims"
local leftovers = require "gantry.plugin.leftovers"
local ownership = require "gantry.place.ownership"
local plugins = require "gantry.plugin"
local socket_directory = require "gantry.place.socket_directory"
local store = require "gantry.supervisor.store"
local task = require "gantry.task"

local orphans = {}

---@class gantry.Orphan
---@field name string the plugin's
---@field container table as the engine lists it
---@field launch gantry.LaunchRecord
---@field directory table? its socket directory, locked

---Those whose owner is dead, also where the plugin has ended since. Their locks are held until they are stopped.
---@param engine gantry.EngineClient
---@return gantry.Orphan[]? found, gantry.Error? err
local function take(engine)
  local containers, err, records = ownership.containers(engine)
  if not containers then return nil, err end
  local found = {}
  for _, container in ipairs(containers) do
    local launch = records[container.id]
    if launch and launch.supervisor and (launch.waits or claims.is_supervised(container, launch)) then
      local directory, state = ownership.lock(container.labels[LABEL.directory])
      if directory or state == "no_directory" then
        found[#found + 1] = { name = launch.plugin, container = container, launch = launch, directory = directory }
      end
    end
  end
  return found
end

---Notes in the state of the supervisor that is gone that the plugin was stopped, and did not end by itself. Where
---another one runs with it by now, that one sees what became of its plugin.
---@param one gantry.Orphan
local function note(one)
  local state = store.open(one.launch.supervisor)
  if not state then return end
  local record = state:load(one.name)
  if record and record.live and record.live.container == one.container.id then
    record.live, record.restart.live = nil, nil
    table.insert(record.journal, { time = os.time(), kind = "state", text = "stopped by gantry down --orphans" })
    state:save(one.name, record)
  end
  state:close()
end

---Stops one in order, or kills it where nobody can speak to it. What is to be kept for inspection stays.
---@param engine gantry.EngineClient
---@param one gantry.Orphan
---@return boolean? stopped, gantry.Error? err
local function stop(engine, one)
  local plugin = plugins.attach(one.container.id, { engine = engine })
  if plugin then plugin:stop() end
  local gone, err = leftovers.take_away(engine, one.container, one.launch)
  if not gone then
    if one.directory then one.directory:close() end
    return nil, err
  end
  if one.directory then socket_directory.remove(one.directory) end
  note(one)
  return true
end

---Stops all of them, beside each other.
---@param engine gantry.EngineClient
---@return string[]? stopped names, gantry.Error[] refused
function orphans.stop_all(engine)
  local found, err = take(engine)
  if not found then return nil, { err } end
  local jobs, stopped, refused = {}, {}, {}
  for i, one in ipairs(found) do
    jobs[i] = function()
      local ok, failure = stop(engine, one)
      table.insert(ok and stopped or refused, ok and one.name or failure)
    end
  end
  task.all(table.unpack(jobs))
  table.sort(stopped)
  return stopped, refused
end

return orphans
