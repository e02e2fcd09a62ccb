-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/read_exit.lua: how a plugin's process ended, from whoever tells first: its gate, the engine's events, its
--- answer to a wait, its inspect.

local exit = require "gantry.plugin.exit"
local interface = require "gantry.engine.interface"
local task = require "gantry.task"

-- Seconds: an exit is told this long after the output ended; by the engine's events, this long, if at all.
local EXIT_TIMEOUT <const>, EVENT_TIMEOUT <const> = 2, 0.25

---Engines may note that memory ran out a moment after the end: SIGKILL of a plugin with a limit, which we did not send,
---is looked at again.
---@param plugin gantry.Plugin
---@param inspected gantry.Container
---@return gantry.Container inspected
local function settled(plugin, inspected)
  for _ = 1, 3 do
    local state, unsent = inspected.state, plugin.config.memory and not plugin.killing
    if state.out_of_memory or state.exit_code ~= 137 or not unsent then return inspected end
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
  local known = plugin:exit_of_gate() or of_events(plugin)
  if known then return known end
  local requested = plugin.state == "stopping"
  local stopped, err = task.deadline(EXIT_TIMEOUT, plugin.engine.wait, plugin.engine, plugin.container)
  local inspected, failure = plugin.engine:inspect(plugin.container)
  if inspected then
    if inspected.state.running then
      plugin.inspected = inspected
      -- Somebody else has started it again, in time for us to be told of its end, or not.
      if stopped then return exit.from_state(stopped, requested) end
      if plugin.connection_lost then
        return exit.unknown("lost", "its container was restarted by someone else", requested)
      end
      return nil, nil
    end
    plugin.inspected = settled(plugin, inspected)
    return exit.from_state(plugin.inspected.state, requested, plugin.killing)
  end
  if interface.answered(failure) and stopped then return exit.from_state(stopped, requested) end
  if failure.code == "NOT_FOUND" then
    return exit.unknown("lost", "the container was removed by someone else", requested)
  end
  return nil, failure or err
end

return read_exit
