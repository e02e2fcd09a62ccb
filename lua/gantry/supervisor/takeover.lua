-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/takeover.lua: what an earlier supervisor left on the engine: running generations, which are adopted, and
--- what has no owner, which is removed. Nothing is touched whose directory another living process holds.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local ending = require "gantry.supervisor.ending"
local memory = require "gantry.plugin.memory"
local ownership = require "gantry.ownership"
local plugins = require "gantry.plugin"
local record = require "gantry.supervisor.record"
local removal = require "gantry.plugin.removal"
local restart_core = require "gantry.restart.core"
local task = require "gantry.task"

local takeover = {}

-- Seconds until an engine that could not be asked about what runs is asked again.
local ADOPTION_RETRY <const> = 0.5

---Containers of this user's on this machine, by the plugin's name.
---@param engine gantry.Engine
---@param root string? only those whose socket directory is in here
---@return table<string, table[]>? found, gantry.Error? err
function takeover.list(engine, root)
  local containers, err = ownership.containers(engine)
  if not containers then return nil, err end
  local found = {}
  for _, container in ipairs(containers) do
    local name = container.Labels[LABEL.plugin]
    local folder = ownership.split(container.Labels[LABEL.directory])
    if name and folder and (not root or folder == root) then
      found[name] = found[name] or {}
      table.insert(found[name], container)
    end
  end
  return found
end

---Removes a container, and its directory with it, unless another living process owns it. A directory that cannot be
---locked holds nothing up: all of them are in the supervisor's own runtime directory, and one plugin has one container.
---@param engine gantry.Engine
---@param container table
---@return boolean removed
function takeover.remove(engine, container)
  local directory, state = ownership.lock(container.Labels[LABEL.directory])
  if state == "alive" then return false end
  local gone = removal.remove(engine, container.Id)
  if directory then directory:remove() end
  return gone == true
end

---What the launch learned, as far as it is known still; at least the address, by the stable link that leads to it.
---@param unit gantry.Unit
---@param id string
---@param root string
---@return gantry.AdoptionFacts
local function facts_of(unit, id, root)
  local kept = memory.of(id)
  if kept then
    return { container = id, root = root, certificate = kept.certificate, handshake = { network = "unix",
      protocol = kept.protocol, protocol_version = kept.protocol_version, address = kept.socket,
      certificate = kept.peer } }
  end
  local address = core.system.real_path(root .. "/" .. unit.name .. ".sock")
  return { container = id, root = root, handshake = address and { network = "unix", address = address,
    protocol = unit.config.protocol[1], protocol_version = unit.config.protocol_versions[1] } }
end

---@param unit gantry.Unit
---@return gantry.AdoptionFacts
local function recorded_facts(unit)
  local facts = facts_of(unit, unit.live.container, unit.live.root)
  facts.stopping, facts.ready_ms = unit.live.stopping, unit.live.ready_ms
  return facts
end

---A running plugin without a record. One that was never ready is not worth it: nobody knows what it said.
---@param unit gantry.Unit
---@param container table
---@return gantry.AdoptionFacts?
local function facts_without_record(unit, container)
  if container.State ~= "running" then return nil end
  local facts = facts_of(unit, container.Id, ownership.split(container.Labels[LABEL.directory]))
  return facts.handshake and facts
end

---@param containers table[]
---@param id string
---@return boolean
local function runs(containers, id)
  for _, container in ipairs(containers) do
    if container.Id == id then return container.State == "running" end
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

---Removes what an earlier generation left. Whoever has adopted another one holds their directory: nobody else can own
---this one.
---@param unit gantry.Unit
---@param container table
---@return boolean removed
local function remove_left(unit, container)
  if not unit.plugin then return takeover.remove(unit.supervisor.engine, container) end
  memory.forget(container.Id)
  return removal.remove(unit.supervisor.engine, container.Id) == true
end

---Tries until the engine can be asked: what runs is not to be taken for dead because nobody knows.
---@param unit gantry.Unit
---@param facts gantry.AdoptionFacts
---@return gantry.Plugin?, gantry.Error?, gantry.Exit?
local function try_adopt(unit, facts)
  local away = false
  while true do
    local plugin, err, ended = plugins.adopt(unit.generation_config, facts, unit:launch_options(function() end))
    if plugin or ended or not ending.is_of_engine(err) then return plugin, err, ended end
    if not away then unit:on_launch_event("engine_away", { error = err }) end
    away = true
    task.sleep(ADOPTION_RETRY)
  end
end

---It ended, or cannot be reached, since the last supervisor did. What is left of it goes with the next launch, or now.
---@param unit gantry.Unit
---@param err gantry.Error
---@param ended gantry.Exit?
local function decide_unwatched(unit, err, ended)
  if err.code == "SOCKET_DIR_BUSY" then
    unit:note("warning", "another gantry has it: " .. err.message)
    restart_core.abandon(unit.restart)
    return
  end
  local exit = ended and ending.of_exit(unit, ended) or ending.of_cause(unit, "unhealthy", err.message)
  if ended then exit.error = ended.error or "it ended while no supervisor watched" end
  if unit.wanted == "down" then exit.requested = true end
  unit.live = nil
  unit:decide(exit)
end

---@param unit gantry.Unit
---@param facts gantry.AdoptionFacts
local function adopt(unit, facts)
  local state = unit.restart
  unit.generation_config = unit:next_config()
  if not state.live then restart_core.started(state, unit.supervisor.clock()) end
  local plugin, err, ended = try_adopt(unit, facts)
  if not plugin then return decide_unwatched(unit, err, ended) end
  if not state.ready_at then restart_core.ready(state, unit.supervisor.clock()) end
  unit.plugin, unit.live = plugin, record.live_of(plugin)
  unit.ready_since = unit.supervisor.clock()
  unit:note("adopt", ("generation %d, container %s"):format(state.generation, plugin.container:sub(1, 12)))
  unit:enter "ready"
  unit:save()
end

---A launch that the last supervisor did not live to finish.
---@param unit gantry.Unit
local function launch_was_broken_off(unit)
  unit:note("state", ("the start of generation %d was broken off with the supervisor"):format(
    unit.restart.generation))
  restart_core.abandon(unit.restart)
  unit.live, unit.due, unit.automatic = nil, nil, false
  unit:save()
end

---Brings a unit up to date with what runs: adopts its generation, decides on one that ended, removes the rest. Where
---nothing is left, its first launch need not look for leftovers.
---@param unit gantry.Unit
---@param had_record boolean
---@param containers table[] with the unit's name
function takeover.resume(unit, had_record, containers)
  local engine = unit.supervisor.engine
  local facts = facts_for(unit, had_record, containers)
  if facts then
    adopt(unit, facts)
  elseif unit.restart.live then
    launch_was_broken_off(unit)
  end
  local clean = true
  for _, container in ipairs(containers) do
    local ours = unit.plugin and unit.plugin.container == container.Id
    if not ours and remove_left(unit, container) then
      unit:note("state", ("removed container %s, left by an earlier supervisor"):format(container.Id:sub(1, 12)))
    elseif not ours then
      clean = false
    end
  end
  if clean then engine.swept[unit.supervisor.runtime_dir .. "/" .. unit.name] = true end
end

return takeover
