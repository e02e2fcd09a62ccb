-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/ways_to_end.lua: the ways to have a plugin end: it is asked, told by a signal, or killed. Their order, and
--- what follows where none of them does, is gantry.plugin's.

local read_exit = require "gantry.plugin.read_exit"
local task = require "gantry.task"

local ways_to_end = {}

-- Seconds: for an engine that refuses a signal; a killed container's end.
local EXIT_TIMEOUT <const>, KILL_TIMEOUT <const> = 2, 10
ways_to_end.KILL_TIMEOUT = KILL_TIMEOUT

---The signal that tells it to end, as the policy or the image has it.
---@param plugin gantry.Plugin
---@return string
function ways_to_end.signal(plugin)
  local inner = plugin.inspected or plugin.image or {}
  local named = plugin.config.stop_signal or inner.stop_signal
  return type(named) == "string" and named ~= "" and named or "SIGTERM"
end

---Asks the engine for an end that the stream has not told of: its own waits behind output that nobody reads, or that is
---more than was read by now.
---@param plugin gantry.Plugin
---@return boolean ended
local function ended_before_its_output(plugin)
  local ended = task.deadline(EXIT_TIMEOUT + KILL_TIMEOUT, read_exit, plugin)
  if ended then task.shield(plugin.finish, plugin, ended) end
  return ended ~= nil
end

---One of the ways to tell a plugin to end.
---@param plugin gantry.Plugin
---@param how "Shutdown"|string the name or number of a signal
---@param timeout number seconds
---@return boolean ended, gantry.Error? err where it could not be told
function ways_to_end.end_by(plugin, how, timeout)
  plugin:event("stopping", { how = how })
  if how == "Shutdown" then return plugin.connection:shutdown(timeout) and plugin:ends_within(timeout) end
  plugin.killing = plugin.killing or how == "SIGKILL"
  local sent, err = plugin.engine:kill(plugin.container, (how:gsub("^SIG", "")))
  -- An engine that refuses a signal is not waited for as long as a plugin that was told.
  if plugin:ends_within(sent == nil and EXIT_TIMEOUT or timeout) then return true end
  return (sent == nil or how == "SIGKILL") and ended_before_its_output(plugin), err
end

return ways_to_end
