-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/request.lua: what a container is to be, as the body of Docker's POST /containers/create.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local later = require "gantry.base.later"
local podman = later "gantry.engine.docker.podman"
local profile = later "gantry.engine.profile"

local request = {}

-- What makes SELinux let containers open it: Docker takes this with a bind only.
local LABELS <const> = { shared = "z", private = "Z" }

---@param mount gantry.EngineMount
---@return string
local function bind(mount)
  return ("%s:%s:%s,private,%s"):format(mount.source, mount.target, mount.read_only and "ro" or "rw",
    LABELS[mount.relabel])
end

---@param mount gantry.EngineMount
---@return table? options
local function bind_options(mount)
  if mount.own then return { Propagation = "private", NonRecursive = true } end
  if mount.recursively_read_only then return { Propagation = "rprivate", ReadOnlyForceRecursive = true } end
end

---@param mounts gantry.EngineMount[]
---@return table[] mounts, string[]? binds
local function mounts_of(mounts)
  local list, binds = {}, {}
  for _, mount in ipairs(mounts) do
    if mount.relabel then
      binds[#binds + 1] = bind(mount)
    else
      list[#list + 1] = { Type = mount.kind, Source = mount.source, Target = mount.target,
        ReadOnly = mount.read_only or false, BindOptions = bind_options(mount) }
    end
  end
  return json.array(list), #binds > 0 and json.array(binds) or nil
end

---@param limits { name: string, soft: integer, hard: integer }[]?
local function ulimits_of(limits)
  if not limits then return nil end
  local list = {}
  for i, limit in ipairs(limits) do list[i] = { Name = limit.name, Soft = limit.soft, Hard = limit.hard } end
  return json.array(list)
end

---@param devices { source: string, target: string, permissions: string }[]?
local function devices_of(devices)
  if not devices then return nil end
  local list = {}
  for i, one in ipairs(devices) do
    list[i] = { PathOnHost = one.source, PathInContainer = one.target, CgroupPermissions = one.permissions }
  end
  return json.array(list)
end

---@param hosts table<string, string>?
local function hosts_of(hosts)
  if not hosts then return nil end
  local list = {}
  for name, address in pairs(hosts) do list[#list + 1] = name .. ":" .. address end
  table.sort(list)
  return json.array(list)
end

---Docker takes a profile's text, Podman its path.
---@param kind "docker"|"podman"
---@param seccomp string?
---@return string? option, gantry.Error? err
local function seccomp_of(kind, seccomp)
  if not seccomp then return nil end
  if seccomp == "unconfined" then return "seccomp=unconfined" end
  local text, err = profile.read(seccomp)
  if not text then return nil, err end
  return "seccomp=" .. (kind == "podman" and seccomp or text)
end

---@param kind "docker"|"podman"
---@param spec gantry.ContainerSpec
---@return string[]? options, gantry.Error? err
local function security_options(kind, spec)
  local list = { table.unpack(spec.security_options or {}) }
  if spec.no_new_privileges then list[#list + 1] = "no-new-privileges" end
  if spec.apparmor then list[#list + 1] = "apparmor=" .. spec.apparmor end
  local seccomp, err = seccomp_of(kind, spec.seccomp)
  if err then return nil, err end
  list[#list + 1] = seccomp
  return json.array(list)
end

---@param spec gantry.ContainerSpec
---@return boolean whether it is to have no network at all: on Docker that halves the time of a start, where the mode
--- "none" does not
local function is_disabled(spec)
  return spec.network == "none" and not spec.loopback
end

---@param spec gantry.ContainerSpec
---@param options string[]
---@return table
local function host_config(spec, options)
  local groups = {}
  for i, gid in ipairs(spec.groups) do groups[i] = tostring(gid) end
  local mounts, binds = mounts_of(spec.mounts)
  return {
    AutoRemove = false, -- its exit code, OOM flag and last words are read after its death
    RestartPolicy = { Name = "no" },
    LogConfig = { Type = "none" }, -- the attached stream is the output: nothing is kept on disk as well
    CapDrop = json.array { "ALL" },
    CapAdd = #spec.capabilities > 0 and json.array { table.unpack(spec.capabilities) } or nil,
    GroupAdd = json.array(groups),
    Mounts = mounts, Binds = binds,
    Runtime = spec.runtime, CgroupParent = spec.cgroup_parent, NanoCpus = spec.nano_cpus, Memory = spec.memory,
    MemorySwap = spec.memory_swap, CpusetCpus = spec.cpuset,
    PidsLimit = spec.pids_limit, ReadonlyRootfs = spec.read_only,
    SecurityOpt = options, Init = spec.init, UsernsMode = spec.userns_mode,
    Devices = devices_of(spec.devices), Dns = spec.dns and json.array { table.unpack(spec.dns) } or nil,
    ExtraHosts = hosts_of(spec.extra_hosts), Tmpfs = spec.tmpfs,
    Ulimits = ulimits_of(spec.ulimits), NetworkMode = not is_disabled(spec) and spec.network or nil,
  }
end

---@param list string[]?
---@return string[]?
local function array(list)
  return list and json.array { table.unpack(list) } or nil
end

---@param spec gantry.ContainerSpec
---@param options string[] for security
---@return table body
local function body_of(spec, options)
  local endpoint = spec.network and spec.endpoints[spec.network]
  return {
    Image = spec.image, Entrypoint = array(spec.entrypoint), Cmd = array(spec.args), Env = array(spec.env),
    User = spec.user, WorkingDir = spec.working_dir, Labels = spec.labels,
    AttachStdout = true, AttachStderr = true, AttachStdin = spec.open_input or false,
    OpenStdin = spec.open_input or false, StdinOnce = spec.open_input or false,
    Hostname = spec.hostname, StopSignal = spec.stop_signal,
    Healthcheck = not spec.image_health and { Test = json.array { "NONE" } } or nil,
    Tty = false, -- a terminal has no frames: standard output and error could not be told apart
    NetworkDisabled = is_disabled(spec),
    HostConfig = host_config(spec, options),
    -- Its mode alone names the network: Podman takes no settings, not even none, for those without addresses (host).
    NetworkingConfig = endpoint and next(endpoint) and { EndpointsConfig = { [spec.network] = endpoint } } or nil,
  }
end

---Docker's own way to say no user namespace is the only one that it knows.
---@param spec gantry.ContainerSpec
---@return gantry.Error? err
local function docker_refuses(spec)
  local mode = spec.userns_mode
  if not mode or mode == "host" then return nil end
  return errors.new("ENGINE_UNSUPPORTED", ("userns_mode: Docker knows \"host\" alone, got '%s'; leave it out, or "
    .. "use Podman"):format(mode))
end

---An input is handed over with the connection that carries it, which TLS keeps in this process.
---@param engine gantry.EngineClient
---@param spec gantry.ContainerSpec
---@return gantry.Error? err
local function input_refused(engine, spec)
  if not spec.open_input or not engine.endpoint.url:find "^https:" then return nil end
  return errors.new("ENGINE_UNSUPPORTED", "warm: its runtime lets no socket of a container that waits through to this "
    .. "machine, and over TLS the container's input is out of reach; leave it out of the policy")
end

---The request for a container, or why this kind of engine would ignore some of it.
---@param engine gantry.EngineClient
---@param spec gantry.ContainerSpec
---@param made string? a source of a mount that will be made
---@return table? request, gantry.Error? err
function request.of(engine, spec, made)
  local options, err = security_options(engine.kind, spec)
  err = err or input_refused(engine, spec)
  if err then return nil, err end
  local body = body_of(spec, options)
  if engine.kind == "podman" then
    local info, unknown = engine:info()
    if not info then return nil, unknown end
    return podman.fit(body, info, made)
  end
  local refused = docker_refuses(spec)
  if refused then return nil, refused end
  return body
end

return request
