-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/read_exit.lua: how a plugin's process ended, from whoever tells first: the engine's events, its answer to a
--- wait, its inspect.

local exit = require "gantry.plugin.exit"
local task = require "gantry.task"

-- Seconds: an exit is told this long after the output ended; by the engine's events, this long, if at all.
local EXIT_TIMEOUT <const>, EVENT_TIMEOUT <const> = 2, 0.25

---Engines may note that memory ran out a moment after the end: SIGKILL of a plugin with a limit, which we did not send,
---is looked at again.
---@param plugin gantry.Plugin
---@param inspected table
---@return table inspected
local function settled(plugin, inspected)
  for _ = 1, 3 do
    local state = inspected.State
    if state.OOMKilled or state.ExitCode ~= 137 or not plugin.config.memory or plugin.killing then return inspected end
    task.sleep(0.1)
    inspected = plugin.engine:inspect(plugin.container) or inspected
  end
  return inspected
end

---What the engine's events tell of the end. SIGKILL of a plugin with a limit, which we did not send, is no answer: that
---memory ran out may be told later.
---@param plugin gantry.Plugin
---@return gantry.Exit?
local function of_events(plugin)
  local death = plugin.options.deaths and plugin.options.deaths:await(plugin.container, EVENT_TIMEOUT)
  if not death then return nil end
  local unsure = death.code == 137 and plugin.config.memory and not death.oom and not plugin.killing
  if unsure then return nil end
  return exit.from_death(death, plugin.state == "stopping", plugin.killing)
end

---Waits for the end of a plugin's process, bounded, and reads how it went.
---@param plugin gantry.Plugin
---@return gantry.Exit? exit, gantry.Error? err nil, nil where it still runs
local function read_exit(plugin)
  local known = of_events(plugin)
  if known then return known end
  local requested = plugin.state == "stopping"
  local stopped, err = task.deadline(EXIT_TIMEOUT, plugin.engine.wait, plugin.engine, plugin.container)
  local inspected, failure = plugin.engine:inspect(plugin.container)
  if inspected then
    if inspected.State.Running then
      plugin.inspected = inspected
      -- Somebody else has started it again, in time for us to be told of its end, or not.
      if stopped then return exit.from_state({ ExitCode = stopped.StatusCode }, requested) end
      if plugin.connection_lost then
        return exit.unknown("lost", "its container was restarted by someone else", requested)
      end
      return nil, nil
    end
    plugin.inspected = settled(plugin, inspected)
    return exit.from_state(plugin.inspected.State, requested, plugin.killing)
  end
  if failure.status and stopped then return exit.from_state({ ExitCode = stopped.StatusCode }, requested) end
  if failure.status == 404 then
    return exit.unknown("lost", "the container was removed by someone else", requested)
  end
  return nil, failure or err
end

return read_exit
