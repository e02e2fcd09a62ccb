-- SPDX-License-Identifier: Apache-2.0
--
--- grpc/reflection.lua: what a plugin says of its own services, over gRPC's reflection (grpc.reflection.v1, else
--- v1alpha). Owned by one plugin; what was learned is kept. Its answers are read by field number (reflection.proto):
--- they are what the descriptors of all other messages come in.

local core = require "gantry.core"
local descriptor = require "gantry.protobuf.descriptor"
local errors = require "gantry.base.errors"
local nearest = require "gantry.base.nearest"
local protobuf = require "gantry.protobuf"
local wire = require "gantry.protobuf.wire"
local words = require "gantry.base.words"

local reflection = {}

local PATHS = {
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}
-- Fields of ServerReflectionRequest and ServerReflectionResponse.
local FILE_BY_FILENAME <const>, FILE_CONTAINING_SYMBOL <const>, LIST_SERVICES <const> = 3, 4, 7
local FILES <const>, SERVICES <const>, ERROR <const> = 4, 6, 7
local TIMEOUT <const>, LONGEST_REASON <const> = 10, 1000
-- So many rounds of asking for what files import: far more than any plugin has.
local MOST_ROUNDS <const>, MOST_SHOWN <const> = 100, 50
-- What it may take to learn all that is asked for at once, and how many services it may have.
local MOST_REQUESTS <const>, MOST_SECONDS <const>, MOST_SERVICES <const> = 4000, 60, 10000

---@class gantry.Reflection
---@field registry gantry.protobuf.Registry
---@field names string[]? of the services, sorted
---@field methods table<string, gantry.MethodType> those that were asked for, by the names they were asked by
---@field version integer? which of PATHS is served
---@field requests integer made for what is asked for now
---@field spent number seconds that these took
local Reflection = {}
Reflection.__index = Reflection

---@param rpc gantry.Rpc
---@param owner string how messages name the plugin, such as "plugin 'kv'"
---@return gantry.Reflection
function reflection.new(rpc, owner)
  local self = setmetatable({
    rpc = rpc, owner = owner, registry = protobuf.registry(), methods = {}, requests = 0, spent = 0,
  }, Reflection)
  self.registry.on_missing = function(name) self:load(FILE_CONTAINING_SYMBOL, name) end
  return self
end

---All values of one field that holds bytes. What comes after something that is no field is not read.
---@param bytes string
---@param wanted integer
---@return string[]
local function values(bytes, wanted)
  local found, position = {}, 1
  while position <= #bytes do
    local behind, number, kind, first, last = wire.next(bytes, position, #bytes)
    if not behind then break end
    if number == wanted and kind == wire.BYTES then found[#found + 1] = bytes:sub(first, last) end
    position = behind
  end
  return found
end

---One request on a stream of its own, read to its end.
---@param path string
---@param request string
---@return string? answer, gantry.Error? err
function Reflection:exchange(path, request)
  if self.requests >= MOST_REQUESTS or self.spent >= MOST_SECONDS then
    return nil, errors.new("ANSWER_INVALID", ("%s was asked %d times in %.0f s what its messages are, and has not "
      .. "told all"):format(self.owner, self.requests, self.spent))
  end
  self.requests = self.requests + 1
  local began = core.loop.clock()
  local _ <close> = setmetatable({}, { __close = function()
    self.spent = self.spent + core.loop.clock() - began
  end })
  local stream <close> = self.rpc:stream(path, request, { timeout = TIMEOUT })
  local answer, err = stream:next()
  if not answer and not err then
    err = errors.new("ANSWER_INVALID", self.owner .. " ended its reflection without an answer")
  end
  if not answer then return nil, err end
  stream:next()
  return answer
end

---@return gantry.Error
function Reflection:unsupported(cause)
  return errors.new("NO_REFLECTION", ("%s has no gRPC reflection, so gantry does not know its messages; give the "
    .. "encoded request as a string"):format(self.owner), { cause = cause })
end

---@param field integer
---@param text string
---@return string? answer, gantry.Error? err NO_REFLECTION where neither version is served
function Reflection:ask(field, text)
  local request = wire.bytes_field(field, text)
  local answer, err
  for version = self.version or 1, self.version or #PATHS do
    answer, err = self:exchange(PATHS[version], request)
    if answer then
      self.version = version
      break
    end
    if err.code ~= "UNIMPLEMENTED" then return nil, err end
  end
  if not answer then return nil, self:unsupported(err) end
  local refused = values(answer, ERROR)[1]
  if not refused then return answer end
  local reason = values(refused, 2)[1]
  return nil, errors.new("NOT_FOUND", ("%s has no description of %s: %s"):format(self.owner, text,
    reason and reason:sub(1, LONGEST_REASON):gsub("%c", "?") or "no reason given"))
end

---Asks for files and adds them.
---@param field integer
---@param text string
---@return boolean? ok, gantry.Error? err
function Reflection:add(field, text)
  local answer, err = self:ask(field, text)
  if not answer then return nil, err end
  for _, response in ipairs(values(answer, FILES)) do
    for _, file in ipairs(values(response, 1)) do
      local added, invalid = self.registry:add(file)
      if added == nil then return nil, invalid:wrap(self.owner) end
    end
  end
  return true
end

---Adds a file, and the files that it imports where the plugin has not sent them along.
---@param field integer
---@param text string
---@return boolean? ok, gantry.Error? err
function Reflection:load(field, text)
  local ok, err = self:add(field, text)
  if not ok then return nil, err end
  local asked = {}
  for _ = 1, MOST_ROUNDS do
    local missing
    for _, name in ipairs(self.registry:missing_files()) do missing = missing or not asked[name] and name end
    if not missing then break end
    asked[missing] = true
    self:add(FILE_BY_FILENAME, missing) -- a type that stays unknown is told where it is needed
  end
  return true
end

---@return string[]? names full, sorted
---@return gantry.Error? err
function Reflection:service_names()
  if self.names then return self.names end
  local answer, err = self:ask(LIST_SERVICES, "*")
  if not answer then return nil, err end
  local names, seen = {}, {}
  for _, response in ipairs(values(answer, SERVICES)) do
    for _, service in ipairs(values(response, 1)) do
      local name = values(service, 1)[1]
      if not descriptor.is_name(name) or #names >= MOST_SERVICES then
        return nil, errors.new("ANSWER_INVALID", ("%s names a service %s, which is no name, or more than %d of them")
          :format(self.owner, words.show(name), MOST_SERVICES))
      end
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names)
  self.names = names
  return names
end

---@param names string[]
---@param wanted string
---@return string the end of a message: the nearest, or what there is
local function instead(names, wanted)
  local near = nearest.find(wanted, names)
  if near then return ("; did you mean '%s'?"):format(near) end
  local shown = #names > MOST_SHOWN and ", …" or ""
  local list = table.concat(names, ", ", 1, math.min(#names, MOST_SHOWN))
  return #names > 0 and ("; it has %s%s"):format(list, shown) or ""
end

---@param name string
---@return string
local function short(name)
  return name:match("[^.]+$") or name
end

---The full name of a service that is given by that or by its last part.
---@param wanted string
---@return string? name, gantry.Error? err
function Reflection:find_service(wanted)
  local names, err = self:service_names()
  if not names then return nil, err end
  local matches, known = {}, {}
  for _, name in ipairs(names) do
    if name == wanted then return name end
    if short(name) == wanted then matches[#matches + 1] = name end
    known[#known + 1] = wanted:find(".", 1, true) and name or short(name)
  end
  if #matches == 1 then return matches[1] end
  if #matches > 1 then
    return nil, errors.new("SERVICE_UNKNOWN", ("%s has more than one service '%s': %s; use the full name")
      :format(self.owner, wanted, table.concat(matches, ", ")))
  end
  local near = nearest.find(wanted, known)
  return nil, errors.new("SERVICE_UNKNOWN", ("%s has no service '%s'%s"):format(self.owner, wanted,
    instead(near and known or names, wanted)))
end

---@param wanted string full name or last part
---@return gantry.protobuf.Service? service
---@return gantry.Error? err SERVICE_UNKNOWN
function Reflection:service(wanted)
  local name, err = self:find_service(wanted)
  if not name then return nil, err end
  local service = self.registry:service(name)
  if service then return service end
  local ok, failure = self:load(FILE_CONTAINING_SYMBOL, name)
  if not ok then return nil, failure end
  service = self.registry:service(name)
  if service then return service end
  return nil, errors.new("NOT_FOUND", ("%s has no description of %s"):format(self.owner, name))
end

---@param service gantry.protobuf.Service
---@return string[]
local function method_names(service)
  local names = {}
  for index, method in ipairs(service.methods) do names[index] = method.name end
  return names
end

---All services and the names of their methods, as declared. A service that cannot be described has none.
---@return table<string, string[]>? services, gantry.Error? err
function Reflection:services()
  self.requests, self.spent = 0, 0
  local names, err = self:service_names()
  if not names then return nil, err end
  local services = {}
  for _, name in ipairs(names) do
    local service, failure = self:service(name)
    if not service and failure.code ~= "NOT_FOUND" then return nil, failure end
    services[name] = service and method_names(service) or {}
  end
  return services
end

---@class gantry.MethodType a method with the types of its messages
---@field name string
---@field service string full name
---@field path string "/package.Service/Method"
---@field input gantry.protobuf.Message
---@field output gantry.protobuf.Message
---@field client_streaming boolean
---@field server_streaming boolean

---@param path string "package.Service/Method" or "Service/Method"
---@return gantry.MethodType? method
---@return gantry.Error? err SERVICE_UNKNOWN, METHOD_UNKNOWN, NO_REFLECTION, TYPE_UNKNOWN
function Reflection:find_method(path)
  local service_name, method_name = path:match("^/?([^/]+)/([^/]+)$")
  if not service_name then
    return nil, errors.new("METHOD_UNKNOWN", ("a method is named Service/Method, got '%s'"):format(path))
  end
  local service, err = self:service(service_name)
  if not service then return nil, err end
  local method = service.by_name[method_name]
  if not method then
    return nil, errors.new("METHOD_UNKNOWN", ("service %s has no method '%s'%s"):format(service.name, method_name,
      instead(method_names(service), method_name)))
  end
  local input, output, unknown
  input, unknown = self.registry:message(method.input)
  if not input then return nil, unknown end
  output, unknown = self.registry:message(method.output)
  if not output then return nil, unknown end
  return {
    name = method.name, service = service.name, path = method.path, input = input, output = output,
    client_streaming = method.client_streaming, server_streaming = method.server_streaming,
  }
end

---A method by its name; looked for once.
---@param path string "package.Service/Method" or "Service/Method"
---@return gantry.MethodType? method
---@return gantry.Error? err SERVICE_UNKNOWN, METHOD_UNKNOWN, NO_REFLECTION, TYPE_UNKNOWN
function Reflection:method(path)
  self.requests, self.spent = 0, 0
  if self.methods[path] then return self.methods[path] end
  local method, err = self:find_method(path)
  self.methods[path] = method
  return method, err
end

return reflection
