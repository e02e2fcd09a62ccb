-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/descriptor.lua: the description of a .proto file (google.protobuf.FileDescriptorProto), as reflection sends
--- it, from bytes to plain tables with the names of descriptor.proto. What gantry has no use for is left out.

local errors = require "gantry.errors"
local wire = require "gantry.wire"

local descriptor = {}

---@param name string
---@param schema table|"boolean"|nil of a message; nil: the value as it is on the wire
local function one(name, schema)
  return { name = name, schema = schema }
end

---@param name string
---@param schema table?
local function list(name, schema)
  return { name = name, schema = schema, list = true }
end

-- By number, from descriptor.proto. `features` are those of editions; `options` of each kind hold them at a number of
-- their own.
local FEATURES = {
  one "field_presence", one "enum_type", one "repeated_field_encoding", one "utf8_validation", one "message_encoding",
}

local FIELD = {
  [1] = one "name", [3] = one "number", [4] = one "label", [5] = one "type", [6] = one "type_name",
  [9] = one "oneof_index", [10] = one "json_name", [17] = one("proto3_optional", "boolean"),
  [8] = one("options", { [2] = one("packed", "boolean"), [21] = one("features", FEATURES) }),
}

local ENUM = {
  [1] = one "name", [2] = list("value", { [1] = one "name", [2] = one "number" }),
  [3] = one("options", { [7] = one("features", FEATURES) }),
}

local MESSAGE = {
  [1] = one "name", [2] = list("field", FIELD), [4] = list("enum_type", ENUM),
  [7] = one("options", { [7] = one("map_entry", "boolean"), [12] = one("features", FEATURES) }),
  [8] = list("oneof_decl", { [1] = one "name", [2] = one("options", { [1] = one("features", FEATURES) }) }),
}
MESSAGE[3] = list("nested_type", MESSAGE)

local METHOD = {
  [1] = one "name", [2] = one "input_type", [3] = one "output_type", [5] = one("client_streaming", "boolean"),
  [6] = one("server_streaming", "boolean"),
}

local FILE = {
  [1] = one "name", [2] = one "package", [3] = list "dependency", [4] = list("message_type", MESSAGE),
  [5] = list("enum_type", ENUM), [6] = list("service", { [1] = one "name", [2] = list("method", METHOD) }),
  [8] = one("options", { [50] = one("features", FEATURES) }), [12] = one "syntax", [14] = one "edition",
}

local parse

---@param entry table of a schema
---@param value integer|string
local function convert(entry, value)
  if entry.schema == "boolean" then return value ~= 0 end
  if not entry.schema then return value end
  if type(value) ~= "string" then error(errors.new("DESCRIPTOR_INVALID", entry.name .. " is no message"), 0) end
  return parse(value, entry.schema)
end

---@param bytes string
---@param schema table
---@return table
function parse(bytes, schema)
  local found = {}
  for _, entry in pairs(schema) do
    if entry.list then found[entry.name] = {} end
  end
  local position = 1
  while position <= #bytes do
    local number, value
    number, value, position = wire.next(bytes, position)
    if not number then error(errors.new("DESCRIPTOR_INVALID", "it ends inside a field"), 0) end
    local entry = schema[number]
    if entry and entry.list then
      table.insert(found[entry.name], convert(entry, value))
    elseif entry then
      found[entry.name] = convert(entry, value)
    end
  end
  return found
end

---@param bytes string an encoded FileDescriptorProto
---@return table? file
---@return gantry.Error? err DESCRIPTOR_INVALID
function descriptor.file(bytes)
  local ok, file = pcall(parse, bytes, FILE)
  if not ok then
    if not errors.is(file) then error(file, 0) end
    return nil, file:wrap "read a description of messages"
  end
  if type(file.name) ~= "string" then
    return nil, errors.new("DESCRIPTOR_INVALID", "read a description of messages: the file has no name")
  end
  return file
end

return descriptor
