-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/decoder.lua: a message's bytes to a plain table. A field that occurs again replaces the first, a message is
--- merged; lists are read packed and unpacked; what the descriptor does not know is kept (see unknown.lua).

local scalars = require "gantry.protobuf.scalars"
local unknown = require "gantry.protobuf.unknown"
local wire = require "gantry.protobuf.wire"

local decoder = {}

local read_varint = wire.read_varint
local byte, sub, utf8_length = string.byte, string.sub, utf8.len
local BYTES <const>, START_GROUP <const> = wire.BYTES, wire.START_GROUP
local HIGHEST_NUMBER <const>, END_GROUP <const> = wire.HIGHEST_NUMBER, wire.END_GROUP

---@param walk gantry.protobuf.Walk
local function fail_short(walk)
  walk:fail "the bytes end inside a value"
end

---Reads the length before a value; returns where the value begins and its last byte.
---@return integer first
---@return integer last
local function read_length(walk, bytes, position, limit)
  local size, first = byte(bytes, position), position + 1
  if not size or size >= 0x80 then size, first = read_varint(bytes, position) end
  if not size or size < 0 or size > limit - first + 1 then fail_short(walk) end
  return first, first + size - 1
end

---A table with what absent fields have: defaults, and empty lists.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@return table
local function new_table(walk, message)
  walk:spend(message.cost)
  local value = {}
  local plain, lists = message.plain, message.lists
  for index = 1, #plain do
    local field = plain[index]
    value[field.name] = field.default
  end
  for index = 1, #lists do value[lists[index]] = {} end
  return value
end

---@param walk gantry.protobuf.Walk
---@param start integer
local function fail_invalid(walk, start)
  walk:fail(("the bytes hold no valid field at byte %d"):format(start))
end

---One field whose number or wire type is not known: kept.
local function keep_unknown(walk, bytes, start, position, limit, tag, target)
  local behind = wire.skip(bytes, position, limit, tag)
  if not behind then fail_invalid(walk, start) end
  if target then unknown.add(target, bytes:sub(start, behind - 1)) end
  return behind
end

---Reads fields into a table until the limit, or until the tag that ends a group.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param bytes string
---@param position integer
---@param limit integer the last byte
---@param target table
---@param group integer? the number of the group that this is
---@return integer next
local function decode_fields(walk, message, bytes, position, limit, target, group)
  local readers, steps, depth = message.readers, message.steps, walk:enter()
  while position <= limit do
    local start = position
    local tag = byte(bytes, start)
    position = start + 1
    if tag >= 0x80 then tag, position = read_varint(bytes, start) end
    local read = readers[tag]
    if read and position <= limit + 1 then
      walk[depth] = steps[tag]
      position = read(walk, bytes, position, limit, target)
    else
      local number = tag and tag >> 3
      if not tag or position > limit + 1 or number == 0 or number > HIGHEST_NUMBER then
        walk.depth = depth - 1
        fail_invalid(walk, start)
      end
      if number == group and tag & 7 == END_GROUP then
        walk.depth = depth - 1
        return position
      end
      walk[depth] = number
      position = keep_unknown(walk, bytes, start, position, limit, tag, target)
    end
  end
  walk.depth = depth - 1
  if group then fail_short(walk) end
  return position
end

---What a value that was decoded before has of its fields, to be merged with.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param before any in its natural form
---@return table fields
local function fields_of(walk, message, before)
  local natural = message.natural
  if not natural then return before end
  local fields = natural.wrap_again and natural.wrap_again(before) or natural.wrap(walk, before, message)
  for name in next, fields do
    local oneof = message.by_name[name] and message.by_name[name].oneof
    if oneof then walk:choose(fields, oneof, name) end
  end
  return fields
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param bytes string
---@param first integer
---@param last integer
---@param before any? the value that is merged with
---@param group integer? the number of the group that this is, which may end before `last`
---@return any value in its natural form
---@return integer next
function decoder.message(walk, message, bytes, first, last, before, group)
  if not message.linked then message:link() end
  local natural = message.natural
  local target = before ~= nil and fields_of(walk, message, before) or new_table(walk, message)
  local behind = decode_fields(walk, message, bytes, first, last, target, group)
  if natural then return natural.unwrap(walk, target, message), behind end
  return target, behind
end

-- ---- the values of each kind of field ----

---Reads the value at a position, merged with what is there; returns it and the next position.
---@alias gantry.protobuf.Get fun(walk: gantry.protobuf.Walk, bytes: string, at: integer, limit: integer, before: any)

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Get
local function get_scalar(field)
  local scalar = field.scalar
  if scalar.kind == BYTES then
    local checked = scalar == scalars.string
    return function(walk, bytes, position, limit)
      local size, first = byte(bytes, position), position + 1
      if not size or size >= 0x80 or size > limit - position then
        first, size = read_length(walk, bytes, position, limit)
        size = size - first + 1
      end
      local text = sub(bytes, first, first + size - 1)
      if checked and not utf8_length(text) then walk:fail "string expected, got bytes that are not UTF-8" end
      return text, first + size
    end
  end
  local decode, size = scalar.decode, scalar.size
  return function(walk, bytes, position, limit)
    if size and position + size > limit + 1 then fail_short(walk) end
    local value, behind = decode(bytes, position)
    if value == nil or behind > limit + 1 then fail_short(walk) end
    return value, behind
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Get
local function get_enum(field)
  local names = field.enum.names
  return function(walk, bytes, position, limit)
    local value, behind = read_varint(bytes, position)
    if not value or behind > limit + 1 then fail_short(walk) end
    value = scalars.as_int32(value)
    return names[value] or value, behind
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Get
local function get_message(field)
  local message = field.message
  return function(walk, bytes, position, limit, before)
    local first, last = read_length(walk, bytes, position, limit)
    return (decoder.message(walk, message, bytes, first, last, before)), last + 1
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Get
local function get_group(field)
  local message, number = field.message, field.number
  return function(walk, bytes, position, limit, before)
    return decoder.message(walk, message, bytes, position, limit, before, number)
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Get get
---@return integer kind its wire type
local function get_of(field)
  if field.group then return get_group(field), START_GROUP end
  if field.message then return get_message(field), BYTES end
  if field.enum then return get_enum(field), wire.VARINT end
  return get_scalar(field), field.scalar.kind
end

-- ---- fields ----

---@param field gantry.protobuf.Field
local function single(field)
  local get, kind = get_of(field)
  local name, oneof, merged = field.name, field.oneof, field.message ~= nil
  if not oneof and not merged then
    return { [kind] = function(walk, bytes, position, limit, target)
      local value, behind = get(walk, bytes, position, limit)
      target[name] = value
      return behind
    end }
  end
  return { [kind] = function(walk, bytes, position, limit, target)
    local before
    if merged then before = target[name] end
    local value, behind = get(walk, bytes, position, limit, before)
    if oneof then
      local other = walk:choose(target, oneof, name)
      if other then target[other] = nil end
    end
    target[name] = value
    return behind
  end }
end

---@param field gantry.protobuf.Field
local function repeated(field)
  local get, kind = get_of(field)
  local name = field.name
  local readers = { [kind] = function(walk, bytes, position, limit, target)
    local value, behind = get(walk, bytes, position, limit)
    local list = target[name]
    list[#list + 1] = value
    return behind
  end }
  if kind ~= BYTES and kind ~= START_GROUP then
    readers[BYTES] = function(walk, bytes, position, limit, target)
      local list = target[name]
      local at, last = read_length(walk, bytes, position, limit)
      while at <= last do list[#list + 1], at = get(walk, bytes, at, last) end
      return last + 1
    end
  end
  return readers
end

---The key or value that an entry without one has.
---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
local function absent(walk, field)
  if field.message then return (decoder.message(walk, field.message, "", 1, 0)) end
  return field.default
end

---@param field gantry.protobuf.Field
local function map(field)
  local name, entry = field.name, field.map.entry
  local key_field, value_field = field.map.key, field.map.value
  return { [BYTES] = function(walk, bytes, position, limit, target)
    local first, last = read_length(walk, bytes, position, limit)
    local found = {}
    decode_fields(walk, entry, bytes, first, last, found)
    local key, value = found.key, found.value
    if key == nil then key = absent(walk, key_field) end
    if value == nil then value = absent(walk, value_field) end
    target[name][key] = value
    return last + 1
  end }
end

---How a field is decoded, by the wire types that it may have: reads into the target, returns the next position.
---@param field gantry.protobuf.Field linked
---@return table<integer, function>
function decoder.field(field)
  if field.map then return map(field) end
  if field.repeated then return repeated(field) end
  return single(field)
end

return decoder
