-- SPDX-License-Identifier: Apache-2.0
--
--- tar_archive.lua: tar archives as nobody should make them, for the specs: any name, any type, any number.

local tar_archive = {}

local BLOCK <const> = 512

---@param bytes string
---@return string
local function padded(bytes)
  return bytes .. ("\0"):rep(-#bytes % BLOCK)
end

---@param name string
---@param kind string one character of the ustar format
---@param fields table
---@param size integer
---@return string
local function header(name, kind, fields, size)
  local function numbers(sum)
    return (name .. ("\0"):rep(100 - #name)):sub(1, 100) .. ("%07o\0%07o\0%07o\0%011o\0%011o\0%s%s"):format(
      fields.mode or tonumber("644", 8), fields.uid or 0, fields.gid or 0, size, fields.mtime or 1000000000, sum, kind)
  end
  local link = fields.link or ""
  local rest = link .. ("\0"):rep(100 - #link) .. "ustar\00000" .. ("\0"):rep(64)
    .. ("%07o\0%07o\0"):format(fields.major or 0, fields.minor or 0)
  local text = numbers((" "):rep(8)) .. rest
  local sum = 0
  for at = 1, #text do sum = sum + text:byte(at) end
  return padded(numbers(("%06o\0 "):format(sum)) .. rest)
end

local KINDS <const> = { file = "0", hard = "1", link = "2", character = "3", block = "4", folder = "5", fifo = "6" }

---@param pairs_of table<string, string>
---@return string records of the pax format
local function pax_records(pairs_of)
  local out = {}
  for key, value in pairs(pairs_of) do
    local rest = (" %s=%s\n"):format(key, value)
    local length = #rest + 1
    while #tostring(length) + #rest ~= length do length = length + 1 end
    out[#out + 1] = length .. rest
  end
  return table.concat(out)
end

---One entry: { NAME, "file"|"hard"|"link"|"character"|"block"|"folder"|"fifo", content, link, mode, uid, gid, mtime,
---major, minor, size (what the header claims), pax (records before it) }.
---@param entry table
---@return string
function tar_archive.entry(entry)
  local name, kind = entry[1], entry[2] or "file"
  local content, pax = entry.content or "", {}
  for key, value in pairs(entry.pax or {}) do pax[key] = value end
  if #name > 100 then pax.path = name end
  if entry.link and #entry.link > 100 then pax.linkpath = entry.link end
  local fields = setmetatable({ link = (entry.link or ""):sub(1, 100) }, { __index = entry })
  local text = header(name:sub(1, 100), KINDS[kind], fields, entry.size or #content) .. padded(content)
  if not next(pax) then return text end
  local records = pax_records(pax)
  return header("pax", "x", {}, #records) .. padded(records) .. text
end

---@param entries table[]
---@return string
function tar_archive.of(entries)
  local parts = {}
  for i, entry in ipairs(entries) do parts[i] = tar_archive.entry(entry) end
  return table.concat(parts) .. ("\0"):rep(2 * BLOCK)
end

return tar_archive
