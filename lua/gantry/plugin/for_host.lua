-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/for_host.lua: what differs where a plugin is launched for a go-plugin host that knows nothing of gantry: who
--- it runs as, and what of its container follows from its host.

local core = require "gantry.core"
local home = require "gantry.config.home"
local variables = require "gantry.config.variables"

local for_host = {}

local USER_MODE <const>, GROUP_MODE <const> = tonumber("700", 8), tonumber("770", 8)

---@param engine gantry.EngineClient
---@return boolean whether the engine is this user's own, in whose containers root is this user
local function is_rootless(engine)
  local socket = engine.endpoint.unix_socket
  local status = socket and core.system.stat(socket)
  return status ~= nil and status.uid ~= 0 and status.uid == core.system.euid()
end

---@param config gantry.Config of the policy; is changed
---@param engine gantry.EngineClient
---@return boolean as_caller whether it runs as the host's user
function for_host.adapt(config, engine)
  local system = core.system
  local as_caller = config.user == nil and not config.rootless
  if as_caller then
    config.user = is_rootless(engine) and "0:0" or ("%d:%d"):format(system.euid(), system.egid())
  end
  if config.read_only == nil then config.read_only = true end -- what a host's plugin writes is to stay, or to fail
  config.auto_mtls = false -- the certificate is the host's
  return as_caller
end

---Whether plugin and host share its sockets by a group.
---@param config gantry.Config
---@param as_caller boolean
---@return boolean
function for_host.shares_by_group(config, as_caller)
  return config.socket_group ~= nil or not as_caller
end

---@param shared boolean
---@return integer mode of the socket directory
function for_host.directory_mode(shared)
  return shared and GROUP_MODE or USER_MODE
end

---The config of one that waits for whatever host comes.
---@param config gantry.Config
---@param engine gantry.EngineClient
---@return gantry.Config config, boolean as_caller
function for_host.config(config, engine)
  local adapted = {}
  for key, value in pairs(config) do adapted[key] = value end
  return adapted, for_host.adapt(adapted, engine)
end

---@param config gantry.Config
---@return string? field whose meaning is another one with each host, or which only the host's own launch can see to
local function of_host_alone(config)
  for _, field in ipairs { "cwd", "share_tmp", "credentials", "env_files", "outlive_host", "debug", "temp_dir",
    "gate" } do
    local value = config[field]
    if value and not (type(value) == "table" and next(value) == nil) then return field end
  end
  for _, group in ipairs(config.group_add or {}) do
    if group == "caller" then return "group_add" end
  end
  for _, mount in ipairs(config.mounts or {}) do
    if home.wanted(mount.source) then return "mounts" end
  end
  if variables.select(config.pass_env, { TMPDIR = "" }).TMPDIR then return "pass_env" end
end

---Why containers of a policy cannot wait for hosts: what they are has to be the same for each.
---@param policy gantry.RemotePolicy
---@return string? reason nil where they can
function for_host.unfit(policy)
  if policy.takes_context then return "its policy, or the site's, is a function of each launch" end
  local field = of_host_alone(policy.config)
  return field and ("'%s' depends on the host"):format(field) or nil
end

return for_host
