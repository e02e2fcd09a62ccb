-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/registry.lua: the messages, enums and services of a set of .proto files, by full name. It owns them. What
--- it does not have it may ask for: see `on_missing`.

local descriptor = require "gantry.protobuf.descriptor"
local enum = require "gantry.protobuf.enum"
local errors = require "gantry.base.errors"
local features = require "gantry.protobuf.features"
local message = require "gantry.protobuf.message"
local words = require "gantry.base.words"

local registry = {}

-- Types that are asked for one by one: a message can name any number of them that nobody has.
local MOST_ASKED <const> = 1000

---@class gantry.protobuf.Method
---@field name string
---@field path string "/package.Service/Method"
---@field input string full name of the request's type
---@field output string full name of the answer's type
---@field client_streaming boolean
---@field server_streaming boolean

---@class gantry.protobuf.Service
---@field name string full
---@field short string
---@field methods gantry.protobuf.Method[] as declared
---@field by_name table<string, gantry.protobuf.Method>

---@class gantry.protobuf.Registry
---@field on_missing (fun(name: string))? called once for a type that no file has had; it may add files
local Registry = {}
Registry.__index = Registry

---@return gantry.protobuf.Registry
function registry.new()
  return setmetatable({
    files = {}, messages = {}, enums = {}, services = {}, asked = {}, asked_count = 0, left = descriptor.MOST,
  }, Registry)
end

---@param scope string? a package or a message's full name
---@param name string
---@return string
local function inside(scope, name)
  return scope and scope ~= "" and scope .. "." .. name or name
end

---@param self gantry.protobuf.Registry that owns the messages
---@param found { messages: table, enums: table } by full name; the first of a name stays
---@param scope string?
---@param holder table a file's or a message's descriptor
---@param outer table features
local function add_types(self, found, scope, holder, outer)
  for _, one in ipairs(holder.enum_type) do
    local name = inside(scope, one.name)
    found.enums[name] = found.enums[name] or enum.new(name, one)
  end
  for _, one in ipairs(holder.message_type or holder.nested_type) do
    local name = inside(scope, one.name)
    found.messages[name] = found.messages[name] or message.new(self, name, one, outer)
    add_types(self, found, name, one, features.inside(outer, one))
  end
end

---@param self gantry.protobuf.Registry
---@param file table
---@return { messages: table, enums: table }
local function types_of(self, file)
  local found = { messages = {}, enums = {} }
  add_types(self, found, file.package, file, features.of_file(file))
  return found
end

---@param name string
---@return string
local function without_dot(name)
  return (name:gsub("^%.", ""))
end

---@param scope string?
---@param description table a ServiceDescriptorProto
---@return gantry.protobuf.Service
local function new_service(scope, description)
  local service = { name = inside(scope, description.name), short = description.name, methods = {}, by_name = {} }
  for index, one in ipairs(description.method) do
    local method = {
      name = one.name, path = ("/%s/%s"):format(service.name, one.name), input = without_dot(one.input_type),
      output = without_dot(one.output_type), client_streaming = one.client_streaming or false,
      server_streaming = one.server_streaming or false,
    }
    service.methods[index], service.by_name[one.name] = method, method
  end
  return service
end

---Adds a file; one that is there already, by its name, stays as it is.
---@param bytes string an encoded FileDescriptorProto
---@return boolean? added false where it was there
---@return gantry.Error? err DESCRIPTOR_INVALID
function Registry:add(bytes)
  local file, cost = descriptor.file(bytes, self.left)
  if not file then return nil, cost --[[@as gantry.Error]] end
  if self.files[file.name] then return false end
  local found, invalid = descriptor.protect(file.name, types_of, self, file)
  if not found then return nil, invalid end
  self.files[file.name], self.left = file.dependency, self.left - cost
  for _, kind in ipairs { "messages", "enums" } do
    for name, one in pairs(found[kind]) do self[kind][name] = self[kind][name] or one end
  end
  for _, one in ipairs(file.service) do
    local service = new_service(file.package, one)
    self.services[service.name] = self.services[service.name] or service
  end
  return true
end

---Names of files that others import and nobody has added.
---@return string[]
function Registry:missing_files()
  local missing, seen = {}, {}
  for _, imports in pairs(self.files) do
    for _, name in ipairs(imports) do
      if not self.files[name] and not seen[name] then
        seen[name] = true
        missing[#missing + 1] = name
      end
    end
  end
  table.sort(missing)
  return missing
end

---@param self gantry.protobuf.Registry
---@param kind "messages"|"enums"
---@param name string
local function find(self, kind, name)
  if self[kind][name] then return self[kind][name] end
  if not descriptor.is_name(name) then
    return nil, errors.new("TYPE_UNKNOWN", ("%s is the name of no type"):format(words.show(name)))
  end
  if self.on_missing and not self.asked[name] and self.asked_count < MOST_ASKED then
    self.asked[name], self.asked_count = true, self.asked_count + 1
    self.on_missing(name)
  end
  if self[kind][name] then return self[kind][name] end
  return nil, errors.new("TYPE_UNKNOWN", ("type %s is not known: no file that describes it was given"):format(name))
end

---@param name string full
---@return gantry.protobuf.Message?, gantry.Error?
function Registry:message(name)
  return find(self, "messages", name)
end

---@param name string full
---@return gantry.protobuf.Enum?, gantry.Error?
function Registry:enum(name)
  return find(self, "enums", name)
end

---@param name string full
---@return gantry.protobuf.Service?
function Registry:service(name)
  return self.services[name]
end

return registry
