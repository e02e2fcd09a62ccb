-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/registry.lua: the messages, enums and services of a set of .proto files, by full name. It owns them. What
--- it does not have it may ask for: see `on_missing`.

local descriptor = require "gantry.protobuf.descriptor"
local enum = require "gantry.protobuf.enum"
local errors = require "gantry.errors"
local features = require "gantry.protobuf.features"
local message = require "gantry.protobuf.message"

local registry = {}

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
  return setmetatable({ files = {}, messages = {}, enums = {}, services = {}, asked = {} }, Registry)
end

---@param scope string? a package or a message's full name
---@param name string
---@return string
local function inside(scope, name)
  return scope and scope ~= "" and scope .. "." .. name or name
end

---@param self gantry.protobuf.Registry
---@param scope string?
---@param holder table a file's or a message's descriptor
---@param outer table features
local function add_types(self, scope, holder, outer)
  for _, one in ipairs(holder.enum_type) do
    local name = inside(scope, one.name)
    self.enums[name] = enum.new(name, one)
  end
  for _, one in ipairs(holder.message_type or holder.nested_type) do
    local name = inside(scope, one.name)
    self.messages[name] = message.new(self, name, one, outer)
    add_types(self, name, one, features.inside(outer, one))
  end
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
  local file, err = descriptor.file(bytes)
  if not file then return nil, err end
  if self.files[file.name] then return false end
  self.files[file.name] = file.dependency
  add_types(self, file.package, file, features.of_file(file))
  for _, one in ipairs(file.service) do
    local service = new_service(file.package, one)
    self.services[service.name] = service
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
  if not self[kind][name] and self.on_missing and not self.asked[name] then
    self.asked[name] = true
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
