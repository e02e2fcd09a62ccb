-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/wire.lua: protobuf's wire format, the part that needs no descriptors: fields of varints and bytes.
--- See the encoding guide of protobuf: a field is a varint of (number << 3 | type), then its value.

local errors = require "gantry.base.errors"

local wire = {}

wire.VARINT, wire.FIXED64, wire.BYTES, wire.START_GROUP, wire.END_GROUP, wire.FIXED32 = 0, 1, 2, 3, 4, 5
wire.HIGHEST_NUMBER = (1 << 29) - 1

---@param value integer taken as unsigned, 64 bits
---@return string
function wire.varint(value)
  local out = {}
  while value > 0x7f or value < 0 do
    out[#out + 1] = string.char(value & 0x7f | 0x80)
    value = value >> 7
  end
  out[#out + 1] = string.char(value)
  return table.concat(out)
end

---@param bytes string
---@param position integer
---@return integer? value nil where the bytes end early or the varint is over ten bytes
---@return integer next
function wire.read_varint(bytes, position)
  local value, shift = 0, 0
  while shift < 70 do
    local byte = bytes:byte(position)
    if not byte then return nil, position end
    value = value | (byte & 0x7f) << shift
    position = position + 1
    if byte < 0x80 then return value, position end
    shift = shift + 7
  end
  return nil, position
end

---A field of bytes, text or an encoded message.
---@param number integer
---@param bytes string
---@return string
function wire.bytes_field(number, bytes)
  return wire.varint(number << 3 | wire.BYTES) .. wire.varint(#bytes) .. bytes
end

---@param number integer
---@param value integer
---@return string
function wire.varint_field(number, value)
  return wire.varint(number << 3 | wire.VARINT) .. wire.varint(value)
end

local function truncated()
  return nil, errors.new("MESSAGE_INVALID", "decode message: it ends inside a field or has an unknown wire type")
end

---The value of one field by wire type.
---@return integer|string|nil value
---@return integer next
local function read_value(bytes, position, kind)
  if kind == wire.VARINT then return wire.read_varint(bytes, position) end
  local size
  if kind == wire.BYTES then
    size, position = wire.read_varint(bytes, position)
  else
    size = kind == wire.FIXED64 and 8 or kind == wire.FIXED32 and 4 or nil
  end
  if not size or size < 0 or #bytes - position + 1 < size then return nil, position end
  return bytes:sub(position, position + size - 1), position + size
end

---Where a group ends, which holds fields and ends with a tag of its own (proto2).
---@param bytes string
---@param position integer behind the group's first tag
---@param limit integer the last byte of the message around it
---@param number integer the group's
---@return integer? last of the group's fields; nil where it does not end within the limit
---@return integer? next behind the tag that ends it
function wire.group_end(bytes, position, limit, number)
  local open = { number }
  while true do
    local start = position
    local tag, behind = wire.read_varint(bytes, start)
    position = behind
    if not tag or position > limit + 1 then return nil end
    if tag & 7 == wire.END_GROUP then
      if open[#open] ~= tag >> 3 then return nil end
      open[#open] = nil
      if #open == 0 then return start - 1, position end
    elseif tag & 7 == wire.START_GROUP then
      open[#open + 1] = tag >> 3
    else
      position = wire.skip(bytes, position, limit, tag)
      if not position then return nil end
    end
  end
end

---Where the value of a field ends, for a field that is not of interest.
---@param bytes string
---@param position integer of the value
---@param limit integer the last byte of the message
---@param tag integer the field's
---@return integer? next nil where the value does not end within the limit, or its wire type is unknown
function wire.skip(bytes, position, limit, tag)
  local kind, next_position = tag & 7, nil
  if kind == wire.START_GROUP then
    local _, behind = wire.group_end(bytes, position, limit, tag >> 3)
    return behind
  elseif kind == wire.FIXED64 or kind == wire.FIXED32 then
    next_position = position + (kind == wire.FIXED64 and 8 or 4)
  elseif kind == wire.VARINT or kind == wire.BYTES then
    local value, behind = wire.read_varint(bytes, position)
    if not value or kind == wire.BYTES and (value < 0 or value > limit) then return nil end
    next_position = kind == wire.BYTES and behind + value or behind
  end
  return next_position and next_position <= limit + 1 and next_position or nil
end

---The next field of a message, where it stands: nothing is copied, however deep messages lie in one another.
---@param bytes string
---@param position integer
---@param limit integer the last byte of the message
---@return integer? next behind the field; nil where there is no valid field
---@return integer? number
---@return integer? kind its wire type
---@return integer? first of a varint its value, else the value's first byte
---@return integer? last byte of a value that is no varint
function wire.next(bytes, position, limit)
  local tag, first = wire.read_varint(bytes, position)
  if not tag or first > limit + 1 or tag >> 3 == 0 or tag >> 3 > wire.HIGHEST_NUMBER then return nil end
  local behind, kind = wire.skip(bytes, first, limit, tag), tag & 7
  if not behind then return nil end
  if kind == wire.VARINT or kind == wire.BYTES then
    local value, start = wire.read_varint(bytes, first)
    first = kind == wire.BYTES and start or value
  end
  return behind, tag >> 3, kind, first, behind - 1
end

---The last value of each field, by number: integers for varints, strings for all else.
---@param bytes string
---@return table<integer, integer|string>? fields
---@return gantry.Error?
function wire.fields(bytes)
  local found, position = {}, 1
  while position <= #bytes do
    local tag
    tag, position = wire.read_varint(bytes, position)
    if not tag then return truncated() end
    local value
    value, position = read_value(bytes, position, tag & 7)
    if value == nil then return truncated() end
    found[tag >> 3] = value
  end
  return found
end

return wire
