-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/archive.lua: what is first in the tar archive that engines answer with. Pure functions.

local archive = {}

local BLOCK <const> = 512
local MODE_AT <const>, SIZE_AT <const>, TYPE_AT <const>, LINK_AT <const>, LINK_END <const> = 101, 125, 157, 158, 257
-- "0" and, in old archives, a zero byte: a regular file. What is not here are headers of headers.
local KINDS <const> = { ["0"] = "file", ["\0"] = "file", ["1"] = "file", ["2"] = "link", ["5"] = "folder",
  ["3"] = "other", ["4"] = "other", ["6"] = "other" }

---@param bytes string
---@param at integer
---@param length integer
---@return integer?
local function octal(bytes, at, length)
  local digits = bytes:sub(at, at + length - 1):match "^%s*([0-7]+)"
  return digits and tonumber(digits, 8)
end

---@class gantry.ArchiveEntry
---@field kind "file"|"link"|"folder"|"other"
---@field mode integer
---@field size integer
---@field target string where a link leads to
---@field content integer where in the archive its content begins

---@param bytes string the archive, or as much of it as there is
---@param wanted string? the kind; any where nil
---@return gantry.ArchiveEntry? entry nil where its header is not there
function archive.first(bytes, wanted)
  local at = 1
  while at + BLOCK - 1 <= #bytes do
    local size, mode = octal(bytes, at + SIZE_AT - 1, 12), octal(bytes, at + MODE_AT - 1, 8)
    if not size then return nil end
    local kind = KINDS[bytes:sub(at + TYPE_AT - 1, at + TYPE_AT - 1)]
    if kind and (not wanted or kind == wanted) then
      return { kind = kind, mode = mode or 0, size = size, content = at + BLOCK,
        target = bytes:sub(at + LINK_AT - 1, at + LINK_END - 1):match "^%Z*" }
    end
    at = at + BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
  end
end

---@param bytes string
---@return string? content of the first entry, where that is a regular file
function archive.first_file(bytes)
  local entry = archive.first(bytes, "file")
  if not entry then return nil end
  local content = bytes:sub(entry.content, entry.content + entry.size - 1)
  return #content == entry.size and content or nil
end

return archive
