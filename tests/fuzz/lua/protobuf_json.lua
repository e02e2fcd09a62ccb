-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/protobuf_json.lua: any text as the JSON of a message with fields of every kind, and as its bytes. What is
--- read can be encoded, and what is written can be read again and gives the same bytes.

local errors = require "gantry.base.errors"
local files = require "lua.protobuf_files"

local G = ".google.protobuf."

local function map(name, key, value, of)
  return { name = name, map_entry = true, { "key", 1, key }, { "value", 2, value, of = of } }
end

local KINDS = { "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes",
  "uint32", "sfixed32", "sfixed64", "sint32", "sint64" }

local all = { name = "All", oneofs = { "choice" }, messages = { map("AEntry", "string", "message", ".test.All"),
  map("BEntry", "int64", "enum", ".test.Color"), map("CEntry", "bool", "bytes") } }
for index, kind in ipairs(KINDS) do
  table.insert(all, { kind:sub(1, 2) .. index, index, kind })
  table.insert(all, { "r" .. index, 20 + index, kind, label = "repeated" })
end
for index, name in ipairs { "A", "B", "C" } do
  table.insert(all, { name:lower(), 40 + index, "message", of = ".test.All." .. name .. "Entry", label = "repeated" })
end
for index, name in ipairs { "Any", "Struct", "Value", "ListValue", "Timestamp", "Duration", "FieldMask", "Int64Value",
  "StringValue", "Empty" } do
  table.insert(all, { "w" .. index, 50 + index, "message", of = G .. name })
end
table.insert(all, { "me", 70, "message", of = ".test.All" })
table.insert(all, { "o1", 71, "string", oneof = 0 })
table.insert(all, { "o2", 72, "message", of = ".test.All", oneof = 0 })
table.insert(all, { "color", 73, "enum", of = ".test.Color" })

local registry = files.registry({
  name = "all.proto", messages = { all }, enums = { { name = "Color", values = { { "RED", 0 }, { "BLUE", 5 } } } },
}, {
  name = "google.proto", package = "google.protobuf",
  enums = { { name = "NullValue", values = { { "NULL_VALUE", 0 } } } },
  messages = {
    { name = "Any", { "type_url", 1, "string" }, { "value", 2, "bytes" } },
    { name = "Struct", messages = { map("FieldsEntry", "string", "message", G .. "Value") },
      { "fields", 1, "message", of = G .. "Struct.FieldsEntry", label = "repeated" } },
    { name = "Value", oneofs = { "kind" }, { "null_value", 1, "enum", of = G .. "NullValue", oneof = 0 },
      { "number_value", 2, "double", oneof = 0 }, { "string_value", 3, "string", oneof = 0 },
      { "bool_value", 4, "bool", oneof = 0 }, { "struct_value", 5, "message", of = G .. "Struct", oneof = 0 },
      { "list_value", 6, "message", of = G .. "ListValue", oneof = 0 } },
    { name = "ListValue", { "values", 1, "message", of = G .. "Value", label = "repeated" } },
    { name = "Timestamp", { "seconds", 1, "int64" }, { "nanos", 2, "int32" } },
    { name = "Duration", { "seconds", 1, "int64" }, { "nanos", 2, "int32" } },
    { name = "FieldMask", { "paths", 1, "string", label = "repeated" } },
    { name = "Int64Value", { "value", 1, "int64" } }, { name = "StringValue", { "value", 1, "string" } },
    { name = "Empty" },
  },
})
local message = assert(registry:message "test.All")

---@return string? bytes
local function bytes_of(value, err)
  if err then
    assert(errors.is(err), tostring(err))
    return nil
  end
  local bytes, failure = message:encode(value)
  assert(bytes or errors.is(failure))
  return bytes
end

local function same_again(bytes)
  local text, err = message:to_json(bytes)
  if not text then return assert(errors.is(err)) end
  local value, failure = message:from_json(text)
  if failure then return assert(errors.is(failure)) end
  assert(message:encode(value))
end

return function(input)
  local value, err = message:from_json(input)
  assert(not err or errors.is(err), tostring(err))
  local bytes = not err and bytes_of(value)
  if bytes then same_again(bytes) end
  value, err = message:decode(input)
  assert(not err or errors.is(err), tostring(err))
  bytes = not err and bytes_of(value)
  if bytes then same_again(bytes) end
end
