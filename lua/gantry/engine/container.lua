-- SPDX-License-Identifier: Apache-2.0
--
--- engine/container.lua: from a plugin's config to the engine's request. Pure: `gantry plan` prints what it returns.

local json = require "gantry.json"

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

-- What makes SELinux let containers open it: Docker takes this with a bind only.
local LABELS <const> = { shared = "z", private = "Z" }

---@param mount { source: string, target: string, read_only: boolean?, relabel: string? }
---@return string
local function bind(mount)
  return ("%s:%s:%s,private,%s"):format(mount.source, mount.target, mount.read_only and "ro" or "rw",
    LABELS[mount.relabel])
end

---@param config gantry.Config
---@param facts { directory: string, shared: table[]?, libraries: table[]?, credentials: table?, relabel: boolean?,
--- selinux: boolean? } the socket directory; folders of the host at their own paths; what a binary needs to start; that
--- of the credentials; whether ours are to be relabelled; whether there are labels
---@return table[] mounts, string[]? binds the engine's; the socket directory is the first of both
local function engine_mounts(config, facts)
  local list, binds = {}, {}
  local function add_own(source, target, read_only)
    if facts.relabel then
      binds[#binds + 1] = bind { source = source, target = target, read_only = read_only, relabel = "shared" }
    else
      list[#list + 1] = { Type = "bind", Source = source, Target = target, ReadOnly = read_only,
        BindOptions = { Propagation = "private", NonRecursive = true } }
    end
  end
  -- The same path on both sides: an address then means the same inside and outside, also within broker messages.
  add_own(facts.directory, facts.directory)
  if facts.credentials then add_own(facts.credentials.source, facts.credentials.target, true) end
  for _, some in ipairs { facts.shared or {}, facts.libraries or {}, config.mounts or {} } do
    for _, mount in ipairs(some) do
      if facts.selinux and mount.relabel then
        binds[#binds + 1] = bind(mount)
      else
        list[#list + 1] = { Type = "bind", Source = mount.source, Target = mount.target, ReadOnly = mount.read_only
          or false }
      end
    end
  end
  return json.array(list), #binds > 0 and json.array(binds) or nil
end

---@param limits { name: string, soft: integer, hard: integer }[]?
local function engine_ulimits(limits)
  if not limits then return nil end
  local list = {}
  for i, limit in ipairs(limits) do list[i] = { Name = limit.name, Soft = limit.soft, Hard = limit.hard } end
  return json.array(list)
end

---@param devices { source: string, target: string, permissions: string }[]?
local function engine_devices(devices)
  if not devices then return nil end
  local list = {}
  for i, one in ipairs(devices) do
    list[i] = { PathOnHost = one.source, PathInContainer = one.target, CgroupPermissions = one.permissions }
  end
  return json.array(list)
end

---@param hosts table<string, string>?
local function engine_hosts(hosts)
  if not hosts then return nil end
  local list = {}
  for name, address in pairs(hosts) do list[#list + 1] = name .. ":" .. address end
  table.sort(list)
  return json.array(list)
end

---No process gains rights by what it executes, unless the policy says otherwise, or wants IPC_LOCK, which a program of
---another user than root has from its file alone.
---@param config gantry.Config
local function security_options(config)
  local list, given = {}, config.cap_ipc_lock
  for _, option in ipairs(config.security_opt or {}) do
    local value = option:match "^no%-new%-privileges[:=]?(.*)$"
    given = given or value ~= nil
    if value ~= "false" then list[#list + 1] = option end
  end
  if not given then list[#list + 1] = "no-new-privileges" end
  if config.apparmor then list[#list + 1] = "apparmor=" .. config.apparmor end
  if config.seccomp == "unconfined" then list[#list + 1] = "seccomp=unconfined" end
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

---Whether the plugin's network is this machine's: only then do its addresses mean the same here.
---@param config gantry.Config
---@return boolean
function container.has_host_network(config)
  return networks_of(config) == "host"
end

---@param config gantry.Config
---@param facts { directory: string, groups: integer[], tmpfs: table<string, string>? }
local function host_config(config, facts, network)
  local groups = {}
  for i, gid in ipairs(facts.groups) do groups[i] = tostring(gid) end
  local mounts, binds = engine_mounts(config, facts)
  return {
    AutoRemove = false, -- its exit code, OOM flag and last words are read after its death
    RestartPolicy = { Name = "no" },
    LogConfig = { Type = "none" }, -- the attached stream is the output: nothing is kept on disk as well
    CapDrop = json.array { "ALL" },
    CapAdd = config.cap_ipc_lock and json.array { "IPC_LOCK" } or nil,
    GroupAdd = json.array(groups),
    Mounts = mounts, Binds = binds,
    Runtime = config.runtime, CgroupParent = config.cgroup_parent, NanoCpus = config.nano_cpus, Memory = config.memory,
    MemorySwap = config.memory_swap or config.memory, CpusetCpus = config.cpuset,
    PidsLimit = config.pids_limit or PIDS_LIMIT, ReadonlyRootfs = config.read_only,
    SecurityOpt = security_options(config), Init = config.init, UsernsMode = config.userns_mode,
    Devices = engine_devices(config.devices), Dns = config.dns and json.array(config.dns) or nil,
    ExtraHosts = engine_hosts(config.extra_hosts), Tmpfs = facts.tmpfs,
    Ulimits = engine_ulimits(config.ulimits), NetworkMode = network,
  }
end

---The body of the engine's create request.
---@param config gantry.Config
---@param facts table image, directory, groups (integers), environment (NAME=value), labels, and as of engine_mounts
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
    Hostname = config.hostname, StopSignal = config.stop_signal,
    -- Whose health is checked over its own protocol need not run the image's program for that as well.
    Healthcheck = config.health and { Test = json.array { "NONE" } } or nil,
    Tty = false, -- a terminal has no frames: standard output and error could not be told apart
    NetworkDisabled = config.disable_network,
    HostConfig = host_config(config, facts, network),
    -- Its mode alone names the network: Podman takes no settings, not even none, for those without addresses (host).
    NetworkingConfig = network and next(endpoints[network]) and { EndpointsConfig = { [network] = endpoints[network] } }
      or nil,
  }
end

return container
