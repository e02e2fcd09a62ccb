-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/encoder.lua: a plain table to a message's bytes. Fields go out in the order of their numbers, the entries
--- of a map sorted, unknown fields last: the same table always gives the same bytes.

local nearest = require "gantry.base.nearest"
local scalars = require "gantry.protobuf.scalars"
local unknown = require "gantry.protobuf.unknown"
local walk_of = require "gantry.protobuf.walk"
local wire = require "gantry.protobuf.wire"
local words = require "gantry.base.words"

local encoder = {}

local MAP <const> = walk_of.MAP
local varint = scalars.varint
local concat = table.concat

---Refuses a name that no field has.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param name any
local function refuse_name(walk, message, name)
  if type(name) ~= "string" then
    walk:fail(("%s expected, which has named fields, got the key %s"):format(message.short, tostring(name)))
  end
  local near = nearest.find(name, message:field_names())
  walk:fail(("unknown field %s%s"):format(words.show(name), near and ("; did you mean '%s'?"):format(near) or ""))
end

---The fields that a value has; one of them where there is one.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value table
---@return integer count
---@return gantry.protobuf.Field? field
local function fields_in(walk, message, value)
  local by_name, count, field = message.by_name, 0, nil
  for name in next, value do
    field = by_name[name] or refuse_name(walk, message, name)
    count = count + 1
  end
  return count, field
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value table
local function check_oneofs(walk, message, value)
  for _, oneof in ipairs(message.oneofs) do
    local set
    for _, field in ipairs(oneof.fields) do
      if value[field.name] ~= nil then
        if set then walk:fail(("'%s' and '%s' exclude each other (oneof %s)"):format(set, field.name, oneof.name)) end
        set = field.name
      end
    end
  end
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value table
---@param depth integer
local function check_required(walk, message, value, depth)
  for _, field in ipairs(message.required) do
    walk[depth] = field.name
    if value[field.name] == nil then walk:fail "is required" end
  end
end

---The fields of a message whose value is a plain table of them.
---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value table
---@return string
local function encode_fields(walk, message, value)
  local left, only = fields_in(walk, message, value)
  if message.oneofs[1] then check_oneofs(walk, message, value) end
  local depth, out = walk:enter(), { nil, nil, nil, nil } -- room for what most messages have
  if message.required[1] then check_required(walk, message, value, depth) end
  if left == 1 then
    walk[depth] = only.name
    only.encode(walk, out, value[only.name])
    left = 0
  end
  local ordered, place = message.ordered, 0
  while left > 0 do
    place = place + 1
    local field = ordered[place]
    local element = value[field.name]
    if element ~= nil then
      left = left - 1
      walk[depth] = field.name
      field.encode(walk, out, element)
    end
  end
  walk.depth = depth - 1
  out[#out + 1] = unknown.get(value)
  return concat(out)
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value any in its natural form
---@return string
function encoder.message(walk, message, value)
  if not message.linked then message:link() end
  if message.natural then value = message.natural.wrap(walk, value, message) end
  if type(value) ~= "table" then walk:fail(("%s (a table) expected, got %s"):format(message.short, type(value))) end
  return encode_fields(walk, message, value)
end

-- ---- what a field of each kind becomes ----

---@alias gantry.protobuf.Put fun(walk: gantry.protobuf.Walk, value: any): string

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Put
local function put_scalar(field)
  local encode, counted = field.scalar.encode, field.scalar.kind == wire.BYTES
  return function(walk, value)
    local bytes, reason = encode(value)
    if not bytes then walk:fail(reason) end
    if counted then return varint(#bytes) .. bytes end
    return bytes
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Put
local function put_enum(field)
  local enum = field.enum
  return function(walk, value)
    local number, reason = enum:number(value)
    if not number then walk:fail(reason) end
    return varint(number)
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Put
local function put_message(field)
  local message, group_end = field.message, field.group and varint(field.number << 3 | wire.END_GROUP)
  return function(walk, value)
    local bytes = encoder.message(walk, message, value)
    if group_end then return bytes .. group_end end
    return varint(#bytes) .. bytes
  end
end

---@param field gantry.protobuf.Field
---@return gantry.protobuf.Put
local function put_of(field)
  if field.message then return put_message(field) end
  if field.enum then return put_enum(field) end
  return put_scalar(field)
end

---@param field gantry.protobuf.Field
---@return integer
local function wire_type(field)
  if field.group then return wire.START_GROUP end
  if field.message then return wire.BYTES end
  return field.enum and wire.VARINT or field.scalar.kind
end

---A single text or bytes.
---@param field gantry.protobuf.Field
local function single_text(field)
  local tag, encode, omitted = varint(field.number << 3 | wire.BYTES), field.scalar.encode, nil
  if not field.presence then omitted = field.default end
  return function(walk, out, value)
    local bytes, reason = encode(value)
    if not bytes then walk:fail(reason) end
    if bytes == omitted then return end
    local size = #out
    out[size + 1], out[size + 2], out[size + 3] = tag, varint(#bytes), bytes
  end
end

---@param field gantry.protobuf.Field
local function single(field)
  local tag, put = varint(field.number << 3 | wire_type(field)), put_of(field)
  -- Without presence, a value that is the default is not sent.
  local default = not field.presence and put(walk_of.new "", field.default) or nil
  return function(walk, out, value)
    local bytes = put(walk, value)
    if bytes == default then return end
    local size = #out
    out[size + 1], out[size + 2] = tag, bytes
  end
end

---How many elements a list has.
---@param walk gantry.protobuf.Walk
---@param value any
---@return integer
local function length_of(walk, value)
  if type(value) ~= "table" then walk:fail(("a list expected, got %s"):format(type(value))) end
  local length, count = #value, 0
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      walk:fail(("a list expected, got a table with the key %s"):format(tostring(key)))
    end
    count = count + 1
  end
  if count ~= length then walk:fail "a list expected, got one with gaps" end
  return length
end

---The elements of a list, each as put makes them, with `tag` before each where one is given.
local function put_all(walk, value, put, tag)
  local length = length_of(walk, value)
  if length == 0 then return "" end
  local depth, out = walk:enter(), {}
  for index = 1, length do
    walk[depth] = index
    local bytes = put(walk, value[index])
    out[index] = tag and tag .. bytes or bytes
  end
  walk.depth = depth - 1
  return concat(out)
end

---@param field gantry.protobuf.Field
local function repeated(field)
  local put = put_of(field)
  if field.packed then
    local tag = varint(field.number << 3 | wire.BYTES)
    return function(walk, out, value)
      local bytes = put_all(walk, value, put)
      if bytes ~= "" then out[#out + 1] = tag .. varint(#bytes) .. bytes end
    end
  end
  local tag = varint(field.number << 3 | wire_type(field))
  return function(walk, out, value) out[#out + 1] = put_all(walk, value, put, tag) end
end

---@param left any
---@param right any
local function key_order(left, right)
  if type(left) == "boolean" then return not left and right end
  return left < right
end

---@param field gantry.protobuf.Field
local function map(field)
  local tag = varint(field.number << 3 | wire.BYTES)
  local key_field, value_field = field.map.key, field.map.value
  local key_tag, put_key = varint(1 << 3 | wire_type(key_field)), put_of(key_field)
  local value_tag, put_value = varint(2 << 3 | wire_type(value_field)), put_of(value_field)
  return function(walk, out, value)
    if type(value) ~= "table" then walk:fail(("a table of keys and values expected, got %s"):format(type(value))) end
    local keys, key_bytes, depth = {}, {}, walk:enter()
    walk[depth] = MAP
    for key in next, value do
      walk[-depth] = key
      keys[#keys + 1], key_bytes[key] = key, put_key(walk, key)
    end
    table.sort(keys, key_order) -- of one type, now that each is a key
    for _, key in ipairs(keys) do
      walk[-depth] = key
      local entry = key_tag .. key_bytes[key] .. value_tag .. put_value(walk, value[key])
      out[#out + 1] = tag .. varint(#entry) .. entry
    end
    walk.depth = depth - 1
  end
end

---How a field is encoded: appends to a list of pieces.
---@param field gantry.protobuf.Field linked
---@return fun(walk: gantry.protobuf.Walk, out: string[], value: any)
function encoder.field(field)
  if field.map then return map(field) end
  if field.repeated then return repeated(field) end
  return field.scalar and field.scalar.kind == wire.BYTES and single_text(field) or single(field)
end

return encoder
