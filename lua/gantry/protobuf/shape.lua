-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/shape.lua: what the fields of some messages must be, since there is code that relies on it: entries of
--- maps, and google.protobuf's well-known types. A plugin describes those itself, and may say anything.

local errors = require "gantry.base.errors"
local scalars = require "gantry.protobuf.scalars"

local shape = {}

local PREFIX <const> = "google.protobuf."

local TIME = { seconds = { 1, "int64" }, nanos = { 2, "int32" } }

---Fields by name: number and kind.
---@type table<string, table<string, { [1]: integer, [2]: string, type: string?, repeated: boolean? }>>
local SHAPES = {
  Timestamp = TIME, Duration = TIME, Empty = {},
  Any = { type_url = { 1, "string" }, value = { 2, "bytes" } },
  FieldMask = { paths = { 1, "string", repeated = true } },
  Struct = { fields = { 1, "message", type = PREFIX .. "Struct.FieldsEntry", repeated = true } },
  ListValue = { values = { 1, "message", type = PREFIX .. "Value", repeated = true } },
  ["Struct.FieldsEntry"] = { key = { 1, "string" }, value = { 2, "message", type = PREFIX .. "Value" } },
  Value = {
    null_value = { 1, "enum", type = PREFIX .. "NullValue" }, number_value = { 2, "double" },
    string_value = { 3, "string" }, bool_value = { 4, "bool" },
    struct_value = { 5, "message", type = PREFIX .. "Struct" },
    list_value = { 6, "message", type = PREFIX .. "ListValue" },
  },
}
for _, name in ipairs { "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes" } do
  SHAPES[name .. "Value"] = { value = { 1, name:lower() } }
end

-- Kinds of keys that a map may have.
local KEYS = {
  int32 = true, int64 = true, uint32 = true, uint64 = true, sint32 = true, sint64 = true, fixed32 = true,
  fixed64 = true, sfixed32 = true, sfixed64 = true, bool = true, string = true,
}

---@param message gantry.protobuf.Message
---@param reason string
local function refuse(message, reason)
  error(errors.new("DESCRIPTOR_INVALID", ("message %s %s"):format(message.name, reason)), 0)
end

---@param field gantry.protobuf.Field
---@param wanted table
---@return boolean
local function fits(field, wanted)
  return wanted ~= nil and field.number == wanted[1] and field.kind == wanted[2] and not field.required
    and not field.group and field.repeated == (wanted.repeated or false) and field.type == (wanted.type or wanted[2])
end

---Whether the message has the oneof that this type has in protobuf: Value has one, of all its fields.
---@param message gantry.protobuf.Message
---@return boolean
local function oneof_fits(message)
  local oneof = message.oneofs[1]
  if message.name ~= PREFIX .. "Value" then return oneof == nil end
  return oneof ~= nil and #oneof.fields == #message.fields
end

---A type of google.protobuf behaves the same in whatever syntax it was described.
---@param message gantry.protobuf.Message
---@param fields table<string, table>
local function fit_well_known(message, fields)
  local left, all_fit = 0, oneof_fits(message)
  for _ in pairs(fields) do left = left + 1 end
  for _, field in ipairs(message.fields) do
    all_fit = all_fit and fits(field, fields[field.name])
    if field.scalar then field.scalar = scalars[field.kind] end
    field.presence = field.kind == "message" or field.oneof ~= nil
  end
  if all_fit and #message.fields == left then return end
  refuse(message, "is not the type that protobuf has under this name")
end

---@param message gantry.protobuf.Message
local function fit_entry(message)
  local key, value = message.by_name.key, message.by_name.value
  local fields_fit = #message.fields == 2 and key and value and key.number == 1 and value.number == 2
    and KEYS[key.kind] and not key.repeated and not value.repeated
  if not fields_fit then
    refuse(message, "is marked as the entry of a map, but has not the two fields of one, 'key' = 1 and 'value' = 2")
  end
end

---Raises an error object where a message is not what its name or its options say.
---@param message gantry.protobuf.Message with its fields
function shape.fit(message)
  local name = message.name:sub(1, #PREFIX) == PREFIX and message.name:sub(#PREFIX + 1)
  local fields = name and SHAPES[name]
  if fields then fit_well_known(message, fields) end
  if message.is_map_entry then fit_entry(message) end
  if name == "Struct.FieldsEntry" and not message.is_map_entry then refuse(message, "is not the entry of a map") end
end

return shape
