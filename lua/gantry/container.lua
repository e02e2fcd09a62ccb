-- SPDX-License-Identifier: Apache-2.0
--
--- container.lua: from a plugin's config to the engine's request. Pure: `gantry plan` prints what it returns.

local json = require "gantry.json"

local container = {}

-- Labels by which gantry finds its own containers again, after a kill -9 too.
container.LABEL = {
  plugin = "gantry.plugin", -- the plugin's name
  owner = "gantry.owner", -- who launched it: uid@host
  directory = "gantry.directory", -- its socket directory on the host
  version = "gantry.version", -- of the gantry that launched it
  exec = "gantry.exec", -- launched for another host: the name of its own socket directory
}

---@param mounts { source: string, target: string, read_only: boolean? }[]
---@param facts { directory: string, shared: table[]? } the socket directory; folders of the host at their own paths
---@return table[] engine's mounts
local function engine_mounts(mounts, facts)
  -- The same path on both sides: an address then means the same inside and outside, also within broker messages.
  local list = { { Type = "bind", Source = facts.directory, Target = facts.directory,
    BindOptions = { Propagation = "private", NonRecursive = true } } }
  for _, some in ipairs { facts.shared or {}, mounts or {} } do
    for _, mount in ipairs(some) do
      list[#list + 1] = { Type = "bind", Source = mount.source, Target = mount.target, ReadOnly = mount.read_only
        or false }
    end
  end
  return list
end

---@param limits { name: string, soft: integer, hard: integer }[]?
local function engine_ulimits(limits)
  if not limits then return nil end
  local list = {}
  for i, limit in ipairs(limits) do list[i] = { Name = limit.name, Soft = limit.soft, Hard = limit.hard } end
  return json.array(list)
end

---The networks to join: the first at creation, the others before the start.
---@param config gantry.Config
---@return string? first
---@return table<string, table> endpoints the engine's endpoint settings by network
local function networks_of(config)
  local endpoints, first = {}, config.networks and config.networks[1]
  for _, name in ipairs(config.networks or {}) do endpoints[name] = {} end
  for name, settings in pairs(config.endpoints_config or {}) do endpoints[name] = settings end
  first = first or next(endpoints)
  return first, endpoints
end

---Networks that are connected after creation: engines before API 1.44 take one at creation.
---@param config gantry.Config
---@return table<string, table> endpoints
function container.further_networks(config)
  local first, endpoints = networks_of(config)
  if first then endpoints[first] = nil end
  return endpoints
end

---@param config gantry.Config
---@param facts { directory: string, groups: integer[] }
local function host_config(config, facts, network)
  local groups = {}
  for i, gid in ipairs(facts.groups) do groups[i] = tostring(gid) end
  return {
    AutoRemove = false, -- its exit code, OOM flag and last words are read after its death
    RestartPolicy = { Name = "no" },
    LogConfig = { Type = "none" }, -- the attached stream is the output: nothing is kept on disk as well
    CapDrop = json.array { "ALL" },
    CapAdd = config.cap_ipc_lock and json.array { "IPC_LOCK" } or nil,
    GroupAdd = json.array(groups),
    Mounts = json.array(engine_mounts(config.mounts, facts)),
    Runtime = config.runtime, CgroupParent = config.cgroup_parent, NanoCpus = config.nano_cpus, Memory = config.memory,
    PidsLimit = config.pids_limit, ReadonlyRootfs = config.read_only,
    SecurityOpt = config.security_opt and json.array(config.security_opt) or nil,
    Tmpfs = config.tmpfs, Ulimits = engine_ulimits(config.ulimits), NetworkMode = network,
  }
end

---The body of the engine's create request.
---@param config gantry.Config
---@param facts table image, directory, groups (integers), environment (NAME=value), labels
---@return table request
function container.request(config, facts)
  local network, endpoints = networks_of(config)
  local labels = {}
  for key, value in pairs(config.labels or {}) do labels[key] = value end
  for key, value in pairs(facts.labels) do labels[key] = value end
  return {
    Image = facts.image,
    Entrypoint = config.entrypoint and json.array(config.entrypoint) or nil,
    Cmd = config.args and json.array(config.args) or nil,
    Env = json.array(facts.environment),
    User = config.user, WorkingDir = config.working_dir or facts.working_dir, Labels = labels,
    AttachStdout = true, AttachStderr = true, AttachStdin = false, OpenStdin = false,
    Tty = false, -- a terminal has no frames: standard output and error could not be told apart
    NetworkDisabled = config.disable_network,
    HostConfig = host_config(config, facts, network),
    NetworkingConfig = network and { EndpointsConfig = { [network] = endpoints[network] } } or nil,
  }
end

return container
