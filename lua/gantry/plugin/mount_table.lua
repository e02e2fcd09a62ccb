-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/mount_table.lua: what is mounted where on this machine, as /proc tells it.

local mount_table = {}

---@param text string as /proc/self/mountinfo has it
---@return { path: string, options: string }[]
function mount_table.parse(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local path, options = line:match "^%d+ %d+ %S+ %S+ (%S+) (%S+)"
    if path then
      path = path:gsub("\\(%d%d%d)", function(octal) return string.char(tonumber(octal, 8)) end)
      list[#list + 1] = { path = path, options = options }
    end
  end
  return list
end

---@return { path: string, options: string }[]
function mount_table.read()
  local file <close> = io.open("/proc/self/mountinfo", "r")
  return mount_table.parse(file and file:read "a" or "")
end

return mount_table
