-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/descriptor.lua: the description of a .proto file (google.protobuf.FileDescriptorProto), as reflection sends
--- it, from bytes to plain tables with the names of descriptor.proto. What gantry has no use for is left out.

local errors = require "gantry.base.errors"
local wire = require "gantry.protobuf.wire"
local words = require "gantry.base.words"

local descriptor = {}

-- What a file may have: far more than any that people write, and little enough to be read at once.
local DEEPEST <const>, LONGEST_NAME <const> = 100, 1024
-- What a message, an enum, a service and an import cost beside their fields and values, of which each costs 1.
local TYPE_COST <const> = 10
descriptor.MOST = 200000

---@class gantry.protobuf.Entry
---@field name string
---@field kind integer the wire type that it must have; a field with another is none of ours
---@field schema table|"boolean"|"text"|nil of a message; nil: the value as it is on the wire
---@field cost integer? of a list's element

---@param name string
---@param schema table|"boolean"|nil nil: an integer
local function one(name, schema)
  return { name = name, schema = schema, kind = type(schema) == "table" and wire.BYTES or wire.VARINT }
end

---@param name string
local function text(name)
  return { name = name, schema = "text", kind = wire.BYTES }
end

---@param name string
---@param schema table|"text"
---@param cost integer
local function list(name, schema, cost)
  return { name = name, schema = schema, kind = wire.BYTES, cost = cost }
end

-- By number, from descriptor.proto. `features` are those of editions; `options` of each kind hold them at a number of
-- their own.
local FEATURES = {
  one "field_presence", one "enum_type", one "repeated_field_encoding", one "utf8_validation", one "message_encoding",
}

local FIELD = {
  [1] = text "name", [3] = one "number", [4] = one "label", [5] = one "type", [6] = text "type_name",
  [9] = one "oneof_index", [10] = text "json_name", [17] = one("proto3_optional", "boolean"),
  [8] = one("options", { [2] = one("packed", "boolean"), [21] = one("features", FEATURES) }),
}

local ENUM = {
  [1] = text "name", [2] = list("value", { [1] = text "name", [2] = one "number" }, 1),
  [3] = one("options", { [7] = one("features", FEATURES) }),
}

local MESSAGE = {
  [1] = text "name", [2] = list("field", FIELD, 1), [4] = list("enum_type", ENUM, TYPE_COST),
  [7] = one("options", { [7] = one("map_entry", "boolean"), [12] = one("features", FEATURES) }),
  [8] = list("oneof_decl", { [1] = text "name", [2] = one("options", { [1] = one("features", FEATURES) }) }, 1),
}
MESSAGE[3] = list("nested_type", MESSAGE, TYPE_COST)

local METHOD = {
  [1] = text "name", [2] = text "input_type", [3] = text "output_type", [5] = one("client_streaming", "boolean"),
  [6] = one("server_streaming", "boolean"),
}

local FILE = {
  [1] = text "name", [2] = text "package", [3] = list("dependency", "text", TYPE_COST),
  [4] = list("message_type", MESSAGE, TYPE_COST), [5] = list("enum_type", ENUM, TYPE_COST),
  [6] = list("service", { [1] = text "name", [2] = list("method", METHOD, 1) }, TYPE_COST),
  [8] = one("options", { [50] = one("features", FEATURES) }), [12] = text "syntax", [14] = one "edition",
}

---@param reason string
local function refuse(reason)
  error(errors.new("DESCRIPTOR_INVALID", reason), 0)
end

---@class gantry.protobuf.Parse one description under way
---@field bytes string
---@field depth integer
---@field left integer what the rest may cost
local Parse = {}
Parse.__index = Parse

---@param entry gantry.protobuf.Entry
---@param first integer
---@param last integer
---@return any
function Parse:value(entry, first, last)
  local schema = entry.schema
  if schema == nil then return first end
  if schema == "boolean" then return first ~= 0 end
  if schema == "text" then return self.bytes:sub(first, last) end
  return self:message(schema, first, last)
end

---@param schema table
---@param first integer
---@param last integer
---@return table
function Parse:message(schema, first, last)
  self.depth = self.depth + 1
  if self.depth > DEEPEST then refuse(("it is nested more than %d deep"):format(DEEPEST)) end
  local found, position = {}, first
  for _, entry in pairs(schema) do
    if entry.cost then found[entry.name] = {} end
  end
  while position <= last do
    local behind, number, kind, from, to = wire.next(self.bytes, position, last)
    if not behind then refuse(("it holds no valid field at byte %d"):format(position)) end
    local entry = schema[number]
    if entry and entry.kind == kind then
      if entry.cost then
        self.left = self.left - entry.cost
        if self.left < 0 then refuse "it has more types, fields and values than gantry takes" end
        table.insert(found[entry.name], self:value(entry, from, to))
      else
        found[entry.name] = self:value(entry, from, to)
      end
    end
    position = behind
  end
  self.depth = self.depth - 1
  return found
end

-- ---- what else must hold ----

---Whether a text is a name of protobuf's, such as package.Message.
---@param name any
---@return boolean
function descriptor.is_name(name)
  if type(name) ~= "string" or #name > LONGEST_NAME then return false end
  return name:find("^[%a_][%w_.]*$") ~= nil and not name:find("..", 1, true) and name:sub(-1) ~= "."
end

---@param what string
---@param name any
---@param full boolean? whether it may have parts
local function check_name(what, name, full)
  if not descriptor.is_name(name) or not full and name:find(".", 1, true) then
    refuse(("%s has the name %s"):format(what, words.show(name)))
  end
end

---@param what string
---@param name any of a type, with a point before it
local function check_type(what, name)
  if type(name) ~= "string" or not descriptor.is_name((name:gsub("^%.", ""))) then
    refuse(("%s has for its type %s"):format(what, words.show(name)))
  end
end

-- FieldDescriptorProto.Type: those that name another type.
local NAMED = { [10] = true, [11] = true, [14] = true }
local MOST_TYPE <const>, MOST_LABEL <const> = 18, 3

---@param where string
---@param field table
---@param oneofs integer how many the message has
local function check_field(where, field, oneofs)
  check_name("a field of " .. where, field.name)
  local what = ("field %s.%s"):format(where, field.name)
  local number, kind, label, oneof = field.number, field.type, field.label or 1, field.oneof_index
  if not number or number < 1 or number > wire.HIGHEST_NUMBER then
    refuse(("%s has the number %s"):format(what, words.show(number)))
  end
  if not kind or kind < 1 or kind > MOST_TYPE then refuse(what .. " has no known type") end
  if label < 1 or label > MOST_LABEL then refuse(("%s has the label %d"):format(what, label)) end
  if NAMED[kind] then check_type(what, field.type_name) else field.type_name = nil end
  if oneof and (oneof < 0 or oneof >= oneofs) then refuse(what .. " is in a oneof that is not there") end
  if field.json_name and not utf8.len(field.json_name) then refuse(what .. " has a JSON name that is not UTF-8") end
end

---@param where string
---@param message table
local function check_fields(where, message)
  local names, numbers = {}, {}
  for _, one_of in ipairs(message.oneof_decl) do check_name("a oneof of " .. where, one_of.name) end
  for _, field in ipairs(message.field) do
    check_field(where, field, #message.oneof_decl)
    if names[field.name] or numbers[field.number] then
      refuse(("field %s.%s comes twice, or another has its number %d"):format(where, field.name, field.number))
    end
    names[field.name], numbers[field.number] = true, true
  end
end

---@param scope string where the types stand: the package's or the message's full name, or ""
---@param name string
---@return string full name
local function within(scope, name)
  local full = scope ~= "" and scope .. "." .. name or name
  if #full > LONGEST_NAME then refuse(("the name %s is too long"):format(words.show(full))) end
  return full
end

---@param scope string
---@param holder table a file or a message
local function check_types(scope, holder)
  for _, enum in ipairs(holder.enum_type) do
    check_name("an enum", enum.name)
    local where = within(scope, enum.name)
    for _, value in ipairs(enum.value) do check_name("a value of " .. where, value.name) end
  end
  for _, message in ipairs(holder.message_type or holder.nested_type) do
    check_name("a message", message.name)
    local where = within(scope, message.name)
    check_fields(where, message)
    check_types(where, message)
  end
end

---@param scope string
---@param service table
local function check_service(scope, service)
  check_name("a service", service.name)
  local where = within(scope, service.name)
  for _, method in ipairs(service.method) do
    check_name("a method of " .. where, method.name)
    local what = ("method %s.%s"):format(where, method.name)
    check_type(what, method.input_type)
    check_type(what, method.output_type)
  end
end

---@param file table
local function check(file)
  if file.package and file.package ~= "" then check_name("the package", file.package, true) end
  check_types(file.package or "", file)
  for _, service in ipairs(file.service) do check_service(file.package or "", service) end
end

---@param parse gantry.protobuf.Parse
---@return table
local function read(parse)
  local file = parse:message(FILE, 1, #parse.bytes)
  if not file.name or file.name == "" then refuse "the file has no name" end
  parse.name = file.name
  check(file)
  return file
end

---Calls a function on a description; its error objects become nil, err and say which file is meant.
---@param name string? of the file
---@param fn function
---@param ... any
---@return any? result
---@return gantry.Error? err
function descriptor.protect(name, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then return result end
  if not errors.is(result) then error(result, 0) end
  return nil, result:wrap("read a description of messages" .. (name and ", file " .. words.show(name) or ""))
end

---@param bytes string an encoded FileDescriptorProto
---@param most integer? what it may cost; descriptor.MOST where nil
---@return table? file
---@return gantry.Error|integer|nil err DESCRIPTOR_INVALID; or what the file cost
function descriptor.file(bytes, most)
  most = most or descriptor.MOST
  local parse = setmetatable({ bytes = bytes, depth = 0, left = most }, Parse)
  local ok, file = pcall(read, parse)
  if ok then return file, most - parse.left end
  return descriptor.protect(parse.name, error, file, 0)
end

return descriptor
