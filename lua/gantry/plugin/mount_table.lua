-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/mount_table.lua: what is mounted where on this machine, as /proc tells it.

local mount_table = {}

---@class gantry.Mount
---@field path string
---@field options string
---@field root string what of the file system is mounted there
---@field type string? of the file system
---@field of_all string? options of the file system, which all its mounts have in common

---@param text string as /proc/self/mountinfo has it
---@return gantry.Mount[]
function mount_table.parse(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local root, path, options, rest = line:match "^%d+ %d+ %S+ (%S+) (%S+) (%S+)(.*)"
    if path then
      local kind, of_all = rest:match " %- (%S+) %S* ?(%S+)$"
      path = path:gsub("\\(%d%d%d)", function(octal) return string.char(tonumber(octal, 8)) end)
      list[#list + 1] = { path = path, options = options, root = root, type = kind, of_all = of_all }
    end
  end
  return list
end

---@return gantry.Mount[]
function mount_table.read()
  local file <close> = io.open("/proc/self/mountinfo", "r")
  return mount_table.parse(file and file:read "a" or "")
end

return mount_table
