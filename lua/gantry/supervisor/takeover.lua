-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/takeover.lua: what an earlier supervisor left on the engine: running generations, which are adopted, and
--- what has no owner, which is removed. Nothing is touched whose directory another living process holds.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local memory = require "gantry.plugin.memory"
local ownership = require "gantry.ownership"
local removal = require "gantry.plugin.removal"

local takeover = {}

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

---Brings a unit up to date with what runs: adopts its generation, decides on one that ended, removes the rest. Where
---nothing is left, its first launch need not look for leftovers.
---@param unit gantry.Unit
---@param had_record boolean
---@param containers table[] with the unit's name
function takeover.resume(unit, had_record, containers)
  local engine = unit.supervisor.engine
  local facts = facts_for(unit, had_record, containers)
  if facts then
    unit:adopt(facts)
  elseif unit.restart.live then
    unit:launch_was_broken_off()
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
