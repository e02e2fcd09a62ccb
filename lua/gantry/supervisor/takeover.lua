-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/takeover.lua: what an earlier supervisor left on the engine: running generations, which are adopted, and
--- what has no owner, which is removed. Nothing is touched whose directory another living process holds.

local LABEL = require("gantry.engine.container").LABEL
local blame = require "gantry.supervisor.blame"
local claims = require "gantry.plugin.claims"
local core = require "gantry.core"
local corpses = require "gantry.supervisor.corpses"
local ending = require "gantry.supervisor.ending"
local generation = require "gantry.supervisor.generation"
local leftovers = require "gantry.plugin.leftovers"
local reattach_data = require "gantry.place.reattach_data"
local ownership = require "gantry.place.ownership"
local plugins = require "gantry.plugin"
local record = require "gantry.supervisor.record"
local decider = require "gantry.restart.decider"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"
local warm = require "gantry.supervisor.warm"

local takeover = {}

-- Seconds until an engine that could not be asked about what runs is asked again.
local ADOPTION_RETRY <const> = 0.5
-- Seconds until an unhealthy one that its policy keeps running is looked at again.
local KEPT_RETRY <const> = 10

---What a container says of itself, which is whatever the engine answers.
---@param container table
---@param name string
---@return string?
local function label(container, name)
  local value = type(container.labels) == "table" and container.labels[name]
  return type(value) == "string" and value or nil
end

---Containers of this user's on this machine that a supervisor may decide on, by the plugin's name: not those of another
---supervisor, nor what is kept for inspection.
---@param engine gantry.EngineClient
---@param root string? only those whose socket directory is in here
---@param supervisor string? its state directory
---@return table<string, table[]>? found as the engine lists them, with `launch`, what the launch wrote down
---@return gantry.Error? err
function takeover.list(engine, root, supervisor)
  local containers, err, records = ownership.containers(engine)
  if not containers then return nil, err end
  local found = {}
  for _, container in ipairs(containers) do
    local name, folder = label(container, LABEL.plugin), ownership.split(label(container, LABEL.directory))
    local launch = records[container.id]
    local others = claims.is_kept(container, launch) or launch and launch.supervisor and launch.supervisor ~= supervisor
    if name and folder and not others and (not root or folder == root) then
      container.launch = launch
      found[name] = found[name] or {}
      table.insert(found[name], container)
    end
  end
  return found
end

---Removes a container, and its directory with it, unless another living process owns it. A directory that cannot be
---locked holds nothing up: all of them are in the supervisor's own runtime directory, and one plugin has one container.
---@param engine gantry.EngineClient
---@param container table
---@return boolean removed, gantry.Error? err where the engine would not
function takeover.remove(engine, container)
  local directory, state = ownership.lock(label(container, LABEL.directory))
  if state == "alive" then return false end
  local gone, err = leftovers.take_away(engine, container, container.launch)
  if directory then socket_directory.remove(directory) end
  return gone == true, err
end

---What the launch learned, as far as it is known still; at least the address, by the stable link that leads to it.
---@param unit gantry.Unit
---@param id string
---@param root string
---@param directory string name of its socket directory
---@return gantry.AdoptionFacts
local function facts_of(unit, id, root, directory)
  local kept = reattach_data.of(id)
  if kept then
    return { container = id, root = root, directory = directory, certificate = kept.certificate,
      handshake = { network = kept.network,
      protocol = kept.protocol, protocol_version = kept.protocol_version, address = kept.socket,
      certificate = kept.peer } }
  end
  local address = core.system.real_path(root .. "/" .. unit.name .. ".sock")
  -- The plugin may have put a link to another's socket in the place of its own.
  if address and not core.socket_dir.check_socket(root .. "/" .. directory, address) then address = nil end
  return { container = id, root = root, directory = directory,
    handshake = address and { network = "unix", address = address,
    protocol = unit.config.protocol[1], protocol_version = unit.config.protocol_versions[1] } }
end

---@param unit gantry.Unit
---@return gantry.AdoptionFacts
local function recorded_facts(unit)
  local facts = facts_of(unit, unit.live.container, unit.live.root, unit.live.directory or unit.name)
  facts.stopping, facts.ready_ms, facts.handshake_ms = unit.live.stopping, unit.live.ready_ms, unit.live.handshake_ms
  return facts
end

---A running plugin without a record. One that was never ready is not worth it: nobody knows what it said.
---@param unit gantry.Unit
---@param container table
---@return gantry.AdoptionFacts?
local function facts_without_record(unit, container)
  -- One that waits for a plugin is none.
  if container.status ~= "running" or container.launch and container.launch.waits then return nil end
  local facts = facts_of(unit, container.id, ownership.split(label(container, LABEL.directory)))
  return facts.handshake and facts
end

---@param containers table[]
---@param id string
---@return boolean
local function runs(containers, id)
  for _, container in ipairs(containers) do
    if container.id == id then return container.status == "running" end
  end
  return false
end

---What to adopt. A record that could not be replaced, since the disk was full, knows nothing of the latest generation:
---then the one that runs by the plugin's name is meant, if it can be spoken to.
---@param unit gantry.Unit
---@param had_record boolean
---@param containers table[]
---@return gantry.AdoptionFacts?
local function facts_for(unit, had_record, containers)
  local recorded = unit.live and unit.live.ready and recorded_facts(unit) or nil
  if recorded and runs(containers, recorded.container) then return recorded end
  for _, container in ipairs(containers) do
    local facts = facts_without_record(unit, container)
    if facts and (facts.certificate or not unit.config.auto_mtls or not had_record) then return facts end
  end
  return recorded
end

---Removes what an earlier generation left. Whoever has adopted another one holds its directory, and the plugin's name:
---nobody else can own what was there.
---@param unit gantry.Unit
---@param container table
---@return boolean removed, gantry.Error? err where the engine would not
local function remove_left(unit, container)
  local plugin, directory = unit.plugin, label(container, LABEL.directory)
  local held = plugin and (directory == plugin.directory_path or directory == plugin.root .. "/" .. plugin.name)
  if not held then return takeover.remove(unit.supervisor.engine, container) end
  local gone, err = leftovers.take_away(unit.supervisor.engine, container, container.launch)
  return gone == true, err
end

---What runs is left as it is until the engine's trouble has passed.
---@param unit gantry.Unit
---@param err gantry.Error
local function wait_for_better(unit, err)
  if not unit.away then generation.engine_away(unit, err) end
  unit.away = err
  task.sleep(ADOPTION_RETRY)
end

---Tries until the engine can be asked: what runs is not to be taken for dead because nobody knows.
---@param unit gantry.Unit
---@param facts gantry.AdoptionFacts
---@return gantry.Plugin?, gantry.Error?, gantry.Exit?
local function try_adopt(unit, facts)
  local options = generation.launch_options(unit, function() end)
  while true do
    local plugin, err, ended = plugins.adopt(unit.generation_config, facts, options)
    if plugin or ended or not blame.passes(err) then
      unit.away = nil
      return plugin, err, ended
    end
    wait_for_better(unit, err)
  end
end

---It ended, or cannot be reached, since the last supervisor did. What is left of it goes with the next launch, or now.
---@param unit gantry.Unit
---@param err gantry.Error
---@param ended gantry.Exit?
---@return gantry.Decision? decision
local function decide_unwatched(unit, err, ended)
  if err.code == "SOCKET_DIR_BUSY" then
    unit:note("warning", "another gantry has it: " .. err.message)
    decider.abandon(unit.restart)
    return
  end
  local exit = ended and ending.of_exit(unit, ended) or ending.of_cause(unit, "unhealthy", err.message)
  if ended and unit.rebooted then
    exit.cause, exit.error, exit.known = "host_boot", nil, false
  elseif ended then
    exit.error = ended.error or "it ended while no supervisor watched"
  end
  if unit.request and unit.wanted == "up" then exit.cause, exit.error = unit.request.kind, unit.request.reason end
  -- A stop that its supervisor did not live to finish is no end of the plugin's own.
  exit.requested = exit.requested or unit.wanted == "down"
  local live = unit.live
  unit.live = nil
  if ended then unit:enter "deciding" end
  local decision = unit:decide(exit)
  if decision.action == "keep" then unit.live = live end
  return decision
end

---An earlier supervisor has decided on this generation, and did not live to see it stopped.
---@param unit gantry.Unit
---@param plugin gantry.Plugin? nil where it is gone, or cannot be spoken to: it is removed with what is left
local function end_decided(unit, plugin)
  unit:note("state", ("generation %d is ended, as an earlier supervisor decided"):format(unit.restart.generation))
  unit.plugin = plugin
  if plugin then return generation.end_decided(unit) end
  unit.live = nil
  unit:save()
end

---@param unit gantry.Unit
---@param facts gantry.AdoptionFacts
---@return boolean kept whether it is left running, not adopted
local function adopt(unit, facts)
  local state = unit.restart
  unit.generation_config = unit:next_config()
  unit.running = record.comparable(unit.live and unit.live.policy) or record.digest(unit.config)
  local decided = unit.live ~= nil and not state.live
  if not decided and not state.live then decider.started(state, unit.supervisor.clock()) end
  local plugin, err, ended = try_adopt(unit, facts)
  if decided then
    end_decided(unit, plugin)
    return false
  end
  if not plugin then
    local decision = decide_unwatched(unit, err --[[@as gantry.Error]], ended)
    return decision ~= nil and decision.action == "keep"
  end
  if not state.ready_at then decider.ready(state, unit.supervisor.clock()) end
  unit.plugin, unit.live = plugin, record.live_of(plugin, unit.running)
  unit.ready_since = unit.supervisor.clock()
  unit.counts:take_start(plugin)
  unit:note("adopt", ("generation %d, container %s"):format(state.generation, plugin.container:sub(1, 12)))
  if not plugin.engine.capabilities.keeps_output then
    unit:lost_output("no supervisor watched: output of that time is lost here")
  end
  unit:enter "ready"
  unit:compare()
  unit:save()
  return false
end

---A launch that the last supervisor did not live to finish.
---@param unit gantry.Unit
local function launch_was_broken_off(unit)
  unit:note("state", ("the start of generation %d was broken off with the supervisor"):format(
    unit.restart.generation))
  decider.abandon(unit.restart)
  unit.live, unit.due, unit.automatic = nil, nil, false
  unit:save()
end

---Removes what runs or lies about by its name and was not adopted.
---@param unit gantry.Unit
---@param containers table[]
---@return boolean clean whether the next launch has nothing left to look for
local function remove_others(unit, containers)
  local clean = true
  for _, container in ipairs(containers) do
    if not unit.plugin or unit.plugin.container ~= container.id then
      local removed, err = remove_left(unit, container)
      if removed then
        unit:note("state", ("removed container %s, left by an earlier supervisor"):format(container.id:sub(1, 12)))
      else
        local alive = container.status == "running"
        if err then corpses.remember(unit, container.id, err, alive) end
        clean = clean and err ~= nil and not alive
      end
    end
  end
  return clean
end

---Brings a unit up to date with what runs: adopts its generation, decides on one that ended, removes the rest. Where
---nothing is left, its first launch need not look for leftovers.
---@param unit gantry.Unit
---@param had_record boolean
---@param containers table[] with the unit's name
function takeover.resume(unit, had_record, containers)
  warm.clean(unit, containers)
  local facts = facts_for(unit, had_record, containers)
  if facts then
    -- One that its policy keeps running, though it is unhealthy, is looked at again.
    while adopt(unit, facts) do task.sleep(KEPT_RETRY) end
  elseif unit.restart.live then
    launch_was_broken_off(unit)
  end
  local waiting, others = warm.adopt(unit, containers), {}
  for _, container in ipairs(containers) do
    if not waiting[container.id] then others[#others + 1] = container end
  end
  if remove_others(unit, others) then
    unit.supervisor.engine.swept[unit.supervisor.runtime_dir .. "/" .. unit.name] = true
  end
end

return takeover
