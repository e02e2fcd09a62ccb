-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/seccomp.lua: filters of system calls, as an OCI runtime takes them. What Docker documents as a profile is
--- more: parts of it hold for some machines, kernels and capabilities alone, and no runtime knows of that. Ours is
--- generated (seccomp_profile.lua) and has the calls of one machine type: other types would double a launch's time.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local parsed = require "gantry.base.parsed"
local profile = require "gantry.engine.oci.seccomp_profile"

local seccomp = {}

-- As uname names machines, and as Docker's and libseccomp's profiles do.
local ARCHITECTURES <const> = { x86_64 = "SCMP_ARCH_X86_64", aarch64 = "SCMP_ARCH_AARCH64" }
local NAMES_OF <const> = { SCMP_ARCH_X86_64 = "amd64", SCMP_ARCH_X86 = "x86", SCMP_ARCH_X32 = "x32",
  SCMP_ARCH_AARCH64 = "arm64", SCMP_ARCH_ARM = "arm" }

local EPERM <const>, ENOSYS <const>, EAFNOSUPPORT <const> = 1, 38, 97

-- Flags of clone that make namespaces: all but CLONE_NEWTIME, which clone does not take.
local NEW_NAMESPACES <const> = 0x7E020000
local UNIX <const>, INET <const>, INET6 <const>, NETLINK <const>, AUDIT <const> = 1, 2, 10, 16, 9

---@param names string[]
---@param action string
---@param errno integer?
---@param arguments table[]?
local function rule(names, action, errno, arguments)
  return { names = json.array(names), action = action, errnoRet = errno, args = arguments and json.array(arguments) }
end

---@param index integer
---@param operator string
---@param value integer
---@param second integer?
local function compare(index, operator, value, second)
  return { index = index, op = "SCMP_CMP_" .. operator, value = value, valueTwo = second }
end

---@param lists table<string, string> names by machine, and those of all
---@param machine string
---@return string[]
local function names_of(lists, machine)
  local names = {}
  for name in (lists.all .. " " .. lists[machine]):gmatch "%S+" do names[#names + 1] = name end
  table.sort(names)
  return names
end

---What depends on a call's arguments.
---@param rules table[]
local function add_conditional(rules)
  local function allow(name, ...) rules[#rules + 1] = rule({ name }, "SCMP_ACT_ALLOW", nil, { ... }) end
  allow("clone", compare(0, "MASKED_EQ", NEW_NAMESPACES, 0))
  for _, value in ipairs(profile.personality) do allow("personality", compare(0, "EQ", value)) end
  for _, family in ipairs { UNIX, INET, INET6 } do allow("socket", compare(0, "EQ", family)) end
  allow("socket", compare(0, "EQ", NETLINK), compare(2, "NE", AUDIT))
  rules[#rules + 1] = rule({ "socket" }, "SCMP_ACT_ERRNO", EAFNOSUPPORT, { compare(0, "GT", NETLINK) })
end

local filter_of = parsed.once(function(machine)
  local rules = json.array {
    rule(names_of(profile.refused, machine), "SCMP_ACT_ERRNO", EPERM),
    rule(names_of(profile.allowed, machine), "SCMP_ACT_ALLOW"),
  }
  add_conditional(rules)
  return json.constant { defaultAction = "SCMP_ACT_ERRNO", defaultErrnoRet = ENOSYS,
    architectures = json.array { ARCHITECTURES[machine] }, syscalls = rules }
end)

---Gantry's own filter.
---@param machine string as uname says, such as x86_64
---@return table? filter linux.seccomp of config.json, not to be changed
---@return gantry.Error? err ENGINE_UNSUPPORTED
function seccomp.default(machine)
  if not ARCHITECTURES[machine] then
    return nil, errors.new("ENGINE_UNSUPPORTED", ("seccomp: gantry has no filter of system calls for machines of type "
      .. "%s; name a profile of your own in the policy (seccomp = \"/path\"), or \"unconfined\""):format(machine),
      { field = "seccomp" })
  end
  return filter_of(machine)
end

-- ---- profiles of others ----

---@param list any
---@param has fun(name: string): boolean
---@param all boolean whether all must be there, not one
---@return boolean
local function some_are(list, has, all)
  for _, name in ipairs(type(list) == "table" and list or {}) do
    if has(name) ~= all then return not all end
  end
  return all
end

---@param kernel string such as "6.1.0"
---@param wanted string such as "4.8"
---@return boolean
local function is_as_new(kernel, wanted)
  local major, minor = kernel:match "^(%d+)%.(%d+)"
  local other_major, other_minor = wanted:match "^(%d+)%.(%d+)"
  if not major or not other_major then return false end
  major, other_major = tonumber(major), tonumber(other_major)
  if major ~= other_major then return major > other_major end
  return tonumber(minor) >= tonumber(other_minor)
end

---@class gantry.SeccompSituation what parts of a profile depend on
---@field machine string as uname says
---@field kernel string its release
---@field capabilities string[] with CAP_

---@param entry table of Docker's
---@param situation gantry.SeccompSituation
---@return boolean
local function holds(entry, situation)
  local includes, excludes = entry.includes or {}, entry.excludes or {}
  local own = NAMES_OF[ARCHITECTURES[situation.machine]]
  local kept = {}
  for _, name in ipairs(situation.capabilities) do kept[name] = true end
  local function is_machine(name) return name == own end
  local function is_kept(name) return kept[name] ~= nil end
  if next(includes.arches or {}) and not some_are(includes.arches, is_machine, false) then return false end
  if not some_are(includes.caps, is_kept, true) then return false end
  if includes.minKernel and not is_as_new(situation.kernel, includes.minKernel) then return false end
  if some_are(excludes.arches, is_machine, false) or some_are(excludes.caps, is_kept, false) then return false end
  return not (excludes.minKernel and is_as_new(situation.kernel, excludes.minKernel))
end

---@param given table
---@param machine string
---@return string[]
local function architectures_of(given, machine)
  if type(given.architectures) == "table" then return given.architectures end
  local list = { ARCHITECTURES[machine] }
  for _, entry in ipairs(given.archMap or {}) do
    if entry.architecture == ARCHITECTURES[machine] then
      for _, name in ipairs(entry.subArchitectures or {}) do list[#list + 1] = name end
    end
  end
  return list
end

---@param entry any
---@return boolean
local function is_entry(entry)
  if type(entry) ~= "table" or type(entry.action) ~= "string" then return false end
  for _, field in ipairs { "includes", "excludes", "args" } do
    if entry[field] ~= nil and type(entry[field]) ~= "table" then return false end
  end
  return type(entry.names) == "table" or type(entry.name) == "string"
end

---Makes what a runtime takes of what Docker documents as a profile; a runtime's own form stays as it is.
---@param given any decoded JSON
---@param situation gantry.SeccompSituation
---@return table? filter linux.seccomp of config.json, gantry.Error? err SECCOMP_INVALID
function seccomp.flatten(given, situation)
  local function invalid(what)
    return nil, errors.new("SECCOMP_INVALID", ("seccomp: the profile %s; a profile is a file as Docker documents it")
      :format(what), { field = "seccomp" })
  end
  if type(given) ~= "table" or type(given.defaultAction) ~= "string" then return invalid "has no defaultAction" end
  if given.syscalls ~= nil and type(given.syscalls) ~= "table" then return invalid "has no list of syscalls" end
  local rules = json.array {}
  for place, entry in ipairs(given.syscalls or {}) do
    if not is_entry(entry) then return invalid(("has no names and action in its syscalls[%d]"):format(place)) end
    if holds(entry, situation) then
      rules[#rules + 1] = { names = json.array(entry.names or { entry.name }), action = entry.action,
        errnoRet = entry.errnoRet, args = next(entry.args or {}) and json.array(entry.args) or nil }
    end
  end
  return { defaultAction = given.defaultAction, defaultErrnoRet = given.defaultErrnoRet, syscalls = rules,
    architectures = json.array(architectures_of(given, situation.machine)),
    flags = type(given.flags) == "table" and json.array(given.flags) or nil }
end

return seccomp
