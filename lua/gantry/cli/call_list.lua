-- SPDX-License-Identifier: Apache-2.0
--
--- cli/call_list.lua: what `gantry call --list` prints of a plugin's services: methods, then messages and enums.

local json = require "gantry.json"
local outline = require "gantry.protobuf.outline"
local table_text = require "gantry.text.table_text"

local listing = {}

-- Services that every plugin has: named, but shown in full only when asked for.
local USUAL = { "^grpc%.", "^plugin%.GRPC" }

---@param name string
---@return boolean
local function is_usual(name)
  for _, pattern in ipairs(USUAL) do
    if name:find(pattern) then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@param wanted string?
---@return gantry.protobuf.Outline? found
---@return string[]|gantry.Error others names of services that are left out; or the error
local function find(plugin, wanted)
  local names, others, services = {}, {}, {}
  local all, err = plugin:services()
  if not all then return nil, err end
  for name in pairs(all) do table.insert(not wanted and is_usual(name) and others or names, name) end
  if wanted then names = { (wanted:gsub("/.*", "")) } end
  table.sort(names)
  table.sort(others)
  for index, name in ipairs(names) do
    local service, unknown = plugin.reflection:service(name)
    if not service then return nil, unknown end
    services[index] = service
  end
  local found, failure = outline.of(plugin.reflection.registry, services)
  if not found then return nil, failure end
  return found, others
end

---@param found gantry.protobuf.Outline
---@param others string[]
---@return string
local function as_json(found, others)
  local services, messages, enums = json.array(), json.array(), json.array()
  for index, service in ipairs(found.services) do
    local methods = json.array()
    for place, method in ipairs(service.methods) do
      methods[place] = { name = method.name, request = method.input, reply = method.output,
        client_streaming = method.client_streaming, server_streaming = method.server_streaming }
    end
    services[index] = { name = service.name, methods = methods }
  end
  for index, message in ipairs(found.messages) do
    messages[index] = { name = message.name, fields = json.array(message.fields) }
  end
  for index, enum in ipairs(found.enums) do enums[index] = { name = enum.name, values = json.array(enum.values) } end
  return assert(json.encode { services = services, messages = messages, enums = enums,
    other_services = json.array(others) })
end

---@param service gantry.protobuf.Service
---@return string
local function service_text(service)
  local lines = { "service " .. service.name }
  for _, method in ipairs(service.methods) do
    lines[#lines + 1] = ("  %s (%s%s) returns (%s%s)"):format(method.name, method.client_streaming and "stream " or "",
      method.input, method.server_streaming and "stream " or "", method.output)
  end
  return table.concat(lines, "\n") .. "\n"
end

---@param heading string
---@param rows string[][]
---@return string
local function block(heading, rows)
  if #rows == 0 then return heading .. "\n  (no fields)\n" end
  return heading .. "\n" .. table_text.format(rows):gsub("[^\n]+", "  %0")
end

---@param message table of an outline
---@return string
local function message_text(message)
  local rows = {}
  for index, field in ipairs(message.fields) do
    rows[index] = { field.name, field.type, field.oneof and "one of " .. field.oneof or "" }
  end
  return block("message " .. message.name, rows)
end

---@param enum table of an outline
---@return string
local function enum_text(enum)
  local rows = {}
  for index, value in ipairs(enum.values) do rows[index] = { value.name, tostring(value.number) } end
  return block("enum " .. enum.name, rows)
end

---@param found gantry.protobuf.Outline
---@param others string[]
---@return string
local function as_text(found, others)
  local blocks = {}
  for _, service in ipairs(found.services) do blocks[#blocks + 1] = service_text(service) end
  for _, message in ipairs(found.messages) do blocks[#blocks + 1] = message_text(message) end
  for _, enum in ipairs(found.enums) do blocks[#blocks + 1] = enum_text(enum) end
  if #others > 0 then
    blocks[#blocks + 1] = ("also: %s (name one to see it)\n"):format(table.concat(others, ", "))
  end
  return (table.concat(blocks, "\n"):gsub("\n$", ""))
end

---@param plugin gantry.Plugin
---@param wanted string? one service alone
---@param for_programs boolean?
---@return string? text, gantry.Error? err
function listing.text(plugin, wanted, for_programs)
  local found, others = find(plugin, wanted)
  if not found then return nil, others --[[@as gantry.Error]] end
  return (for_programs and as_json or as_text)(found, others --[[@as string[] ]])
end

return listing
