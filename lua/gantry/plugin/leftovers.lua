-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/leftovers.lua: containers that a killed gantry left behind. They are known by three labels: the plugin, its
--- owner and its socket directory. Whoever holds the lock on that directory may remove them: their owner is dead.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"
local removal = require "gantry.plugin.removal"

local leftovers = {}

---The owner that this process is: another user's containers, or another machine's on a shared engine, are not ours.
---@return string
function leftovers.owner()
  return ("%d@%s"):format(core.system.euid(), core.system.hostname())
end

---@param name string the plugin's
---@param directory string its socket directory
---@return table<string, string>
function leftovers.labels(name, directory)
  return { [LABEL.plugin] = name, [LABEL.owner] = leftovers.owner(), [LABEL.directory] = directory }
end

---Removes what is left. To be called with the directory's lock held, before a container is created.
---@param engine gantry.Engine
---@param name string
---@param directory string
---@return string[]? ids of the removed containers
---@return gantry.Error?
function leftovers.remove(engine, name, directory)
  local containers, err = engine:list(leftovers.labels(name, directory))
  if not containers then return nil, err end
  local removed = {}
  for _, container in ipairs(containers) do
    local gone, failure = removal.remove(engine, container.Id)
    if not gone then return nil, failure end
    removed[#removed + 1] = container.Id
  end
  return removed
end

return leftovers
