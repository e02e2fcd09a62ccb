-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/leftovers.lua: containers that a killed gantry left behind. They are known by three labels: the plugin, its
--- owner and its socket directory. Whoever holds the lock on that directory may remove them: their owner is dead.

local core = require "gantry.core"
local memory = require "gantry.plugin.memory"
local ownership = require "gantry.ownership"
local removal = require "gantry.plugin.removal"
local task = require "gantry.task"

local leftovers = {}

-- Seconds for which what is removed may still be listed, and between two looks.
local PATIENCE <const>, RETRY <const> = 5, 0.02

---@param containers table[]
---@param own string?
---@param removed string[] takes the ids of those that were there
---@return boolean? found whether there were any, gantry.Error? err
local function remove_all(engine, containers, own, removed)
  local found = false
  for _, container in ipairs(containers) do
    if container.Id ~= own then
      local gone, failure, was_there = removal.remove(engine, container.Id)
      if not gone then return nil, failure end
      found = true
      memory.forget(container.Id)
      if was_there then removed[#removed + 1] = container.Id end
    end
  end
  return found
end

---Removes what is left. To be called with the directory's lock held, before a container is created.
---@param engine gantry.Engine
---@param name string
---@param directory string
---@param own string? id of a container that stays
---@return string[]? ids of the removed containers
---@return gantry.Error?
function leftovers.remove(engine, name, directory, own)
  local labels, removed = ownership.labels(name, directory), {}
  local until_when = core.loop.clock() + PATIENCE
  -- An engine lists a container that it is still creating before it can remove it: gone is what is listed no more.
  while true do
    local containers, err = engine:list(labels)
    if not containers then return nil, err end
    local found, failure = remove_all(engine, containers, own, removed)
    if found == nil then return nil, failure end
    if not found or core.loop.clock() > until_when then return removed end
    task.sleep(RETRY)
  end
end

return leftovers
