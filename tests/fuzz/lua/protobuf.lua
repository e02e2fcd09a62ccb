-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/protobuf.lua: a description of a file and a message, both hostile. The input is a byte of how many bytes
--- are the message, in units of four, the description, then the message. What decodes is encoded, and shown as JSON.

local errors = require "gantry.base.errors"
local protobuf = require "gantry.protobuf"

local function checked(value, err)
  if value == nil and err ~= nil then assert(errors.is(err), tostring(err)) end
  return value
end

local function try(message, bytes)
  local value, err = message:decode(bytes)
  checked(value, err)
  if err then return end
  checked(message:encode(value))
  local text = checked(message:to_json(bytes))
  if text then checked(message:from_json(text)) end
end

return function(input)
  local size = (input:byte(1) or 0) * 4
  local description, bytes = input:sub(2, -size - 1), size > 0 and input:sub(2):sub(-size) or ""
  local registry = protobuf.registry()
  if not checked(registry:add(description)) then return end
  local names = {}
  for name in pairs(registry.messages) do names[#names + 1] = name end
  table.sort(names)
  for index = 1, math.min(#names, 4) do try(registry.messages[names[index]], bytes) end
end
