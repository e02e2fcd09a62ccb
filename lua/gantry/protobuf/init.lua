-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf: messages by descriptor, without generated code.
---
---   local registry = protobuf.registry()
---   assert(registry:add(file_descriptor_proto))           -- bytes, as reflection or protoc's descriptor set has them
---   local Request = assert(registry:message "proto.PutRequest")
---   local bytes = assert(Request:encode { key = "greeting", value = "hello" })
---
--- docs/calls.md tells how the types of protobuf stand in Lua tables.

local decimal = require "gantry.protobuf.decimal"
local registry = require "gantry.protobuf.registry"
local unknown = require "gantry.protobuf.unknown"

return {
  ---A new, empty set of types.
  registry = registry.new,

  ---The decimal digits of a uint64 or fixed64, whose upper half Lua's integers show as negative.
  unsigned = decimal.of_unsigned,

  ---The bytes of those fields of a decoded message that its type does not know; nil where there are none.
  unknown_fields = unknown.get,
}
