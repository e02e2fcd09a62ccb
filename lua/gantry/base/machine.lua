-- SPDX-License-Identifier: Apache-2.0
--
--- base/machine.lua: which machine this is, and which of its boots. A hostname changes while plugins run; a machine's
--- id does not.

local parsed = require "gantry.base.parsed"
local sha256 = require "gantry.base.sha256"
local system = require("gantry.core").system

local machine = {}

-- Where the id stands: systemd's place, then that of a system with D-Bus alone.
machine.files = { "/etc/machine-id", "/var/lib/dbus/machine-id" }

local ID_DIGITS <const> = 32

---@param path string
---@return string? line
local function first_line(path)
  local file <close> = io.open(path)
  return file and file:read "l" or nil
end

---@return string? id 32 hexadecimal digits
local function machine_id()
  for _, path in ipairs(machine.files) do
    local id = (first_line(path) or ""):match("^%x+$")
    if id and #id == ID_DIGITS and id:find "[^0]" then return id:lower() end
  end
end

local name_of = parsed.once(function(id) return sha256("gantry " .. id):sub(1, ID_DIGITS) end)

---This machine's name for others to see: made of its id, which is not to be shown; its hostname where it has none, as
---in many containers.
---@return string
function machine.name()
  local id = machine_id()
  return id and name_of(id) or system.hostname()
end

---This boot's id. What ran in another one runs no more.
---@return string id empty where the kernel does not say
function machine.boot()
  return first_line "/proc/sys/kernel/random/boot_id" or ""
end

---The parent of a process, whatever that calls itself.
---@param pid integer
---@return integer? parent nil where the process is gone
function machine.parent(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a" -- nothing where it goes meanwhile
  return text and math.tointeger(tonumber(text:match "^.*%) %a (%d+)")) or nil
end

---What of the machine's memory can be had without swapping.
---@return integer? bytes nil where the kernel does not say
function machine.available_memory()
  local file <close> = io.open "/proc/meminfo"
  local kilobytes = file and file:read("a"):match "MemAvailable:%s*(%d+) kB"
  return kilobytes and math.tointeger(tonumber(kilobytes)) * 1024
end

return machine
