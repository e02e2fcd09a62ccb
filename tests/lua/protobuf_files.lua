-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf_files.lua: descriptions of messages for tests, written as tables and encoded by hand, so that no test of
--- the codec needs a compiler of .proto files, or trusts the codec that it tests.

local protobuf = require "gantry.protobuf"
local wire = require "gantry.protobuf.wire"

local files = {}

-- Numbers of FieldDescriptorProto.Type and Label.
local TYPES = {
  double = 1, float = 2, int64 = 3, uint64 = 4, int32 = 5, fixed64 = 6, fixed32 = 7, bool = 8, string = 9, group = 10,
  message = 11, bytes = 12, uint32 = 13, enum = 14, sfixed32 = 15, sfixed64 = 16, sint32 = 17, sint64 = 18,
}
local LABELS = { optional = 1, required = 2, repeated = 3 }

---@param features table<integer, integer>? FeatureSet by number
local function features_field(number, features)
  local out = ""
  for key = 1, 5 do
    if features and features[key] then out = out .. wire.varint_field(key, features[key]) end
  end
  return features and wire.bytes_field(number, out) or ""
end

---@param one table { name, number, type, of = ".pkg.Type", label =, packed =, oneof = index, optional =, json =,
---features = }
local function field(one)
  local out = wire.bytes_field(1, one[1]) .. wire.varint_field(3, one[2])
    .. wire.varint_field(4, LABELS[one.label or "optional"]) .. wire.varint_field(5, TYPES[one[3]])
  if one.of then out = out .. wire.bytes_field(6, one.of) end
  if one.oneof then out = out .. wire.varint_field(9, one.oneof) end
  if one.json then out = out .. wire.bytes_field(10, one.json) end
  if one.optional then out = out .. wire.varint_field(17, 1) end
  local options = features_field(21, one.features)
  if one.packed ~= nil then options = options .. wire.varint_field(2, one.packed and 1 or 0) end
  return out .. (options ~= "" and wire.bytes_field(8, options) or "")
end

---@param one table { name, values = { { name, number } } }
local function enum(one)
  local out = wire.bytes_field(1, one.name)
  for _, value in ipairs(one.values) do
    out = out .. wire.bytes_field(2, wire.bytes_field(1, value[1]) .. wire.varint_field(2, value[2]))
  end
  return out
end

---@param one table { name, fields..., messages =, enums =, oneofs = names, map_entry = }
local function message(one)
  local out = wire.bytes_field(1, one.name)
  for _, each in ipairs(one) do out = out .. wire.bytes_field(2, field(each)) end
  for _, each in ipairs(one.messages or {}) do out = out .. wire.bytes_field(3, message(each)) end
  for _, each in ipairs(one.enums or {}) do out = out .. wire.bytes_field(4, enum(each)) end
  for _, name in ipairs(one.oneofs or {}) do out = out .. wire.bytes_field(8, wire.bytes_field(1, name)) end
  if one.map_entry then out = out .. wire.bytes_field(7, wire.varint_field(7, 1)) end
  return out
end

---@param one table { name, methods = { { name, input, output, server_streaming = } } }
local function service(one)
  local out = wire.bytes_field(1, one.name)
  for _, method in ipairs(one.methods) do
    local text = wire.bytes_field(1, method[1]) .. wire.bytes_field(2, method[2]) .. wire.bytes_field(3, method[3])
    if method.server_streaming then text = text .. wire.varint_field(6, 1) end
    out = out .. wire.bytes_field(2, text)
  end
  return out
end

---An encoded FileDescriptorProto.
---@param one table { name =, package =, syntax =, imports =, messages =, enums =, services =, features = }
---@return string
function files.encode(one)
  local out = wire.bytes_field(1, one.name or "test.proto") .. wire.bytes_field(2, one.package or "test")
  for _, name in ipairs(one.imports or {}) do out = out .. wire.bytes_field(3, name) end
  for _, each in ipairs(one.messages or {}) do out = out .. wire.bytes_field(4, message(each)) end
  for _, each in ipairs(one.enums or {}) do out = out .. wire.bytes_field(5, enum(each)) end
  for _, each in ipairs(one.services or {}) do out = out .. wire.bytes_field(6, service(each)) end
  if one.features then out = out .. wire.bytes_field(8, features_field(50, one.features)) end
  local syntax = one.syntax or "proto3"
  if syntax ~= "proto2" then out = out .. wire.bytes_field(12, syntax) end
  return out .. (syntax == "editions" and wire.varint_field(14, 1000) or "")
end

---A registry with these files.
---@param ... table
---@return gantry.protobuf.Registry
function files.registry(...)
  local registry = protobuf.registry()
  for _, one in ipairs { ... } do assert(registry:add(files.encode(one))) end
  return registry
end

---The type of a single message of one file.
---@param description table as for message()
---@param options table? more fields of the file
---@return gantry.protobuf.Message
function files.message(description, options)
  local file = { messages = { description } }
  for name, value in pairs(options or {}) do file[name] = value end
  return assert(files.registry(file):message("test." .. description.name))
end

return files
