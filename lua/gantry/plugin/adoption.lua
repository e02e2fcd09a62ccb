-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/adoption.lua: takes over a container that runs already: its directory, its output, its connection. What the
--- launch learned comes as facts, since a plugin says its handshake only once.

local attach = require "gantry.plugin.attach"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local interface = require "gantry.engine.interface"
local launch = require "gantry.plugin.launch"
local launches = require "gantry.place.launches"

local adoption = {}

---@class gantry.AdoptionFacts
---@field container string id
---@field root string where its socket directory is
---@field directory string? its name, where that is not the plugin's
---@field handshake table? as gantry.core.handshake.parse gave it; without it, it is followed and stopped, not called
---@field certificate { certificate: string, key: string }? ours, of AutoMTLS
---@field stopping boolean? whether it was being stopped
---@field ready_ms number?
---@field handshake_ms number?

---@param plugin gantry.Plugin
---@param facts gantry.AdoptionFacts
---@return boolean? running, gantry.Error? err, gantry.Exit? ended
local function look(plugin, facts)
  local inspected, err = plugin.engine:inspect(facts.container)
  if not inspected then
    if err.code ~= "NOT_FOUND" then return nil, err end
    return nil, errors.new("NOT_RUNNING", ("container %s is gone"):format(facts.container:sub(1, 12))),
      exit.unknown("lost", "the container was removed while nobody watched", facts.stopping or false)
  end
  plugin.inspected, plugin.container = inspected, inspected.id
  local launched = launches.by_id(inspected.id, plugin.options.environment)
  plugin.container_name = launched and launched.container or inspected.name
  if inspected.state.paused then return nil, attach.paused(plugin.engine, inspected.id) end
  if inspected.state.running then return true end
  return nil, errors.new("NOT_RUNNING", ("container %s has ended"):format(facts.container:sub(1, 12))),
    exit.from_state(inspected.state, facts.stopping or false, facts.stopping)
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
local function follow(plugin)
  plugin:open_output()
  return plugin:attach()
end

---@param plugin gantry.Plugin
---@param facts gantry.AdoptionFacts
---@return boolean? ok, gantry.Error? err
local function reconnect(plugin, facts)
  plugin.handshake, plugin.certificate = facts.handshake, facts.certificate
  if not facts.handshake then
    plugin.protocol = "grpc"
    return true
  end
  plugin.protocol, plugin.protocol_version = facts.handshake.protocol, facts.handshake.protocol_version
  if not plugin.config.auto_mtls or facts.certificate then
    local ok, err = launch.steps.connect(plugin)
    if not ok then return nil, err end
  end
  return launch.steps.publish(plugin)
end

---@param plugin gantry.Plugin
---@param facts gantry.AdoptionFacts
---@return boolean? ok, gantry.Error? err
---@return gantry.Exit? ended where it runs no more
function adoption.run(plugin, facts)
  plugin.directory_name = facts.directory
  local directory, busy = core.socket_dir.adopt(facts.root, facts.directory or plugin.name)
  if not directory and busy.code == "SOCKET_DIR_BUSY" then return nil, busy end
  local running, err, ended = look(plugin, facts)
  if running and not directory then running, err = nil, busy end
  if not running then
    if directory then directory:close() end
    return nil, err, ended
  end
  plugin.directory, plugin.directory_path, plugin.root = directory, directory:path(), facts.root
  plugin.ready_ms = facts.ready_ms or 0
  plugin.handshake_ms = facts.handshake_ms
  plugin.reference, plugin.image = plugin.inspected.image, { id = plugin.inspected.image_id }
  local ok
  ok, err = follow(plugin)
  -- Gone or ended between the look and this: then the look again says how.
  if not ok and interface.answered(err) then ended = select(3, look(plugin, facts)) end
  if ok then ok, err = launch.steps.hold_name(plugin) end
  if ok then ok, err = reconnect(plugin, facts) end
  if ok then return true end
  if plugin.name_directory then plugin.name_directory:close() end
  if plugin.connection then plugin.connection:close() end
  if plugin.attached then plugin.attached:cancel() end
  directory:close()
  return nil, err, ended
end

return adoption
