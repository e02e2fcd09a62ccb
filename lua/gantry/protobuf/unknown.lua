-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/unknown.lua: the fields of a decoded message that its descriptor does not know, as they were on the wire.
--- They stand beside the table, not in it, for as long as it lives; encoding it again sends them too.

local unknown = {}

---@type table<table, string[]> one piece a field: there may be many
local kept = setmetatable({}, { __mode = "k" })

---@param value table a decoded message
---@return string? bytes
function unknown.get(value)
  return kept[value] and table.concat(kept[value])
end

---@param value table
---@param bytes string added to what is there
function unknown.add(value, bytes)
  local pieces = kept[value]
  if pieces then pieces[#pieces + 1] = bytes else kept[value] = { bytes } end
end

---@param from table
---@param to table
function unknown.copy(from, to)
  kept[to] = kept[from]
end

return unknown
