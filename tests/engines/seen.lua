-- SPDX-License-Identifier: Apache-2.0
--
--- seen.lua: what a container was made as, read back where its engine has it written: in the daemon's own words, or in
--- the config.json that an OCI runtime was given.

local core = require "gantry.core"
local json = require "gantry.json"
local support = require "engine.support"

local seen = {}

local PERIOD_NANO <const> = 1000000000

---@class gantry.SeenContainer
---@field args string[] without the program
---@field working_dir string
---@field env string[]
---@field labels table<string, string>
---@field groups string[]
---@field memory integer?
---@field nano_cpus integer?
---@field pids integer?
---@field read_only boolean
---@field tmpfs table<string, string> options by path
---@field no_new_privileges boolean
---@field mounts table<string, { source: string, writable: boolean }> by target
---@field network boolean whether it has any but one of its own
---@field addresses string[]

---@param list any[]?
---@param wanted any
---@return boolean
local function contains(list, wanted)
  for _, one in ipairs(list or {}) do
    if one == wanted then return true end
  end
  return false
end

---@param container table the engine's inspect
---@return gantry.SeenContainer
local function of_daemon(container)
  local config, host, mounts, addresses = container.Config, container.HostConfig, {}, {}
  for _, mount in ipairs(container.Mounts) do
    mounts[mount.Destination] = { source = mount.Source, writable = mount.RW }
  end
  for _, network in pairs(container.NetworkSettings.Networks or {}) do
    if (network.IPAddress or "") ~= "" then addresses[#addresses + 1] = network.IPAddress end
  end
  return { args = config.Cmd, working_dir = config.WorkingDir, env = config.Env, labels = config.Labels,
    groups = host.GroupAdd or {}, memory = host.Memory, nano_cpus = host.NanoCpus, pids = host.PidsLimit,
    read_only = host.ReadonlyRootfs, tmpfs = host.Tmpfs or {}, mounts = mounts, addresses = addresses,
    no_new_privileges = contains(host.SecurityOpt, "no-new-privileges"),
    network = not (config.NetworkDisabled or host.NetworkMode == "none") }
end

---@param mounts table[] of config.json
---@return table<string, string> tmpfs
---@return table<string, { source: string, writable: boolean }> binds
local function mounts_of(mounts)
  local tmpfs, binds = {}, {}
  for _, mount in ipairs(mounts) do
    if mount.type == "tmpfs" then tmpfs[mount.destination] = table.concat(mount.options, ",") end
    if mount.type == "bind" then
      binds[mount.destination] = { source = mount.source, writable = not contains(mount.options, "ro") }
    end
  end
  return tmpfs, binds
end

---@param config table config.json
---@param labels table<string, string>
---@return gantry.SeenContainer
local function of_runtime(config, labels)
  local process, linux, groups = config.process, config.linux, {}
  for i, gid in ipairs(process.user.additionalGids or {}) do groups[i] = tostring(gid) end
  local tmpfs, binds = mounts_of(config.mounts)
  local resources, own_network, processes = linux.resources, false, nil
  local cpu = resources.cpu
  for _, namespace in ipairs(linux.namespaces) do
    own_network = own_network or namespace.type == "network" and not namespace.path
  end
  for _, limit in ipairs(process.rlimits or {}) do
    processes = limit.type == "RLIMIT_NPROC" and limit.hard or processes
  end
  return { args = { table.unpack(process.args, 2) }, working_dir = process.cwd, env = process.env, labels = labels,
    groups = groups, memory = resources.memory and resources.memory.limit,
    nano_cpus = cpu and cpu.quota and cpu.quota * PERIOD_NANO // cpu.period,
    pids = resources.pids and resources.pids.limit or processes, read_only = config.root.readonly, tmpfs = tmpfs,
    mounts = binds, addresses = {},
    no_new_privileges = process.noNewPrivileges, network = not own_network }
end

---@param engine gantry.EngineClient
---@param id string
---@return gantry.SeenContainer
function seen.of(engine, id)
  if engine.kind ~= "oci" then return of_daemon(support.in_docker_words(id)) end
  local config = json.decode(support.read(engine.layout:container(id) .. "/config.json"))
  return of_runtime(config, assert(engine:inspect(id)).labels)
end

---Whether a program of this machine is the sandbox of gVisor, whose rights are not those of what runs in it.
---@param pid integer
---@return boolean
function seen.is_sandbox(pid)
  local program = core.system.link_target(("/proc/%d/exe"):format(pid)) or ""
  return program:find "/runsc[^/]*$" ~= nil
end

seen.contains = contains

return seen
