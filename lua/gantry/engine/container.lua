-- SPDX-License-Identifier: Apache-2.0
--
--- engine/container.lua: from a plugin's config to what its container is to be, in no engine's words. Pure.

local container = {}

-- Labels by which gantry finds its own containers again, after a kill -9 too.
container.LABEL = {
  plugin = "gantry.plugin", -- the plugin's name
  owner = "gantry.owner", -- who launched it: uid@machine
  directory = "gantry.directory", -- its socket directory on the host
  version = "gantry.version", -- of the gantry that launched it
  masked = "gantry.masked", -- names of variables whose values are shown to nobody
  unique = "gantry.unique", -- of a launch beside others of its plugin: its socket directory's name, which no other has
}

-- Where the policy says nothing: far above what a plugin needs, far below what stops a machine.
local PIDS_LIMIT <const> = 2048

---@param config gantry.Config
---@param facts gantry.ContainerFacts
---@return gantry.EngineMount[] mounts the socket directory is the first
local function mounts_of(config, facts)
  local list = {}
  local function add_own(source, target, read_only)
    list[#list + 1] = { kind = "bind", source = source, target = target, read_only = read_only, own = true,
      relabel = facts.relabel and "shared" or nil }
  end
  -- The same path on both sides: an address then means the same inside and outside, also within broker messages.
  add_own(facts.directory, facts.directory, false)
  if facts.credentials then add_own(facts.credentials.source, facts.credentials.target, true) end
  for _, some in ipairs { facts.shared or {}, facts.libraries or {}, config.mounts or {} } do
    for _, mount in ipairs(some) do
      list[#list + 1] = { kind = "bind", source = mount.source, target = mount.target,
        read_only = mount.read_only or false, relabel = facts.selinux and mount.relabel or nil }
    end
  end
  return list
end

---No process gains rights by what it executes, unless the policy says otherwise, or wants IPC_LOCK, which a program of
---another user than root has from its file alone.
---@param config gantry.Config
---@return boolean no_new_privileges
---@return string[] others what else of security options the policy has
local function security_of(config)
  local others, none, given = {}, false, config.cap_ipc_lock
  for _, option in ipairs(config.security_opt or {}) do
    local value = option:match "^no%-new%-privileges[:=]?(.*)$"
    if value then
      given, none = true, none or value ~= "false"
    else
      others[#others + 1] = option
    end
  end
  return none or not given, others
end

---The networks to join.
---@param config gantry.Config
---@return string? first
---@return table<string, table> endpoints settings by network
local function networks_of(config)
  if config.disable_network then return "none", {} end
  local endpoints, first = {}, config.networks and config.networks[1]
  for _, name in ipairs(config.networks or {}) do endpoints[name] = {} end
  for name, settings in pairs(config.endpoints_config or {}) do endpoints[name] = settings end
  return first or next(endpoints), endpoints
end

---Whether the plugin's network is this machine's: only then do its addresses mean the same here.
---@param config gantry.Config
---@return boolean
function container.has_host_network(config)
  return networks_of(config) == "host"
end

---@param config gantry.Config
---@param facts gantry.ContainerFacts
---@return table<string, string>
local function labels_of(config, facts)
  local labels = {}
  for key, value in pairs(config.labels or {}) do labels[key] = value end
  for key, value in pairs(facts.labels) do labels[key] = value end
  return labels
end

---@class gantry.ContainerFacts what of a container the config does not say
---@field image string
---@field directory string the socket directory on the host
---@field groups integer[]
---@field environment string[] NAME=value
---@field labels table<string, string>
---@field working_dir string?
---@field shared table[]? folders of the host at their own paths
---@field libraries table[]? what a binary needs to start
---@field credentials { source: string, target: string }? the folder of the credentials
---@field tmpfs table<string, string>?
---@field relabel boolean? whether mounts of ours are to be relabelled
---@field selinux boolean? whether there are labels
---@field outlives boolean? whether it is to go on where this process is killed

---What the container of a plugin is to be.
---@param config gantry.Config
---@param facts gantry.ContainerFacts
---@return gantry.ContainerSpec
function container.spec(config, facts)
  local network, endpoints = networks_of(config)
  local no_new_privileges, others = security_of(config)
  return {
    image = facts.image, entrypoint = config.entrypoint, args = config.args, env = facts.environment,
    user = config.user, groups = facts.groups, working_dir = config.working_dir or facts.working_dir,
    hostname = config.hostname, labels = labels_of(config, facts), stop_signal = config.stop_signal,
    -- Whose health is checked over its own protocol need not run the image's program for that as well.
    image_health = not config.health,
    mounts = mounts_of(config, facts), tmpfs = facts.tmpfs, devices = config.devices, dns = config.dns,
    extra_hosts = config.extra_hosts, ulimits = config.ulimits,
    network = network, loopback = network == "none" and not config.disable_network or nil, endpoints = endpoints,
    memory = config.memory, memory_swap = config.memory_swap or config.memory, nano_cpus = config.nano_cpus,
    cpuset = config.cpuset, pids_limit = config.pids_limit or PIDS_LIMIT, cgroup_parent = config.cgroup_parent,
    read_only = config.read_only, capabilities = config.cap_ipc_lock and { "IPC_LOCK" } or {},
    no_new_privileges = no_new_privileges, seccomp = config.seccomp, apparmor = config.apparmor,
    security_options = others, init = config.init, userns_mode = config.userns_mode, runtime = config.runtime,
    outlives = facts.outlives,
  }
end

return container
