-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/events.lua: what whoever launched a plugin is told of it: its events and its output.

local handlers = require "gantry.task.handlers"

local events = {}

---Each is a call of on_event with the kind, and a table of these fields.
---@class gantry.PluginEvents
---@field engine { text: string } which engine runs it, and why, where nobody named one and no daemon answers
---@field image { reference: string, id: string } the image is there and is the one that is pinned
---@field pulling { reference: string } the image is not there: its pull begins
---@field pull gantry.PullMessage the engine tells how far the pull is
---@field pulled { reference: string, error: gantry.Error? } the pull has ended; error: why it failed
---@field loading { path: string } the engine gets the policy's binary
---@field binary { path: string, sha256: string, id: string, size: integer, seconds: number? } the engine has it, as the
--- image of this id; how long that took, where it was loaded
---@field leftovers { containers: string[], directory: string? } what a gantry that was killed had left is removed:
--- containers by id, and their socket directory where it was still there
---@field corpse { container: string, error: gantry.Error } the engine does not let a dead container be removed
---@field warning { text: string } something is not as it should be, and the launch goes on
---@field created { container: string } the container is made
---@field taken { container: string, stood: boolean } a container that waited is taken for it, instead of one that is
--- made; stood: the plugin stood by in it
---@field started { container: string, seconds: number } it runs; how long making and starting it took
---@field ready { plugin: gantry.Plugin } the launch has ended well
---@field attached { plugin: gantry.Plugin } gantry.attach has ended well
---@field engine_away { error: gantry.Error } the engine does not answer: the plugin is left as it is
---@field reattached { seconds: number } the engine is back, and so is the output; how long it was away
---@field stopping { how: string } it is asked to end: "Shutdown" over gRPC, or the name of a signal
---@field exit { exit: gantry.Exit } it has ended, and what it held is given back
---@field kept { diagnosis: gantry.Diagnosis } its container stays for inspection, as `debug` says

---Tells of an event.
---@param plugin gantry.Plugin
---@param kind string a field of gantry.PluginEvents
---@param fields table
function events.tell(plugin, kind, fields)
  handlers.call(plugin, ("on_event of plugin '%s'"):format(plugin.name), plugin.options.on_event, kind, fields)
end

---Who takes a plugin's output, where somebody does.
---@param plugin gantry.Plugin
---@return (fun(stream: "stdout"|"stderr", bytes: string))?
function events.output_taker(plugin)
  local on_output = plugin.options.on_output
  if not on_output then return nil end
  local what = ("on_output of plugin '%s'"):format(plugin.name)
  return function(stream, bytes) handlers.call(plugin, what, on_output, stream, bytes, plugin) end
end

return events
