-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/clean_start.lua: what a gantry that was killed left in the way of a launch, removed before it and looked for
--- once more after it.

local leftovers = require "gantry.plugin.leftovers"
local task = require "gantry.task"

local clean_start = {}

---Once for each engine, beside the launch, what was left when the machine's power went.
---@param plugin gantry.Plugin
local function look_for_earlier_boots(plugin)
  local engine = plugin.engine
  if engine.looked_back then return end
  engine.looked_back = true
  task.detach(function()
    local removed = leftovers.remove_earlier_boots(engine, plugin.options.environment)
    if #removed > 0 then plugin:event("leftovers", { containers = removed }) end
  end)
end

---Removes what a gantry that was killed left in the way of this launch.
---@param plugin gantry.Plugin with its socket directory
---@return boolean? ok, gantry.Error? err
function clean_start.remove_leftovers(plugin)
  look_for_earlier_boots(plugin)
  if plugin.options.unique then
    leftovers.sweep(plugin.engine, plugin.options.environment)
    return true
  end
  if plugin.options.directory_name then return true end -- which no other has
  local path = plugin.directory:path()
  local had_directory = not plugin.directory:fresh()
  -- Once a process has looked, only itself could leave something there, and it says so.
  if plugin.engine.swept[path] and not had_directory then return true end
  local result, err = leftovers.remove(plugin.engine, plugin.name, path, plugin.options)
  if not result then return nil, err end
  local removed = result.removed
  plugin.engine.swept[path] = true
  plugin.found_directory = had_directory
  for id, reason in pairs(result.corpses) do plugin:event("corpse", { container = id, error = reason }) end
  if #removed > 0 or had_directory then
    plugin:event("leftovers", { containers = removed, directory = had_directory and path or nil })
  end
  return true
end

---Looks once more where a killed gantry was: it may have asked for a container that the engine made only now.
---@param plugin gantry.Plugin
---@return boolean ok
function clean_start.look_again(plugin)
  if not plugin.found_directory then return true end
  local result = leftovers.remove(plugin.engine, plugin.name, plugin.directory:path(),
    { own = plugin.container, environment = plugin.options.environment, supervisor = plugin.options.supervisor })
  if result and #result.removed > 0 then plugin:event("leftovers", { containers = result.removed }) end
  return true -- what could not be removed now, the next launch removes
end

return clean_start
