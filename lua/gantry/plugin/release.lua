-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/release.lua: what a plugin holds, and how it is given back once its process has ended or was never there:
--- connections, output, container, directories.

local credentials = require "gantry.plugin.credentials"
local later = require "gantry.base.later"
local attach = later "gantry.plugin.attach"
local gate = later "gantry.plugin.gate"
local launches = require "gantry.place.launches"
local reattach_data = later "gantry.place.reattach_data"
local removal = later "gantry.plugin.removal"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

local release = {}

-- Seconds for the output to end of a plugin whose gate has told that it ended.
local LAST_WORDS <const> = 2

---Takes what the plugin said last, where it is known to have ended, and lets go of its output.
---@param plugin gantry.Plugin
local function end_stream(plugin)
  if not plugin.attached or plugin.stream_ended then return end
  if plugin.told_exit then task.deadline(LAST_WORDS, plugin.drained.wait, plugin.drained) end
  if not plugin.stream_ended then plugin.attached:cancel() end
  plugin.stream_ended = true
end

---@param plugin gantry.Plugin
---@param with_container boolean
local function give_back(plugin, with_container)
  plugin.given_back = true
  if plugin.gate then gate.let_go(plugin) end
  end_stream(plugin)
  if plugin.borrowed then return attach.clean(plugin) end
  credentials.drop(plugin)
  if plugin.container then reattach_data.forget(plugin.container, plugin.options.environment) end
  if plugin.name_directory then socket_directory.remove(plugin.name_directory) end
  plugin.name_directory = nil
  if with_container then plugin:remove_container() end
  if plugin.directory then socket_directory.remove(plugin.directory) end
end

---Gives back what the plugin holds: connections, container, directory. Without the directory, another generation can
---start while the container of this one, which is dead, is still there. One that is in nobody's way goes with the
---container, and so does the plugin's name, where none that follows has taken it over by then.
---@param plugin gantry.Plugin
---@param with_container boolean
function release.all(plugin, with_container)
  if plugin.connection then plugin.connection:close() end
  if plugin.told_exit and plugin.name_directory and not with_container then return end
  give_back(plugin, with_container)
end

---Hands on the plugin's name.
---@param plugin gantry.Plugin?
---@param path string of the directory that stands for it
---@return table? directory the caller's
function release.name(plugin, path)
  local directory = plugin and plugin.name_directory
  if not directory or directory:path() ~= path then return nil end
  plugin.name_directory = nil
  return directory
end

---Removes the container, unless it is kept for inspection: by its id, or where none was answered by the name that was
---chosen before it was made.
---@param plugin gantry.Plugin
---@return boolean? gone, gantry.Error? err where the container could not be removed
function release.container(plugin)
  if not plugin.given_back then give_back(plugin, false) end
  if plugin.config.debug and plugin.container then plugin.kept = true end
  if plugin.kept or plugin.borrowed or not plugin.container_name then return true end
  local gone, err = removal.remove(plugin.engine, plugin.container or plugin.container_name, plugin.may_appear)
  if gone then
    launches.forget(plugin.container_name, plugin.directory_path or plugin.root .. "/" .. plugin.name,
      plugin.options.environment)
  elseif not plugin.options.keeps_container then
    plugin.engine.swept[plugin.root .. "/" .. plugin.name] = nil
    plugin:event("warning", { text = ("container %s may be left on the engine (%s); the next run of '%s' removes it")
      :format(plugin.container_name, err.message, plugin.name) })
  end
  return gone, err
end

return release
