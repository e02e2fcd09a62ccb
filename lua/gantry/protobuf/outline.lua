-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/outline.lua: services described for people and programs: their methods, and the messages and enums that
--- these need, each once.

local walk_of = require "gantry.protobuf.walk"

local outline = {}

---@class gantry.protobuf.Outline
---@field services gantry.protobuf.Service[]
---@field messages table[] { name =, fields = { { name =, json_name =, number =, type =, oneof = } } }, in order of need
---@field enums table[] { name =, values = { { name =, number = } } }

---A field's type as a .proto file has it.
---@param field gantry.protobuf.Field of a linked message
---@return string
function outline.type_of(field)
  if field.map then
    return ("map<%s, %s>"):format(outline.type_of(field.map.key), outline.type_of(field.map.value))
  end
  if field.repeated then return "repeated " .. field.type end
  if field.required then return "required " .. field.type end
  if field.presence and not field.message and not field.oneof then return "optional " .. field.type end
  return field.type
end

---@param message gantry.protobuf.Message
---@return table
local function describe_message(message)
  local fields = {}
  for index, field in ipairs(message.fields) do
    fields[index] = { name = field.name, json_name = field.json_name, number = field.number,
      type = outline.type_of(field), oneof = field.oneof and field.oneof.name or nil }
  end
  return { name = message.name, fields = fields }
end

---@param enum gantry.protobuf.Enum
---@return table
local function describe_enum(enum)
  local values = {}
  for index, name in ipairs(enum.list) do values[index] = { name = name, number = enum.numbers[name] } end
  return { name = enum.name, values = values }
end

---@param found gantry.protobuf.Outline
---@param seen table<table, true>
---@param message gantry.protobuf.Message
local function add_message(found, seen, message)
  if seen[message] then return end
  seen[message] = true
  message:link()
  -- The well-known types are described in the manual: their form in JSON is not that of their fields.
  local is_shown = not message.is_map_entry and not message.name:find("^google%.protobuf%.")
  if is_shown then table.insert(found.messages, describe_message(message)) end
  if not is_shown and not message.is_map_entry then return end
  for _, field in ipairs(message.fields) do
    if field.enum and not seen[field.enum] then
      seen[field.enum] = true
      table.insert(found.enums, describe_enum(field.enum))
    end
    if field.message then add_message(found, seen, field.message) end
  end
end

---@param registry gantry.protobuf.Registry
---@param services gantry.protobuf.Service[]
---@return gantry.protobuf.Outline
local function build(registry, services)
  local found, seen = { services = services, messages = {}, enums = {} }, {}
  for _, service in ipairs(services) do
    for _, method in ipairs(service.methods) do
      add_message(found, seen, assert(registry:message(method.input)))
      add_message(found, seen, assert(registry:message(method.output)))
    end
  end
  return found
end

---@param registry gantry.protobuf.Registry
---@param services gantry.protobuf.Service[]
---@return gantry.protobuf.Outline? outline
---@return gantry.Error? err TYPE_UNKNOWN
function outline.of(registry, services)
  return walk_of.protect(build, registry, services)
end

return outline
