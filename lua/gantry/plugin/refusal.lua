-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/refusal.lua: why an engine does not make a container, or why nobody can reach its plugin: found by asking and
--- looking, for engines word their reasons differently.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local interface = require "gantry.engine.interface"
local later = require "gantry.base.later"
local runtimes = later "gantry.engine.runtimes"
local view = require "gantry.engine.view"

local refusal = {}

---@param plugin gantry.Plugin
---@param err gantry.Error
---@return gantry.Error?
local function cgroup_error(plugin, err)
  local parent = plugin.config.cgroup_parent
  local info = parent and plugin.engine:info()
  if not info or info.cgroup_driver ~= "systemd" or parent:find("^[^/]+%.slice$") then return nil end
  return errors.new("CGROUP_PARENT", ("cgroup_parent '%s': the engine at %s keeps its cgroups with systemd, and takes "
    .. "only the name of a slice, such as plugins.slice"):format(parent, plugin.engine.endpoint.name),
    { status = err.status, cause = err })
end

---A folder or file of the policy's that is not there.
---@param plugin gantry.Plugin
---@param err gantry.Error
---@return gantry.Error?
local function missing_source(plugin, err)
  for _, mount in ipairs(plugin.config.mounts or {}) do
    local hidden = view.hidden(plugin.engine, mount.source)
    if hidden then
      return errors.new("FOLDER_HIDDEN", ("mounts: %s cannot be shared: %s; put it elsewhere, or set PrivateTmp=no in "
        .. "the unit"):format(mount.source, view.describe(hidden)), { status = err.status, cause = err })
    elseif not core.system.stat(mount.source) then
      return errors.new("MOUNT_SOURCE_MISSING", ("mounts: %s does not exist on this machine; make it, or correct the "
        .. "policy"):format(mount.source), { status = err.status, cause = err })
    end
  end
end

---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec
---@param err gantry.Error
---@return gantry.Error?
local function invisible_error(plugin, spec, err)
  local about = { image = spec.image, labels = spec.labels }
  if plugin.engine:sees_folder(plugin.directory_path, about) ~= false then return nil end
  return errors.new("DIRECTORY_NOT_VISIBLE", ("the engine at %s does not see %s, which is here; it must run on this "
    .. "machine; where it has folders of its own, %s"):format(plugin.engine.endpoint.name, plugin.directory_path,
    view.REMEDY), { status = err.status, cause = err })
end

---A socket directory that the engine would take for another one, which would be empty.
---@param plugin gantry.Plugin
---@param path string
---@return boolean? ok, gantry.Error? err DIRECTORY_NOT_VISIBLE
function refusal.check_visible(plugin, path)
  local hidden = view.hidden(plugin.engine, path)
  if not hidden then return true end
  return nil, errors.new("DIRECTORY_NOT_VISIBLE", ("the engine at %s does not see %s: %s; %s"):format(
    plugin.engine.endpoint.name, path, view.describe(hidden), view.REMEDY))
end

---Why the engine did not make, or not start, the container.
---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec what it was asked for
---@param err gantry.Error
---@return gantry.Error
function refusal.explain(plugin, spec, err)
  if not interface.answered(err) then return err end
  local found = cgroup_error(plugin, err)
  if not found and err.code == "ENGINE_REFUSED" then
    found = missing_source(plugin, err) or invisible_error(plugin, spec, err)
  end
  return found or err
end

---Why no socket is on the host of a plugin that says that it listens on one.
---@param plugin gantry.Plugin
---@param cause gantry.Error?
---@return gantry.Error
function refusal.no_socket(plugin, cause)
  local info = plugin.engine:info() or {}
  local name = plugin.config.runtime or info.default_runtime or ""
  local problem, remedy = runtimes.socket_problem(name, info.runtimes and info.runtimes[name] or {})
  if not problem then
    problem = "the engine must run on this machine, and its runtime must show sockets to the host"
    remedy = "see gantry doctor"
  end
  return errors.new("SOCKET_NOT_VISIBLE", ("plugin '%s' listens on %s, but no such socket is on the host: %s; %s")
    :format(plugin.name, plugin.handshake.address, problem, remedy), { cause = cause })
end

return refusal
