-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/message.lua: a type of messages, made from its descriptor and owned by its registry. Its fields find the
--- types they name when the first message is encoded or decoded: files may come in any order.

local decoder = require "gantry.protobuf.decoder"
local encoder = require "gantry.protobuf.encoder"
local errors = require "gantry.base.errors"
local features = require "gantry.protobuf.features"
local json = require "gantry.protobuf.json"
local scalars = require "gantry.protobuf.scalars"
local shape = require "gantry.protobuf.shape"
local walk_of = require "gantry.protobuf.walk"
local well_known = require "gantry.protobuf.well_known"
local wire = require "gantry.protobuf.wire"

require "gantry.protobuf.well_known_json"

local message = {}

-- By number, from descriptor.proto.
local TYPES = {
  "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group", "message", "bytes",
  "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
}
local LABEL_REQUIRED <const>, LABEL_REPEATED <const> = 2, 3

---@class gantry.protobuf.Field
---@field name string
---@field json_name string
---@field number integer
---@field type string as a .proto file has it; of a message or enum its full name
---@field repeated boolean false for maps
---@field map { entry: gantry.protobuf.Message, key: gantry.protobuf.Field, value: gantry.protobuf.Field }? linked
---@field oneof { name: string, fields: gantry.protobuf.Field[] }?
---@field presence boolean whether being absent differs from having the default
---@field required boolean
---@field packed boolean
---@field group boolean a message that stands between two tags
---@field default any of an absent field without presence; once linked
---@field scalar gantry.protobuf.Scalar?
---@field message gantry.protobuf.Message? once linked
---@field enum gantry.protobuf.Enum? once linked
---@field encode fun(walk: gantry.protobuf.Walk, out: string[], value: any) once linked

---@class gantry.protobuf.Message
---@field name string full, such as proto.GetRequest
---@field short string its last part
---@field fields gantry.protobuf.Field[] as declared
---@field ordered gantry.protobuf.Field[] by number
---@field by_name table<string, gantry.protobuf.Field>
---@field by_json table<string, gantry.protobuf.Field> by JSON name and by name
---@field oneofs { name: string, fields: gantry.protobuf.Field[] }[]
---@field plain gantry.protobuf.Field[] those without presence, which have their default where they are absent
---@field lists string[] names of repeated fields and maps
---@field required gantry.protobuf.Field[]
---@field readers table<integer, function> by tag: how a field is decoded; once linked
---@field steps table<integer, string> by tag: the field's name; once linked
---@field natural gantry.protobuf.WellKnown? of a type that has another form in a table than that of its fields
---@field is_map_entry boolean
---@field registry gantry.protobuf.Registry
---@field cost integer of a table that has nothing but what absent fields have; once linked
---@field linked boolean
local Message = {}
Message.__index = Message

---protobuf's lowerCamelCase of a field's name.
---@param name string
---@return string
local function camel(name)
  return (name:gsub("_+(.?)", string.upper))
end

---@param description table a FieldDescriptorProto
---@param inherited table features
---@return gantry.protobuf.Field
local function new_field(description, inherited)
  local own = features.inside(inherited, description)
  local kind, options = TYPES[description.type], description.options or {}
  local is_message = kind == "message" or kind == "group"
  local repeated = description.label == LABEL_REPEATED
  local field = {
    name = description.name, json_name = description.json_name or camel(description.name), number = description.number,
    kind = kind, type = description.type_name and description.type_name:gsub("^%.", "") or kind, repeated = repeated,
    required = description.label == LABEL_REQUIRED or own.field_presence == features.REQUIRED,
    presence = is_message or description.proto3_optional or description.oneof_index ~= nil
      or own.field_presence ~= features.IMPLICIT,
    group = kind == "group" or kind == "message" and own.message_encoding == features.DELIMITED,
  }
  if not is_message and kind ~= "enum" then
    field.scalar = scalars[kind]
    if kind == "string" and own.utf8_validation == features.NONE then field.scalar = scalars.unchecked_string end
    field.default = field.scalar and field.scalar.default
  end
  local packable = repeated and (kind == "enum" or field.scalar and field.scalar.kind ~= wire.BYTES)
  if packable then
    field.packed = options.packed
    if options.packed == nil then field.packed = own.repeated_field_encoding == features.PACKED end
  end
  return field
end

---@param self gantry.protobuf.Message
---@param description table
---@param inherited table features
local function add_fields(self, description, inherited)
  local oneofs = {}
  for _, one in ipairs(description.oneof_decl) do oneofs[#oneofs + 1] = { name = one.name, fields = {} } end
  for index, one in ipairs(description.field) do
    local field = new_field(one, inherited)
    self.fields[index], self.ordered[index] = field, field
    self.by_name[field.name] = field
    self.by_json[field.name] = self.by_json[field.name] or field
    -- The oneof of a proto3 `optional` is not real: it has that field alone.
    local oneof = not one.proto3_optional and one.oneof_index and oneofs[one.oneof_index + 1]
    if oneof then
      field.oneof = oneof
      table.insert(oneof.fields, field)
      if #oneof.fields == 1 then table.insert(self.oneofs, oneof) end
    end
  end
  for _, field in ipairs(self.fields) do self.by_json[field.json_name] = field end
  table.sort(self.ordered, function(left, right) return left.number < right.number end)
end

---@param registry gantry.protobuf.Registry
---@param name string full
---@param description table a DescriptorProto
---@param outer table features
---@return gantry.protobuf.Message
function message.new(registry, name, description, outer)
  local self = setmetatable({
    registry = registry, name = name, short = name:match("[^.]+$"), linked = false, fields = {}, ordered = {},
    by_name = {}, by_json = {}, oneofs = {}, plain = {}, lists = {}, required = {}, readers = {}, steps = {},
    natural = well_known[name],
    is_map_entry = description.options ~= nil and description.options.map_entry == true,
  }, Message)
  add_fields(self, description, features.inside(outer, description))
  shape.fit(self)
  return self
end

---@param self gantry.protobuf.Message
---@param field gantry.protobuf.Field
---@param reason string
local function refuse(self, field, reason)
  error(errors.new("DESCRIPTOR_INVALID", ("field %s.%s %s"):format(self.name, field.name, reason)), 0)
end

---Makes a field whose type is a map's entry a map.
---@param self gantry.protobuf.Message
---@param field gantry.protobuf.Field
local function link_map(self, field)
  local entry = field.message
  if self.is_map_entry or field.kind ~= "message" or not (field.map or field.repeated) then
    refuse(self, field, ("has the entry of a map for its type, %s, and is no map"):format(entry.name))
  end
  field.map = { entry = entry, key = entry.by_name.key, value = entry.by_name.value }
  field.repeated, field.group = false, false
  entry:link()
end

---@param self gantry.protobuf.Message
---@param field gantry.protobuf.Field
local function link_type(self, field)
  if field.kind == "enum" then
    field.enum = assert(self.registry:enum(field.type))
    field.default = field.enum.names[0] or 0
  elseif field.kind == "message" or field.kind == "group" then
    field.message = assert(self.registry:message(field.type))
    if field.message.is_map_entry then link_map(self, field) end
  end
end

---Finds the types of the fields. Raises an error object where one is missing, and again when it is asked again.
function Message:link()
  if self.linked then return end
  for _, field in ipairs(self.fields) do link_type(self, field) end
  if self.linked then return end -- by another task, while a type was asked for
  for _, field in ipairs(self.fields) do
    if field.map or field.repeated then
      self.lists[#self.lists + 1] = field.name
    elseif not field.presence then
      self.plain[#self.plain + 1] = field
    end
    if field.required then self.required[#self.required + 1] = field end
    field.encode = encoder.field(field)
    for kind, read in next, decoder.field(field) do
      local tag = field.number << 3 | kind
      self.readers[tag], self.steps[tag] = read, field.name
    end
  end
  self.cost = #self.fields + 4 * #self.lists -- a list is a table of its own
  self.linked = true
end

---@return string[]
function Message:field_names()
  local names = {}
  for index, field in ipairs(self.fields) do names[index] = field.name end
  return names
end

---Encodes a message that stands inside another, whose walk goes on; raises as the walk does.
---@param walk gantry.protobuf.Walk
---@param value any
---@return string bytes
function Message:encode_inside(walk, value) return encoder.message(walk, self, value) end

---Decodes a message that stands inside another; raises as the walk does.
---@param walk gantry.protobuf.Walk
---@param bytes string
---@return any value
function Message:decode_inside(walk, bytes) return (decoder.message(walk, self, bytes, 1, #bytes)) end

---Encodes a message from its plain form, as docs/calls.md describes it.
---@param value any
---@param root string? how paths in errors begin; the type's short name where nil
---@return string? bytes
---@return gantry.Error? err MESSAGE_INVALID: names the field's path and what was expected there
function Message:encode(value, root)
  local walk = walk_of.new(root or self.short)
  local ok, bytes = pcall(encoder.message, walk, self, value)
  if not ok then return walk_of.refused(bytes) end
  walk:finish()
  return bytes
end

---@param bytes string
---@param root string?
---@return any? value in its plain form
---@return gantry.Error? err ANSWER_INVALID
function Message:decode(bytes, root)
  if type(bytes) ~= "string" then error("decode needs the bytes of a message, got " .. type(bytes), 2) end
  local walk = walk_of.of_bytes(root or self.short, #bytes)
  local ok, value = pcall(decoder.message, walk, self, bytes, 1, #bytes)
  if not ok then return walk_of.refused(value) end
  walk:finish()
  return value
end

---A message as JSON text, by protobuf's JSON mapping.
---@param value any its plain form, or its bytes
---@param options { indent: string?, root: string? }? indent for one level; in one line where nil
---@return string? text, gantry.Error? err
function Message:to_json(value, options)
  options = options or {}
  local bytes, err = value, nil
  if type(value) ~= "string" then bytes, err = self:encode(value, options.root) end
  if not bytes then return nil, err end
  local plain, broken = self:decode(bytes, options.root)
  if broken then return nil, broken end
  return walk_of.protect(json.write, walk_of.new(options.root or self.short), self, plain, options.indent)
end

---A message's plain form from JSON text, by protobuf's JSON mapping.
---@param text string
---@param root string?
---@return any? value, gantry.Error? err JSON_INVALID or MESSAGE_INVALID
function Message:from_json(text, root)
  return walk_of.protect(json.read, walk_of.new(root or self.short), self, text)
end

return message
