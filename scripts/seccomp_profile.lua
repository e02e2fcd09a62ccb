-- SPDX-License-Identifier: Apache-2.0
--
--- seccomp_profile.lua: writes lua/gantry/engine/oci/seccomp_profile.lua from the default profile of containers-common
--- (Apache-2.0; Debian: golang-github-containers-common), as it holds for a process without capabilities. What that
--- profile leaves to the kernel, and Docker's refuses, is refused here as well: see REFUSED. Which calls a machine has
--- is told by the kernel's headers, by way of a C compiler.
---
--- Usage: lua5.4 scripts/seccomp_profile.lua [/usr/share/containers/seccomp.json]

local cjson = require "cjson"

local SOURCE <const> = arg[1] or "/usr/share/containers/seccomp.json"
local MACHINES <const> = { "x86_64", "aarch64" }
local NAMES <const> = { x86_64 = "amd64", aarch64 = "arm64" }
local WIDTH <const> = 118

-- C that defines the numbers of their calls; arm64 has those of every newer machine.
local HEADERS <const> = { x86_64 = [[#include <asm/unistd_64.h>\n]],
  aarch64 = [[#define __BITS_PER_LONG 64\n#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_NEW_STAT\n]]
    .. [[#define __ARCH_WANT_SET_GET_RLIMIT\n#define __ARCH_WANT_MEMFD_SECRET\n#include <asm-generic/unistd.h>\n]] }

-- Calls that change mounts, namespaces, keys or other processes, or read the kernel's log: no plugin needs one.
local REFUSED <const> = [[
  add_key fanotify_mark fsconfig fsmount fsopen fspick keyctl mount mount_setattr move_mount open_tree
  pidfd_getfd pivot_root process_mrelease process_vm_readv process_vm_writev ptrace reboot request_key setns syslog
  umount umount2 unshare]]

-- Its flags lie in memory, where no filter sees them: the C library asks clone where there is none.
local MISSING <const> = "clone3"

-- Allowed by their arguments: engine/oci/seccomp.lua.
local CONDITIONAL <const> = "clone socket personality"

---@param text string
---@return table<string, true>
local function set(text)
  local found = {}
  for name in text:gmatch "%S+" do found[name] = true end
  return found
end

---@param path string
local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

---@param machine string
---@return table<string, true> calls that a machine has
local function calls_of(machine)
  local pipe <close> = assert(io.popen(("printf '%s' | cc -E -dM -"):format(HEADERS[machine])))
  local found = {}
  for name in pipe:read "a":gmatch "#define __NR_([%w_]+) " do found[name] = true end
  assert(found.read, "the C compiler does not know the kernel's headers")
  return found
end

---@param list string[]?
---@param name string
local function has(list, name)
  for _, one in ipairs(list or {}) do
    if one == name then return true end
  end
  return false
end

---Whether an entry holds for a process without capabilities on a machine.
local function holds(entry, machine)
  local arches = entry.includes.arches
  return #(entry.includes.caps or {}) == 0 and (not arches or #arches == 0 or has(arches, NAMES[machine]))
end

---@param profile table
---@return table<string, table<string, table<string, true>>> by "allowed" or "refused", and machine
---@return integer[] personalities
local function flatten(profile)
  local found, personalities = { allowed = {}, refused = {} }, {}
  local refused, left_out = set(REFUSED), set(MISSING .. " " .. CONDITIONAL)
  for _, machine in ipairs(MACHINES) do
    found.allowed[machine], found.refused[machine] = {}, set(REFUSED)
    for _, entry in ipairs(profile.syscalls) do
      local plain = #(entry.args ~= cjson.null and entry.args or {}) == 0
      for _, name in ipairs(holds(entry, machine) and entry.names or {}) do
        if name == "personality" and machine == MACHINES[1] then
          personalities[#personalities + 1] = math.tointeger(entry.args[1].value)
        elseif plain and not refused[name] and not left_out[name] then
          found[entry.action == "SCMP_ACT_ALLOW" and "allowed" or "refused"][machine][name] = true
        end
      end
    end
    for name in pairs(found.allowed[machine]) do assert(not found.refused[machine][name], name) end
    local calls = calls_of(machine)
    for _, names in pairs(found) do
      for name in pairs(names[machine]) do
        if not calls[name] then names[machine][name] = nil end
      end
    end
  end
  table.sort(personalities)
  return found, personalities
end

---@param names table<string, true>
---@return string
local function lines(names)
  local sorted, text, line = {}, {}, "   "
  for name in pairs(names) do sorted[#sorted + 1] = name end
  table.sort(sorted)
  for _, name in ipairs(sorted) do
    if #line + #name + 1 > WIDTH then text[#text + 1], line = line, "   " end
    line = line .. " " .. name
  end
  text[#text + 1] = line
  return table.concat(text, "\n"):gsub("^%s+", "")
end

---@param lists table<string, table<string, true>> by machine
---@return string
local function table_of(lists)
  local all, parts = {}, {}
  for name in pairs(lists.x86_64) do
    if lists.aarch64[name] then all[name] = true end
  end
  for name in pairs(all) do lists.x86_64[name], lists.aarch64[name] = nil, nil end
  for _, key in ipairs { "all", "aarch64", "x86_64" } do
    parts[#parts + 1] = ("    %s = [[\n    %s]],"):format(key, lines(key == "all" and all or lists[key]))
  end
  return "{\n" .. table.concat(parts, "\n") .. "\n  }"
end

local found, personalities = flatten(cjson.decode(read(SOURCE)))
local pipe <close> = assert(io.popen("sha256sum " .. SOURCE))
io.write(([[
-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/seccomp_profile.lua: names of system calls, generated by scripts/seccomp_profile.lua; do not edit.
--- From the default profile of containers-common (https://github.com/containers/common, pkg/seccomp/seccomp.json,
--- copyright its authors, Apache-2.0), as it holds without capabilities; what it was changed in is said there.
--- sha256 of the source: %s

return {
  -- What a filter lets pass; what it refuses with EPERM. All else is no call of this kernel: ENOSYS.
  allowed = %s,
  refused = %s,
  -- The arguments of personality that pass.
  personality = { %s },
}
]]):format(pipe:read "a":match "%x+", table_of(found.allowed), table_of(found.refused),
  table.concat(personalities, ", ")))
