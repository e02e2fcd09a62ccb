-- SPDX-License-Identifier: Apache-2.0
--
--- cli/lock_file.lua: OpenTofu's dependency lock file, and the checksum of a provider's package: what `gantry wrap`
--- puts into a package makes it another one, which the lock file has to know. Text in, text out.

local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local sha256 = require "gantry.base.sha256"

local base64 = core.base64

local lock_file = {}

local PIECE <const>, DEEPEST <const> = 1024 * 1024, 16

---@param path string
---@return string? digest, gantry.Error? err
local function file_digest(path)
  local module, missing = c_module.load "digest"
  if not module then return nil, missing end
  local file <close>, unread = core.files.open(path)
  if not file then return nil, unread end
  local sum, at = assert(module.new()), 0
  while true do
    local count, err = sum:add_file(file, at, PIECE)
    if not count then return nil, err end
    at = at + count
    if count < PIECE then return sum:hex() end
  end
end

---@param folder string
---@param prefix string
---@param list string[] of paths below the package
---@param depth integer
local function collect(folder, prefix, list, depth)
  for _, name in ipairs(core.files.list(folder) or {}) do
    local status = core.system.stat(folder .. "/" .. name)
    if status and status.type == "directory" and depth > 0 then
      collect(folder .. "/" .. name, prefix .. name .. "/", list, depth - 1)
    elseif status then
      list[#list + 1] = prefix .. name
    end
  end
end

---The checksum "h1:…" of a package, which is a folder: of the names and digests of all files in it.
---@param folder string
---@return string? checksum, gantry.Error? err
function lock_file.checksum(folder)
  local names, lines = {}, {}
  collect(folder, "", names, DEEPEST)
  table.sort(names)
  for i, name in ipairs(names) do
    local digest, err = file_digest(folder .. "/" .. name)
    if not digest then return nil, err end
    lines[i] = ("%s  %s\n"):format(digest, name)
  end
  local digest = sha256(table.concat(lines)):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)
  return "h1:" .. base64.encode(digest)
end

---@param text string
---@param address string such as "registry.opentofu.org/hashicorp/local"
---@return integer? first, integer? last of the provider's block
local function block_of(text, address)
  local first = text:find(('provider "%s" {'):format(address), 1, true)
  local last = first and text:find("\n}", first, true)
  return first, last
end

---Takes checksums of a provider away.
---@param text string of the lock file
---@param address string
---@param checksums string[]
---@return string text
function lock_file.remove(text, address, checksums)
  local first, last = block_of(text, address)
  if not last then return text end
  local unwanted = {}
  for _, checksum in ipairs(checksums) do unwanted[checksum] = true end
  local block = text:sub(first, last):gsub("[ \t]*\"(h1:[^\"\n]*)\",?[^\n]*\n", function(found)
    return unwanted[found] and "" or nil
  end)
  return text:sub(1, first - 1) .. block .. text:sub(last + 1)
end

---Puts a checksum among those of a provider.
---@param text string of the lock file
---@param address string
---@param checksum string
---@return string? text, gantry.Error? err where the file does not pin the provider
function lock_file.add(text, address, checksum)
  local first, last = block_of(text, address)
  local block = last and text:sub(first, last)
  if block and block:find(('"%s"'):format(checksum), 1, true) then return text end
  local _, head = (block or ""):find "\n[ \t]*hashes%s*=%s*%[[ \t]*\n"
  if not head then
    return nil, errors.new("WRAP_NOT_LOCKED", ("the lock file has no checksums of provider %s: run tofu init")
      :format(address))
  end
  return text:sub(1, first - 1) .. block:sub(1, head) .. ('    "%s",\n'):format(checksum)
    .. block:sub(head + 1) .. text:sub(last + 1)
end

return lock_file
