-- SPDX-License-Identifier: Apache-2.0
--
--- pod/fields.lua: what each field of a policy means in a pod. Every field of the schema is here: what a pod cannot say
--- is refused, what it says otherwise is warned of, and nothing is dropped without a word.

local places = require "gantry.pod.places"
local schema = require "gantry.config.schema"
local units = require "gantry.base.units"

local fields = {}

---@alias gantry.PodRule fun(sidecar: gantry.Sidecar, value: any, field: string)

---@param text string
---@return gantry.PodRule
local function refuse(text)
  return function(sidecar, _, field) sidecar:refuse(field, text) end
end

---@param text string
---@return gantry.PodRule
local function warn(text)
  return function(sidecar, _, field) sidecar:warn(field, text) end
end

-- What `gantry exec` does in the host's container with each start, as it does beside an engine.
local function in_host() end
-- What the gate is or does anyway, or means an engine, of which there is none.
local function met() end

local ONE_NETWORK <const> = "all containers of a pod share one network; set it in the pod, and leave it out with "
local UNDER_UP <const> = "counts under `gantry up`, and nobody looks at it in a pod"
local MEMORY_SHARE <const> = 2 -- of a plugin's memory that its temporary files may take: one half

-- ---- who it runs as ----

local function user(sidecar, value)
  local uid, gid = value:match "^(%d+):?(%d*)$"
  local context = sidecar.container.securityContext
  if not uid then return sidecar:refuse("user", "a pod knows users by number alone; write it as \"UID:GID\"") end
  context.runAsUser, context.runAsGroup = math.tointeger(uid), math.tointeger(gid)
  if context.runAsUser == 0 then
    context.runAsNonRoot = false
    sidecar:warn("user", "it runs as root, which Pod Security \"restricted\" does not admit")
  end
end

local function group_add(sidecar, value)
  for _, group in ipairs(value) do
    local number = math.tointeger(group)
    if not number then
      return sidecar:refuse("group_add", "a pod knows groups by number alone, and the host's own is fsGroup")
    end
    table.insert(sidecar.pod.groups, number)
  end
  sidecar:warn("group_add", "groups are of all containers of a pod (supplementalGroups), the host's as well")
end

local function userns_mode(sidecar, value)
  if value ~= "host" then sidecar:refuse("userns_mode", "set hostUsers in the pod, which is of all its containers") end
end

-- ---- isolation ----

local function memory(sidecar, value) sidecar:limit("limits", "memory", tostring(value)) end

local function memory_swap(sidecar, value)
  if value == sidecar.config.memory then return end
  sidecar:refuse("memory_swap", "swap is a setting of the node's (kubelet's memorySwap), not of a container")
end

local function nano_cpus(sidecar, value)
  sidecar:limit("limits", "cpu", ("%dm"):format(math.max(1, (value + 999999) // 1000000)))
end

local function runtime(sidecar, value)
  sidecar.pod.runtimeClassName = value
  sidecar:warn("runtime", "a runtime class is of the whole pod: the host's container runs by it as well")
end

local function cap_ipc_lock(sidecar)
  local context = sidecar.container.securityContext
  context.capabilities.add, context.allowPrivilegeEscalation = { "IPC_LOCK" }, true
  sidecar:warn("cap_ipc_lock", "Pod Security \"restricted\" does not admit IPC_LOCK; \"privileged\" does")
end

local function security_opt(sidecar, value)
  for _, option in ipairs(value) do
    local none = option:match "^no%-new%-privileges[:=]?(.*)$"
    if none == "false" then
      sidecar.container.securityContext.allowPrivilegeEscalation = true
      sidecar:warn("security_opt", "Pod Security \"restricted\" does not admit what gains privileges")
    elseif not none then
      sidecar:refuse("security_opt", ("%q is in an engine's words; say it by seccomp or apparmor"):format(option))
    end
  end
end

local function seccomp(sidecar, value)
  if value == "default" then return end
  if value ~= "unconfined" then
    return sidecar:refuse("seccomp", "a profile has to lie on every node, below kubelet's own folder; patch the "
      .. "manifest with seccompProfile = { type: Localhost }")
  end
  sidecar.container.securityContext.seccompProfile = { type = "Unconfined" }
  sidecar:warn("seccomp", "Pod Security \"restricted\" does not admit what is unconfined")
end

local function apparmor(sidecar, value)
  local is_none = value == "unconfined"
  sidecar.container.securityContext.appArmorProfile = is_none and { type = "Unconfined" }
    or { type = "Localhost", localhostProfile = value }
  sidecar:warn("apparmor", is_none and "Pod Security \"restricted\" does not admit what is unconfined"
    or "the profile has to be loaded on every node")
end

local function read_only(sidecar, value) sidecar.container.securityContext.readOnlyRootFilesystem = value end

-- What holds of an emptyDir of memory anyway: without privileges, what nosuid and nodev say is so.
local SAID <const> = { [""] = true, rw = true, exec = true, nosuid = true, nodev = true, ["mode=1777"] = true,
  ["mode=777"] = true, ["mode=0777"] = true }

---@param text string such as 16m
---@return integer? bytes
local function size_of(text)
  local number, unit = text:match "^(%d+)([kKmMgGtT]?)$"
  return number and units.bytes(number .. (unit == "" and "B" or unit:upper() .. "iB"))
end

local function tmpfs(sidecar, value)
  local paths = {}
  for path in pairs(value) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do
    local size
    for option in (value[path] .. ","):gmatch "([^,]*)," do
      size = size or size_of(option:match "^size=(.*)$" or "")
      if not SAID[option] and not (option:find "^size=" and size) then
        sidecar:refuse("tmpfs", ("an emptyDir has no option %q, for %s; it takes a size"):format(option, path))
      end
    end
    sidecar:add_memory(path, size)
  end
end

local function share_tmp(sidecar)
  sidecar.shares_tmp = true
  table.insert(sidecar.container.volumeMounts, { name = "gantry-tmp", mountPath = places.temporary })
end

-- ---- its life ----

local function pull(sidecar, value)
  if not sidecar.policy.given.pull then return end -- nodes have their own default
  local words = { never = "Never", missing = "IfNotPresent", always = "Always" }
  sidecar.container.imagePullPolicy = words[value]
  if value == "never" then
    sidecar:warn("pull", "every node must have the image already (imagePullPolicy: Never); --without pull leaves that "
      .. "to the nodes")
  end
end

local function start_timeout(sidecar, value)
  sidecar.container.startupProbe = { periodSeconds = 1, failureThreshold = math.max(1, math.ceil(value)),
    exec = { command = { places.gate, "--probe", places.socket(sidecar.name) } } }
end

local function stop_timeout(sidecar, value)
  table.move({ "--grace", ("%.0f"):format(value * 1000) }, 1, 2, #sidecar.options + 1, sidecar.options)
end

local function stop_signal(sidecar, value)
  if value ~= "SIGTERM" and value ~= "15" then
    sidecar:refuse("stop_signal", "the gate ends its plugin by SIGTERM")
  end
end

local function networks(sidecar, _, field)
  sidecar:refuse(field, ONE_NETWORK .. "--without " .. field .. "; disable_network is what a sidecar can have alone")
end

local function whole_network(sidecar, _, field) sidecar:refuse(field, ONE_NETWORK .. "--without " .. field) end

---@type table<string, gantry.PodRule>
fields.RULES = {
  name = met, image = met, tag = met, sha256 = met, entrypoint = met, args = met, gate = met, -- gantry.pod.image
  binary = refuse "a pod runs images alone; make one of it (FROM scratch, COPY, ENTRYPOINT)",
  libraries = refuse "a pod runs images alone: put the libraries into it",
  pull = pull,
  working_dir = function(sidecar, value) sidecar.container.workingDir = value end,
  user = user, rootless = met, group_add = group_add, userns_mode = userns_mode,
  env = in_host, pass_env = in_host, cookie = in_host, protocol_versions = in_host, protocol = in_host,
  auto_mtls = in_host, ulimits = in_host,
  env_files = warn "`gantry exec` reads these in the host's container: mount them there, as of a Secret",
  credentials = refuse("in a pod they come from a Secret: mount it into the sidecar, and set CREDENTIALS_DIRECTORY in "
    .. "env to where"),
  labels = warn "a container has none in Kubernetes; set the pod's",
  runtime = runtime, memory = memory, memory_swap = memory_swap, cpus = met, nano_cpus = nano_cpus,
  cpuset = refuse "a container cannot name processors; kubelet's CPU manager gives them, by its policy",
  pids_limit = warn "a container has none of its own: kubelet's podPidsLimit is of the whole pod",
  cgroup_parent = refuse "kubelet places a pod's control groups",
  cap_ipc_lock = cap_ipc_lock, security_opt = security_opt, seccomp = seccomp, apparmor = apparmor,
  devices = refuse "a device comes by a device plugin of the node, in resources.limits",
  read_only = read_only, tmpfs = tmpfs,
  mounts = refuse("a host's folder (hostPath) ties the pod to a node, and \"restricted\" does not admit it; add a "
    .. "volume at this path to both containers"),
  cwd = refuse "the host's current directory is in its own container; add a volume at its path to both",
  share_tmp = share_tmp,
  disable_network = function(sidecar) table.insert(sidecar.options, "--no-network") end,
  hostname = whole_network, dns = whole_network, extra_hosts = whole_network,
  networks = networks, endpoints_config = networks,
  socket_group = refuse "the pod's fsGroup is the group of its sockets",
  temp_dir = warn "sockets lie in the folder that host and sidecar share",
  start_timeout = start_timeout, stop_timeout = stop_timeout, stop_signal = stop_signal,
  init = met, engine_timeout = met, health = warn(UNDER_UP), after = warn(UNDER_UP),
  warm = warn "a sidecar waits at its gate as it is", standby = warn(UNDER_UP),
  restart = refuse("kubelet decides for a container (always again, 10 s to 5 min apart), and the host for a plugin; it "
    .. UNDER_UP),
  on_exit = refuse(UNDER_UP),
  outlive_host = refuse "a gate ends its plugin with whoever asked for it",
  debug = warn "nothing is kept of an ended container; `kubectl debug` looks into one that runs",
}

-- Where they say nothing: a rule that is applied all the same.
local ALWAYS <const> = { start_timeout = true, stop_timeout = true, pull = true }

---Applies all rules to a policy.
---@param sidecar gantry.Sidecar
function fields.apply(sidecar)
  local config = sidecar.config
  for _, field in ipairs(schema.fields) do
    local name, value = field.name, config[field.name]
    local is_said = value ~= nil and (value ~= field.default or ALWAYS[name])
    if sidecar.without[name] then
      if is_said then sidecar:warn(name, "left out, as told") end
    elseif is_said then
      fields.RULES[name](sidecar, value, name)
    end
  end
  if not config.disable_network then
    sidecar:warn("disable_network", "it shares the pod's network, with what listens on the host's localhost; on an "
      .. "engine it has one of its own")
  end
  if not (config.tmpfs and config.tmpfs["/tmp"]) then
    sidecar:add_memory("/tmp", config.memory and config.memory // MEMORY_SHARE)
  end
  table.insert(sidecar.container.env, { name = "TMPDIR", value = "/tmp" })
end

return fields
