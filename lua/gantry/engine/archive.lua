-- SPDX-License-Identifier: Apache-2.0
--
--- engine/archive.lua: one file out of the tar archive that engines answer with. A pure function.

local archive = {}

local BLOCK <const> = 512
local SIZE_AT <const>, SIZE_END <const>, TYPE_AT <const> = 125, 136, 157
-- "0" and, in old archives, a zero byte: a regular file. All others are headers of headers, links, folders.
local FILES <const> = { ["0"] = true, ["\0"] = true }

---@param bytes string
---@return string? content of the first regular file
function archive.first_file(bytes)
  local at = 1
  while at + BLOCK - 1 <= #bytes do
    local digits = bytes:sub(at + SIZE_AT - 1, at + SIZE_END - 1):match "^%s*([0-7]+)"
    if not digits then return nil end
    local size = tonumber(digits, 8)
    if FILES[bytes:sub(at + TYPE_AT - 1, at + TYPE_AT - 1)] then
      local content = bytes:sub(at + BLOCK, at + BLOCK + size - 1)
      return #content == size and content or nil
    end
    at = at + BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
  end
end

return archive
