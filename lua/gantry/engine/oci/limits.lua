-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/limits.lua: limits of a container, as a runtime takes them, and whether they hold. Runtimes differ in
--- what they do where a limit cannot be set: crun ignores most of them for an ordinary user. So what is asked for is
--- held against what can be had before the start (`of`), and against the kernel's own files after it (`verify`).

local json = require "gantry.json"
local refusal = require "gantry.engine.oci.refusal"

local limits = {}

local PERIOD <const>, LEAST_QUOTA <const>, NANO <const> = 100000, 1000, 1000000000
-- "No limit" of setrlimit, which no integer of Lua's holds.
local UNLIMITED <const> = json.decode "[18446744073709551615]"[1]
-- A process leaves no core, with its secrets, on this machine.
local NO_CORE <const> = { type = "RLIMIT_CORE", soft = 0, hard = 0 }
-- What a user namespace may have of processes where no cgroup counts them.
local PROCESSES <const> = 2048

-- The controller of each limit, and the field that asks for it, in the order of complaints.
local NEEDS <const> = { { "memory", "memory" }, { "memory_swap", "memory" }, { "nano_cpus", "cpu" },
  { "cpuset", "cpuset" }, { "pids_limit", "pids" } }

---@param spec gantry.ContainerSpec
---@param field string
---@return boolean whether it limits anything
local function asks(spec, field)
  local value = spec[field]
  if field == "memory_swap" then return value ~= nil and value ~= spec.memory and value ~= -1 end
  if field == "pids_limit" then return value ~= nil and value > 0 end
  return value ~= nil and value ~= 0 and value ~= ""
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return boolean? ok, gantry.Error? err
local function check(spec, facts)
  local there = {}
  for _, name in ipairs(facts.controllers) do there[name] = true end
  for _, need in ipairs(NEEDS) do
    local field, controller = need[1], need[2]
    -- By setrlimit, in its user namespace; gVisor counts none of its processes.
    local counted = field == "pids_limit" and facts.rootless and facts.runtime ~= "runsc"
    if asks(spec, field) and not counted and not (facts.cgroup_parent and there[controller]) then
      return refusal.not_delegated(field, facts.cgroup_reason, facts.rootless)
    end
  end
  if asks(spec, "memory_swap") and not facts.swap_accounting then
    return refusal.unsupported("memory_swap", "this kernel keeps no account of swap; leave it out of the policy, or "
      .. "start the machine with swapaccount=1")
  end
  return true
end

---@param facts gantry.RuntimeFacts
---@param name string
---@return boolean
local function has(facts, name)
  for _, one in ipairs(facts.cgroup_parent and facts.controllers or {}) do
    if one == name then return true end
  end
  return false
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return table?
local function memory(spec, facts)
  if not asks(spec, "memory") then return nil end
  local swap = facts.swap_accounting and (spec.memory_swap or spec.memory) or nil
  return { limit = spec.memory, swap = swap }
end

---@param spec gantry.ContainerSpec
---@return table?
local function cpu(spec)
  local quota = asks(spec, "nano_cpus") and math.max(LEAST_QUOTA, spec.nano_cpus * PERIOD // NANO) or nil
  if not quota and not asks(spec, "cpuset") then return nil end
  return { quota = quota, period = quota and PERIOD, cpus = asks(spec, "cpuset") and spec.cpuset or nil }
end

---Limits of the container's cgroup.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return table? resources linux.resources, gantry.Error? err LIMIT_NOT_DELEGATED, ENGINE_UNSUPPORTED
function limits.of(spec, facts)
  local ok, err = check(spec, facts)
  if not ok then return nil, err end
  local resources = { memory = memory(spec, facts), cpu = cpu(spec) }
  if asks(spec, "pids_limit") and has(facts, "pids") then resources.pids = { limit = spec.pids_limit } end
  -- The runtime adds what every container has, and `devices` what a policy gives.
  if not facts.rootless and facts.device_filter then
    resources.devices = json.array { { allow = false, access = "rwm" } }
  end
  return resources
end

---Limits of the container's first process, which all others inherit.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return table[]? rlimits process.rlimits, gantry.Error? err ENGINE_REFUSED
function limits.of_process(spec, facts)
  local list, named = json.array {}, {}
  local function value(number) return number < 0 and UNLIMITED or number end
  for _, one in ipairs(spec.ulimits or {}) do
    local most = facts.rootless and facts.hard_limits[one.name]
    if most and (one.hard < 0 or one.hard > most) then
      return refusal.wrong("ulimits", "%s may be %d at most, for an ordinary user of this session, and not %d; raise "
        .. "it for the session (/etc/security/limits.conf, or the service's Limit…=), or lower it in the policy",
        one.name, most, one.hard)
    end
    named[one.name] = true
    list[#list + 1] = { type = "RLIMIT_" .. one.name:upper(), soft = value(one.soft), hard = value(one.hard) }
  end
  if not named.core then list[#list + 1] = NO_CORE end
  -- In a user namespace of its own the kernel counts this namespace's processes, not all of the user's.
  if facts.rootless and facts.runtime ~= "runsc" and not named.nproc and not has(facts, "pids") then
    local wanted = asks(spec, "pids_limit") and spec.pids_limit or PROCESSES
    local most = math.min(wanted, facts.hard_limits.nproc or wanted)
    list[#list + 1] = { type = "RLIMIT_NPROC", soft = most, hard = most }
  end
  return list
end

-- ---- after the start ----

---What each limit is to be in the kernel's files, by version of cgroups.
---@param resources table linux.resources
---@param version 1|2
---@return { field: string, controller: string, file: string, value: string }[]
local function expected(resources, version)
  local list = {}
  local function add(field, controller, first, second, value)
    if value then
      list[#list + 1] = { field = field, controller = controller, file = version == 1 and first or second,
        value = tostring(value) }
    end
  end
  local quota = resources.cpu and resources.cpu.quota
  add("memory", "memory", "memory.limit_in_bytes", "memory.max", resources.memory and resources.memory.limit)
  add("pids_limit", "pids", "pids.max", "pids.max", resources.pids and resources.pids.limit)
  add("nano_cpus", "cpu", "cpu.cfs_quota_us", "cpu.max", quota and (version == 1 and quota
    or ("%d %d"):format(quota, PERIOD)))
  return list
end

---The kernel keeps whole pages of memory.
---@param wanted string
---@param found string
---@return boolean
local function is_same(wanted, found)
  local one, other = tonumber(wanted), tonumber(found)
  if one and other then return other <= one and one - other < 65536 end
  return wanted == found
end

---Holds limits that were asked for against what the kernel has.
---@param resources table linux.resources
---@param version 1|2
---@param read fun(controller: string, file: string): string? a file of the container's cgroup of that controller
---@param rootless boolean whose container it is
---@return boolean? ok, gantry.Error? err LIMIT_NOT_DELEGATED
function limits.verify(resources, version, read, rootless)
  for _, one in ipairs(expected(resources, version)) do
    local found = (read(one.controller, one.file) or ""):match "^%s*(.-)%s*$"
    if not is_same(one.value, found) then
      return refusal.not_delegated(one.field, ("the runtime reported no failure, but the container's %s is '%s', not "
        .. "'%s'"):format(one.file, found, one.value), rootless)
    end
  end
  return true
end

return limits
