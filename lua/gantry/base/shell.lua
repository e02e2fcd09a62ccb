-- SPDX-License-Identifier: Apache-2.0
--
--- base/shell.lua: words for a shell's command line.

local shell = {}

---@param text string
---@return string one word to any POSIX shell, whatever it holds; as it is where no shell minds
function shell.quote(text)
  if text ~= "" and not text:find("[^%w%+%-%./:=@_,]") then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

return shell
