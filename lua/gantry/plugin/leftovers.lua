-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/leftovers.lua: containers of one plugin that a killed gantry left behind, taken away before it is launched
--- again, and those of all plugins that a machine left behind whose power went; garbage.lua looks through the whole
--- machine. They are known by our records and by labels: the plugin, its owner and its socket directory. Whoever holds
--- the lock on that directory may remove them: their owner is dead.

local LABEL = require("gantry.engine.container").LABEL
local claims = require "gantry.plugin.claims"
local core = require "gantry.core"
local launches = require "gantry.place.launches"
local ownership = require "gantry.place.ownership"
local reattach_data = require "gantry.place.reattach_data"
local removal = require "gantry.plugin.removal"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

local leftovers = {}

-- Seconds for which what is removed may still be listed, and between two looks.
local TIMEOUT <const>, RETRY <const> = 5, 0.02

---Whether a container that cannot be removed keeps its plugin from being started: only one that lives does.
---@return boolean? live nil where it cannot be known
local function is_live(engine, id)
  local inspected, err = engine:inspect(id)
  if inspected then return inspected.state.running == true end
  if err.code == "NOT_FOUND" then return false end
end

---Removes a container, or ends the process of one that is to be kept for inspection.
---@param engine gantry.EngineClient
---@param id string
---@param record gantry.LaunchRecord?
---@param environment table<string, string>?
---@return boolean? gone, gantry.Error? err where it is still there, or runs on
---@return boolean? removed
local function end_or_remove(engine, id, record, environment)
  if not (record and record.keep) then return removal.remove(engine, id) end
  local sent, err = engine:kill(id, "KILL")
  if sent == nil and is_live(engine, id) ~= false then return nil, err end
  launches.drop_credentials(record.container, record.directory, environment)
  reattach_data.forget(id, environment)
  return true, nil, false
end

---Takes away a container that nobody owns any more, and forgets it. What is to be kept for inspection is only ended.
---@param engine gantry.EngineClient
---@param container table as the engine lists it
---@param record gantry.LaunchRecord?
---@param environment table<string, string>?
---@return boolean? gone, gantry.Error? err where it is still there, or runs on
function leftovers.take_away(engine, container, record, environment)
  local gone, err = end_or_remove(engine, container.id, record, environment)
  if gone and not (record and record.keep) then ownership.forget(container, environment) end
  return gone, err
end

---@param engine gantry.EngineClient
---@param containers table[]
---@param own string?
---@param records table<string, gantry.LaunchRecord>
---@param environment table<string, string>?
---@param result { removed: string[], corpses: table<string, gantry.Error>, seen: table<string, table> } takes the ids
--- of those that were there, of those that are dead and stay, and all that are gone
---@return boolean? found whether there were any, gantry.Error? err
local function remove_all(engine, containers, own, records, environment, result)
  local found = false
  for _, container in ipairs(containers) do
    local id, record = container.id, records[container.id]
    if id ~= own and not result.corpses[id] and not claims.is_kept(container, record) then
      local gone, failure, was_there = end_or_remove(engine, id, record, environment)
      if not gone and is_live(engine, id) ~= false then return nil, failure end
      if not gone then result.corpses[id] = failure end
      found = true
      if gone and not (record and record.keep) then result.seen[id] = container end
      if was_there then result.removed[#result.removed + 1] = id end
    end
  end
  return found
end

---Forgets containers that have gone by themselves: what no daemon keeps ends with who made it. Not one whose id nobody
---was told: the engine may be creating it.
---@param engine gantry.EngineClient
---@param plugin string
---@param directory string of the plugin, whose lock the caller holds
---@param environment table<string, string>?
local function forget_gone(engine, plugin, directory, environment)
  for _, record in ipairs(launches.of_directory(plugin, directory, environment)) do
    local here, err = true, nil
    if record.id and record.engine == engine.endpoint.name then here, err = engine:inspect(record.id) end
    if not here and err.code == "NOT_FOUND" then
      reattach_data.forget(record.id, environment)
      launches.forget(record.container, directory, environment)
    end
  end
end

---Removes what is left. To be called with the directory's lock held, before a container is created.
---@param engine gantry.EngineClient
---@param name string
---@param directory string
---@param options { own: string?, environment: table<string, string>?, supervisor: string? }? own: id of a container
--- that stays; supervisor: who launches, if that is one
---@return { removed: string[], corpses: table<string, gantry.Error> }? result ids of the removed containers, and of the
--- dead ones that the engine would not remove
---@return gantry.Error?
function leftovers.remove(engine, name, directory, options)
  options = options or {}
  local labels = { [LABEL.plugin] = name, [LABEL.directory] = directory }
  local result = { removed = {}, corpses = {}, seen = {} }
  local until_when = core.loop.clock() + TIMEOUT
  -- An engine lists a container that it is still creating before it can remove it: gone is what is listed no more.
  while true do
    local containers, err, records = ownership.containers(engine, { labels = labels,
      environment = options.environment })
    if not containers then return nil, err end
    local free, claimed = claims.may_take(containers, records, directory, options)
    if not free then return nil, claimed end
    local found, failure = remove_all(engine, containers, options.own, records, options.environment, result)
    if found == nil then return nil, failure end
    if not found or core.loop.clock() > until_when then
      for _, container in pairs(result.seen) do ownership.forget(container, options.environment) end
      if engine.capabilities.ends_with_owner then forget_gone(engine, name, directory, options.environment) end
      return result
    end
    task.sleep(RETRY)
  end
end

---Removes the directories of launches whose containers have ended with their owners: nothing leads there but our
---records. What `gantry up` keeps account of is its own.
---@param engine gantry.EngineClient
---@param containers table[] that there are
---@param environment table<string, string>?
local function sweep_directories(engine, containers, environment)
  local listed = {}
  for _, one in ipairs(containers) do listed[one.id] = true end
  for _, record in ipairs(launches.all(environment)) do
    local gone = record.engine == engine.endpoint.name and record.id and not listed[record.id]
    local directory = gone and not record.supervisor and not record.keep and ownership.lock(record.directory)
    if directory then
      socket_directory.remove(directory)
      reattach_data.forget(record.id, environment)
      launches.forget(record.container, record.directory, environment)
    end
  end
end

---Takes away what launches left whose directory's name no other has: those for other hosts, and those for one call.
---Whoever looks after one holds the lock on its directory. Only a dead owner's: a directory that is gone has just been
---removed by somebody, who removes its container too, or is in a file system that we do not see.
---@param engine gantry.EngineClient
---@param environment table<string, string>?
function leftovers.sweep(engine, environment)
  local containers, _, records = ownership.containers(engine, { environment = environment })
  for _, one in ipairs(containers or {}) do
    local path, written_down = one.labels[LABEL.directory], one.labels[LABEL.unique]
    local _, name = ownership.split(path)
    local free = name and name == written_down and not claims.is_supervised(one, records[one.id], environment)
    local directory = free and ownership.lock(path)
    local gone = directory and leftovers.take_away(engine, one, records[one.id], environment)
    if gone then socket_directory.remove(directory) elseif directory then directory:close() end
  end
  if containers and engine.capabilities.ends_with_owner then sweep_directories(engine, containers, environment) end
end

---Removes one container of an earlier boot, and the directory of a launch for another host, whose name no other has.
---@param engine gantry.EngineClient
---@param container table
---@param environment table<string, string>?
---@return boolean removed
local function remove_earlier(engine, container, environment)
  local path, unique = container.labels[LABEL.directory], container.labels[LABEL.unique]
  local directory, state
  if unique and select(2, ownership.split(path)) == unique then
    directory, state = ownership.lock(path)
  else
    state = ownership.state(path)
  end
  local gone = state ~= "alive" and removal.remove(engine, container.id)
  if gone then ownership.forget(container, environment) end
  if directory and gone then socket_directory.remove(directory) elseif directory then directory:close() end
  return gone == true
end

---Removes what launches before the machine's last start left on this engine: their gantries are dead, whether or not
---their directories are there still, and a restart policy that somebody gave a container has it run again. What
---`gantry up` keeps account of is its own to decide on.
---@param engine gantry.EngineClient
---@param environment table<string, string>?
---@return string[] removed ids
function leftovers.remove_earlier_boots(engine, environment)
  local removed, earlier = {}, {}
  for _, record in ipairs(launches.of_other_boots(environment)) do earlier[record.container] = record end
  if not next(earlier) then return removed end
  local containers, _, records = ownership.containers(engine, { environment = environment })
  for _, container in ipairs(containers or {}) do
    local record = records[container.id]
    local left = record and earlier[record.container] and not claims.is_supervised(container, record, environment)
    if left and remove_earlier(engine, container, environment) then removed[#removed + 1] = container.id end
    if record then earlier[record.container] = nil end
  end
  for name, record in pairs(containers and earlier or {}) do
    if record.engine == engine.endpoint.name then
      if record.id then reattach_data.forget(record.id, environment) end
      launches.forget(name, record.directory, environment)
    end
  end
  return removed
end

return leftovers
