-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/takeover.lua: what an earlier supervisor left on the engine: running generations, which are adopted, and
--- what has no owner, which is removed. Nothing is touched whose directory another living process holds.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local leftovers = require "gantry.plugin.leftovers"
local memory = require "gantry.plugin.memory"
local removal = require "gantry.plugin.removal"

local takeover = {}

---@param directory string
---@return string? root, string? name
local function split(directory)
  return (directory or ""):match("^(.*)/([^/]+)$")
end

---Containers of this user's on this machine, by the plugin's name.
---@param engine gantry.Engine
---@param root string? only those whose socket directory is in here
---@return table<string, table[]>? found, gantry.Error? err
function takeover.list(engine, root)
  local containers, err = engine:list { [LABEL.owner] = leftovers.owner() }
  if not containers then return nil, err end
  local found = {}
  for _, container in ipairs(containers) do
    local name = container.Labels[LABEL.plugin]
    local folder = split(container.Labels[LABEL.directory])
    if name and folder and (not root or folder == root) then
      found[name] = found[name] or {}
      table.insert(found[name], container)
    end
  end
  return found
end

---Whether a living process holds the container's socket directory.
---@param container table
---@return boolean
local function is_held(container)
  local root, name = split(container.Labels[LABEL.directory])
  local directory, err = core.socket_dir.adopt(root, name)
  if directory then directory:close() end
  return not directory and err.code == "SOCKET_DIR_BUSY"
end

---Removes a container, and its directory with it.
---@param engine gantry.Engine
---@param container table
---@return boolean removed
function takeover.remove(engine, container)
  local root, name = split(container.Labels[LABEL.directory])
  local directory, err = core.socket_dir.adopt(root, name)
  if not directory and err.code == "SOCKET_DIR_BUSY" then return false end
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
  local facts = facts_of(unit, container.Id, split(container.Labels[LABEL.directory]))
  return facts.handshake and facts
end

---@param unit gantry.Unit
---@param had_record boolean
---@param containers table[]
---@return gantry.AdoptionFacts?
local function facts_for(unit, had_record, containers)
  if had_record then
    return unit.live and unit.live.ready and recorded_facts(unit) or nil
  end
  for _, container in ipairs(containers) do
    local facts = facts_without_record(unit, container)
    if facts then return facts end
  end
end

---Brings a unit up to date with what runs: adopts its generation, decides on one that ended, removes the rest.
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
  for _, container in ipairs(containers) do
    local ours = unit.plugin and unit.plugin.container == container.Id
    if not ours and not is_held(container) and takeover.remove(engine, container) then
      unit:note("state", ("removed container %s, left by an earlier supervisor"):format(container.Id:sub(1, 12)))
    end
  end
end

return takeover
