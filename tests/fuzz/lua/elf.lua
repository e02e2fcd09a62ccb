-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/elf.lua: any file that a policy names as its plugin's binary.

local elf = require "gantry.base.elf"

---@param bytes string
---@return table file
local function file_of(bytes)
  return { read = function(_, at, count)
    assert(at >= 0 and count >= 0 and count <= 1 << 20)
    return bytes:sub(at + 1, at + count)
  end }
end

return function(input)
  local found = elf.read(file_of(input))
  if not found then return end
  assert(found.kind == "program" or found.kind == "library" or found.kind == "other")
  for _, list in ipairs { found.needed, found.search, { found.interpreter } } do
    for _, text in ipairs(list) do assert(text ~= "" and not text:find "%c") end
  end
end
