-- SPDX-License-Identifier: Apache-2.0
--
--- base/machine.lua: which machine this is, and which of its boots. A hostname changes while plugins run; a machine's
--- id does not.

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

---This machine's name for others to see: made of its id, which is not to be shown; its hostname where it has none, as
---in many containers.
---@return string
function machine.name()
  local id = machine_id()
  return id and sha256("gantry " .. id):sub(1, ID_DIGITS) or system.hostname()
end

---This boot's id. What ran in another one runs no more.
---@return string id empty where the kernel does not say
function machine.boot()
  return first_line "/proc/sys/kernel/random/boot_id" or ""
end

return machine
