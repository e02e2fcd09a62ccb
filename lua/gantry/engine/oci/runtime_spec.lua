-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/runtime_spec.lua: from what a container is to be to config.json, as the OCI runtime specification has it.
--- Pure: `gantry plan` prints what it returns. What of the machine it depends on are the facts (runtime_facts.lua).
--- What cannot be had is refused by its field; nothing is dropped.

local identity = require "gantry.engine.oci.identity"
local json = require "gantry.json"
local limits = require "gantry.engine.oci.limits"
local mount_points = require "gantry.engine.oci.mount_points"
local mounts = require "gantry.engine.oci.mounts"
local network = require "gantry.engine.oci.network"
local refusal = require "gantry.engine.oci.refusal"
local security = require "gantry.engine.oci.security"

local runtime_spec = {}

local VERSION <const> = "1.0.2"
local UMASK <const> = tonumber("022", 8)
local DEFAULT_PATH <const> = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
-- Where the first process that reaps lies inside: on memory of the runtime's, so that the image has no need of it.
local INIT <const> = "/dev/gantry-init"
-- What a mode of a device's file has.
local PERMISSIONS <const> = tonumber("777", 8)

-- What tells of the machine or lets it be changed, as Docker's engine hides it.
local MASKED <const> = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
  "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
  "/sys/devices/virtual/powercap", "/sys/firmware" }
local READ_ONLY <const> = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" }

---@class gantry.RuntimeFacts what of runtime, machine and image a container depends on
---@field runtime "crun"|"runc"|"runsc"
---@field rootless boolean whether it is an ordinary user's
---@field uid integer the caller's
---@field gid integer the caller's
---@field machine string as uname has it, such as x86_64
---@field kernel string its release
---@field cgroup_version 1|2
---@field cgroup_parent string? the cgroup of gantry's below which its containers' are; nil where it may make none
---@field cgroup_reason string? why it may make none, or limits too little
---@field controllers string[] what can be limited there
---@field swap_accounting boolean whether the kernel counts swap
---@field device_filter boolean whether the runtime can have the kernel filter devices, as root
---@field hard_limits table<string, integer> an ordinary user's own, by name (nofile); those without a bound are absent
---@field selinux boolean
---@field apparmor boolean
---@field network gantry.NetworkFacts
---@field hosts string? text of this machine's /etc/hosts
---@field resolv_conf string? text of this machine's /etc/resolv.conf
---@field id string the container's
---@field directory string the container's own directory
---@field root string the image's root file system
---@field writable_root string? one of the container's own
---@field user gantry.ImageUser who its process is to be
---@field seccomp any? decoded profile of spec.seccomp, where that is a path
---@field kinds table<string, "file"|"directory"> of the mounts' sources
---@field devices table<string, table> of the devices' sources: as gantry.core's system.stat says it
---@field gate { path: string, arguments: string[] }? a static program that waits for a word, and reaps, on this machine
---@field init { path: string, arguments: string[] }? a static program that reaps, on this machine, and its arguments

---@class gantry.RuntimeSpec
---@field config table config.json
---@field files table<string, string> texts of files to make before the start, by path in the container's directory
---@field points gantry.MountPoint[] what must be there in the root file system
---@field network gantry.NetworkChoice
---@field arguments string[] the runtime's own, before its command
---@field notes string[] what a person should know of it

-- ---- process ----

---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param first { path: string, arguments: string[] }? what the container begins with in place of the plugin
---@return string[]? arguments, gantry.Error? err
local function command(spec, image, first)
  local list = json.array {}
  if first then
    list[1] = INIT
    for _, argument in ipairs(first.arguments) do list[#list + 1] = argument end
  elseif spec.init then
    return refusal.unsupported("init", "the first process that reaps is not installed; leave it out of the policy")
  end
  local before = #list
  for _, argument in ipairs(spec.entrypoint or image.entrypoint or {}) do list[#list + 1] = argument end
  -- Whoever names another program does not mean the image's arguments.
  for _, argument in ipairs(spec.args or not spec.entrypoint and image.command or {}) do list[#list + 1] = argument end
  if #list == before then
    return refusal.wrong("entrypoint", "image %s names no program; set entrypoint in the policy", spec.image)
  end
  return list
end

---Variables, each once, the last word of all that name it.
---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param facts gantry.RuntimeFacts
---@param hostname string
---@return string[]
local function environment(spec, image, facts, hostname)
  local list, place = json.array {}, {}
  for _, some in ipairs { { DEFAULT_PATH, "HOSTNAME=" .. hostname, "HOME=" .. facts.user.home }, image.env or {},
    spec.env } do
    for _, entry in ipairs(some) do
      local name = entry:match "^[^=]*"
      place[name] = place[name] or #list + 1
      list[place[name]] = entry
    end
  end
  return list
end

---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@return string
local function working_dir(spec, image)
  local path = spec.working_dir or image.working_dir
  return path and path ~= "" and path or "/"
end

---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param facts gantry.RuntimeFacts
---@param parts { identity: gantry.Identity, choice: gantry.SecurityChoice, hostname: string, capabilities: table }
---@return table? process, gantry.Error? err
local function process_of(spec, image, facts, parts)
  local arguments, err = command(spec, image, parts.first)
  if not arguments then return nil, err end
  local rlimits
  rlimits, err = limits.of_process(spec, facts)
  if not rlimits then return nil, err end
  local profile
  profile, err = security.apparmor(parts.choice, facts)
  if profile == nil then return nil, err end
  local found = parts.identity
  return {
    terminal = false, args = arguments, env = environment(spec, image, facts, parts.hostname),
    cwd = working_dir(spec, image), rlimits = rlimits, noNewPrivileges = parts.choice.no_new_privileges,
    capabilities = parts.capabilities, apparmorProfile = profile or nil,
    user = { uid = found.uid, gid = found.gid, umask = UMASK,
      additionalGids = #found.groups > 0 and json.array(found.groups) or nil },
  }
end

-- ---- linux ----

---@param facts gantry.RuntimeFacts
---@param choice gantry.NetworkChoice
---@return table[]
local function namespaces(facts, choice)
  local list = json.array {}
  for _, name in ipairs { "pid", "ipc", "uts", "mount" } do list[#list + 1] = { type = name } end
  if choice.mode ~= "host" then list[#list + 1] = { type = "network" } end
  if facts.rootless and facts.runtime ~= "runsc" then list[#list + 1] = { type = "user" } end
  if facts.cgroup_version == 2 and facts.runtime ~= "runsc" then list[#list + 1] = { type = "cgroup" } end
  return list
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param resources table linux.resources, which is added to
---@return table[]? devices linux.devices; nil where there are none, or with an error
---@return gantry.Error? err
local function devices(spec, facts, resources)
  local list = json.array {}
  for _, one in ipairs(spec.devices or {}) do
    if facts.rootless or facts.runtime == "runsc" then
      return refusal.unsupported("devices", "%s gets no device of this machine (%s); run gantry as root with crun or "
        .. "runc, or mount what the device serves", facts.rootless and "an ordinary user's container" or "gVisor",
        one.source)
    end
    local status = facts.devices[one.source]
    if not status or not status.device then
      return refusal.wrong("devices", "%s is no device of this machine; correct the policy", one.source)
    end
    list[#list + 1] = { path = one.target, type = status.device, major = status.major, minor = status.minor,
      fileMode = status.mode & PERMISSIONS, uid = status.uid, gid = status.gid }
    table.insert(resources.devices or {}, { allow = true, type = status.device, major = status.major,
      minor = status.minor, access = one.permissions })
  end
  return #list > 0 and list or nil
end

---The cgroup's path. The policy's parent has one of gantry's in it, so that what is left of it can be found.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return string|false|nil path false for none; nil with an error
---@return gantry.Error? err
local function cgroup(spec, facts)
  local parent = spec.cgroup_parent
  if not facts.cgroup_parent then
    if parent then return refusal.not_delegated("cgroup_parent", facts.cgroup_reason, facts.rootless) end
    return false
  end
  if not parent then return ("%s/%s"):format(facts.cgroup_parent, facts.id) end
  if facts.rootless or ("/" .. parent .. "/"):find("/../", 1, true) or parent:find("%.slice$") then
    return refusal.unsupported("cgroup_parent", "'%s' is no path of a cgroup that gantry may make its own in: as root, "
      .. "name one such as /plugins", parent)
  end
  return ("/%s/gantry/%s"):format(parent:gsub("^/*", ""):gsub("/*$", ""), facts.id)
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param parts table identity, choice (of security), network, capabilities
---@return table? linux, gantry.Error? err
local function linux_of(spec, facts, parts)
  local resources, err = limits.of(spec, facts)
  if not resources then return nil, err end
  local nodes
  nodes, err = devices(spec, facts, resources)
  if err then return nil, err end
  local path
  path, err = cgroup(spec, facts)
  if path == nil then return nil, err end
  local filter
  filter, err = security.filter(parts.choice, facts, parts.capabilities.bounding)
  if filter == nil then return nil, err end
  local uids, gids = identity.mappings(parts.identity, facts)
  return {
    namespaces = namespaces(facts, parts.network), uidMappings = uids, gidMappings = gids, resources = resources,
    devices = nodes, cgroupsPath = path or nil, seccomp = filter or nil, rootfsPropagation = "rprivate",
    maskedPaths = json.array { table.unpack(MASKED) }, readonlyPaths = json.array { table.unpack(READ_ONLY) },
  }
end

-- ---- the whole ----

---@param facts gantry.RuntimeFacts
---@param choice gantry.NetworkChoice
---@return string[]
local function arguments_of(facts, choice)
  if facts.runtime == "crun" then
    return { "--cgroup-manager=" .. (facts.cgroup_parent and "cgroupfs" or "disabled") }
  elseif facts.runtime == "runc" then
    return {}
  end
  local list = { "--host-uds=all", "--network=" .. (choice.mode == "host" and "host" or "none") }
  if facts.rootless then list[#list + 1] = "--rootless" end
  if not facts.cgroup_parent then list[#list + 1] = "--ignore-cgroups" end
  return list
end

---What a container begins with in place of the plugin: what waits until its network is there, or what reaps.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param choice gantry.NetworkChoice
---@return { path: string, arguments: string[] }|false|nil first false for nothing; nil with an error
---@return gantry.Error? err
local function first_of(spec, facts, choice)
  if choice.mode ~= "user" then return spec.init ~= false and facts.init or false end
  if facts.gate then return facts.gate end
  return refusal.unsupported("networks", "gantry-gate, which holds the plugin back until its network is there, is not "
    .. "there; install gantry anew")
end

---What of a container is decided before its parts are put together.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return table? parts, gantry.Error? err
local function decide(spec, facts)
  local ok, err = identity.check_userns(spec, facts)
  if not ok then return nil, err end
  if spec.open_input then
    return refusal.unsupported("warm", "its runtime lets no socket of a container that waits through to this machine, "
      .. "and nobody but its monitor has the container's input; leave it out of the policy")
  end
  local parts = { hostname = spec.hostname or facts.id:sub(1, 12) }
  for _, step in ipairs {
    { "network", network.choose }, { "identity", identity.of }, { "choice", security.choose },
    { "capabilities", function() return identity.capabilities(spec, facts, parts.identity) end },
  } do
    parts[step[1]], err = step[2](spec, facts)
    if not parts[step[1]] then return nil, err end
  end
  parts.first, err = first_of(spec, facts, parts.network)
  if parts.first == nil then return nil, err end
  return parts
end

---Files of gantry's that the container sees, and their texts.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param parts table
---@return table<string, string> texts by name in the container's directory
---@return { path: string, source: string, options: string[]? }[] files
local function own_files(spec, facts, parts)
  local texts, files = {}, {}
  local function add(name, text)
    texts[name] = text
    files[#files + 1] = { path = "/etc/" .. name, source = facts.directory .. "/" .. name }
  end
  add("hosts", network.hosts(spec, parts.network, facts, parts.hostname))
  local resolv = network.resolv(spec, parts.network, facts)
  if resolv then add("resolv.conf", resolv) end
  if parts.first then
    files[#files + 1] = { path = INIT, source = parts.first.path, options = { "bind", "private", "nosuid", "nodev",
      "ro" } }
  end
  return texts, files
end

---@param facts gantry.RuntimeFacts
---@param files { source: string }[]
---@return table<string, "file"|"directory">
local function kinds_of(facts, files)
  local kinds = {}
  for source, kind in pairs(facts.kinds) do kinds[source] = kind end
  for _, file in ipairs(files) do kinds[file.source] = "file" end
  return kinds
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return string? path of the root file system, gantry.Error? err
local function root_of(spec, facts)
  if spec.read_only ~= false then return facts.root end
  if facts.writable_root then return facts.writable_root end
  return refusal.unsupported("read_only", "a writable root needs a directory of the container's own")
end

---@param facts gantry.RuntimeFacts
---@param parts table
---@return string[]
local function notes_of(facts, parts)
  local notes = { parts.identity.note }
  if not facts.rootless and facts.runtime == "crun" and not facts.device_filter then
    notes[#notes + 1] = "devices: crun needs CAP_SYS_RESOURCE to have the kernel filter them, which this root "
      .. "lacks; what holds is that the plugin can make no device file, and that no mount but /dev has any"
  end
  return notes
end

---Builds config.json.
---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param facts gantry.RuntimeFacts
---@return gantry.RuntimeSpec? built, gantry.Error? err ENGINE_UNSUPPORTED, ENGINE_REFUSED, LIMIT_NOT_DELEGATED,
---SECCOMP_INVALID; err.field is the policy's field
function runtime_spec.build(spec, image, facts)
  local parts, err = decide(spec, facts)
  if not parts then return nil, err end
  local texts, files = own_files(spec, facts, parts)
  local list, root, process, linux
  list, err = mounts.of(spec, facts, parts.identity, { network = parts.network.mode ~= "host", files = files })
  if not list then return nil, err end
  root, err = root_of(spec, facts)
  if not root then return nil, err end
  process, err = process_of(spec, image, facts, parts)
  if not process then return nil, err end
  linux, err = linux_of(spec, facts, parts)
  if not linux then return nil, err end
  return {
    config = { ociVersion = VERSION, process = process, root = { path = root, readonly = spec.read_only ~= false },
      hostname = parts.hostname, mounts = list, linux = linux },
    files = texts, network = parts.network,
    points = mount_points.of(list, kinds_of(facts, files), process.cwd, facts.runtime),
    arguments = arguments_of(facts, parts.network), notes = notes_of(facts, parts),
  }
end

return runtime_spec
