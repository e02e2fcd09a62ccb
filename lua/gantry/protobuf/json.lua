-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/json.lua: protobuf's JSON mapping: a message's plain form to JSON text and back.
---
--- Written: names in lowerCamelCase, fields in the order of their declaration, those without presence only where they
--- differ from their default, 64-bit integers as strings, bytes in base64. Read: both kinds of names, null for absent.

local base64 = require("gantry.core").base64
local decimal = require "gantry.protobuf.decimal"
local json = require "gantry.json"
local json_text = require "gantry.protobuf.json_text"
local nearest = require "gantry.base.nearest"
local walk_of = require "gantry.protobuf.walk"
local words = require "gantry.base.words"

local mapping = {}

---@class gantry.protobuf.JsonForm
---@field write fun(out: gantry.protobuf.JsonOut, value: any, message: gantry.protobuf.Message)
---@field read fun(walk: gantry.protobuf.Walk, tree: any, message: gantry.protobuf.Message): any

---The JSON forms of well-known types; well_known_json.lua puts itself here.
---@type table<string, gantry.protobuf.JsonForm>
mapping.well_known = {}

local MAP <const> = walk_of.MAP
local SIGNED64 = { int64 = true, sint64 = true, sfixed64 = true }
local UNSIGNED64 = { uint64 = true, fixed64 = true }

-- ---- writing ----

---@class gantry.protobuf.JsonOut a text in the making
---@field walk gantry.protobuf.Walk
---@field indent string?
---@field level integer
local Out = {}
Out.__index = Out

---@param piece string
function Out:add(piece)
  self[#self + 1] = piece
end

---@param text string
function Out:string(text)
  if not utf8.len(text) then self.walk:fail "bytes that are not UTF-8 have no JSON as a string" end
  self:add(assert(json.encode(text)))
end

---Begins a member of what is open: a comma where one is due, and the line.
---@param first boolean
function Out:separate(first)
  if not first then self:add "," end
  if self.indent then self:add("\n" .. self.indent:rep(self.level)) end
end

---@param bracket string
function Out:open(bracket)
  self:add(bracket)
  self.level = self.level + 1
end

---@param bracket string
---@param empty boolean
function Out:close(bracket, empty)
  self.level = self.level - 1
  if self.indent and not empty then self:add("\n" .. self.indent:rep(self.level)) end
  self:add(bracket)
end

---@param name string
---@param first boolean
function Out:name(name, first)
  self:separate(first)
  self:string(name)
  self:add(self.indent and ": " or ":")
end

---@param value number
---@param single boolean
function Out:float(value, single)
  if value ~= value then return self:add '"NaN"' end
  if value - value ~= 0 then return self:add(value > 0 and '"Infinity"' or '"-Infinity"') end
  self:add(decimal.of_float(value, single))
end

---@param field gantry.protobuf.Field
---@param value any
function Out:value(field, value)
  local kind = field.kind
  if field.message then
    self:message(field.message, value)
  elseif kind == "bytes" then
    self:add('"' .. base64.encode(value) .. '"')
  elseif field.enum then
    if field.enum.name == "google.protobuf.NullValue" then return self:add "null" end
    if type(value) == "string" then self:string(value) else self:add(("%d"):format(value)) end
  elseif SIGNED64[kind] then
    self:add(('"%d"'):format(value))
  elseif UNSIGNED64[kind] then
    self:add('"' .. decimal.of_unsigned(value) .. '"')
  elseif kind == "double" or kind == "float" then
    self:float(value, kind == "float")
  elseif kind == "string" then
    self:string(value)
  else
    self:add(tostring(value))
  end
end

---@param field gantry.protobuf.Field
---@param list any[]
function Out:list(field, list)
  self:open "["
  for index, element in ipairs(list) do
    self:separate(index == 1)
    self:value(field, element)
  end
  self:close("]", #list == 0)
end

---@param key any
---@param field gantry.protobuf.Field
---@return string
local function key_text(key, field)
  if UNSIGNED64[field.kind] then return decimal.of_unsigned(key) end
  return tostring(key)
end

---@param field gantry.protobuf.Field
---@param entries table
function Out:map(field, entries)
  local keys = {}
  for key in next, entries do keys[#keys + 1] = key end
  table.sort(keys, function(left, right)
    if type(left) == "boolean" then return not left and right end
    return left < right
  end)
  self:open "{"
  for index, key in ipairs(keys) do
    self:name(key_text(key, field.map.key), index == 1)
    self:value(field.map.value, entries[key])
  end
  self:close("}", #keys == 0)
end

---Whether a field's value is told: not the default of one without presence.
---@param field gantry.protobuf.Field
---@param value any
---@return boolean
local function is_told(field, value)
  if value == nil then return false end
  if field.map or field.repeated then return next(value) ~= nil end
  if field.presence or value ~= field.default then return true end
  return math.type(value) == "float" and 1 / value < 0 -- -0.0
end

---The members of a message between braces that somebody else writes.
---@param message gantry.protobuf.Message
---@param fields table
---@param first boolean whether no member came before
---@return boolean first
function Out:members(message, fields, first)
  message:link()
  for _, field in ipairs(message.fields) do
    local value = fields[field.name]
    if is_told(field, value) then
      self:name(field.json_name, first)
      first = false
      local write = field.map and self.map or field.repeated and self.list or self.value
      write(self, field, value)
    end
  end
  return first
end

---@param message gantry.protobuf.Message
---@param value any in its natural form, valid
function Out:message(message, value)
  local special = mapping.well_known[message.name]
  if special then return special.write(self, value, message) end
  self:open "{"
  self:close("}", self:members(message, value, true))
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param value any as decode gives it
---@param indent string?
---@return string
function mapping.write(walk, message, value, indent)
  local out = setmetatable({ walk = walk, indent = indent, level = 0 }, Out)
  out:message(message, value)
  return table.concat(out)
end

-- ---- reading ----

---What a value of the tree is, for messages.
---@param tree any
---@return string
local function show(tree)
  if json_text.is_number(tree) then return "the number " .. tree.text end
  if tree == json.null then return "null" end
  if json.is_array(tree) then return "an array" end
  if type(tree) == "string" then return #tree <= 40 and ('"%s"'):format(tree) or "a string" end
  return type(tree) == "table" and "an object" or tostring(tree)
end
mapping.show = show

---@param walk gantry.protobuf.Walk
---@param wanted string
---@param tree any
local function mismatch(walk, wanted, tree)
  walk:fail(("%s expected, got %s"):format(wanted, show(tree)))
end
mapping.mismatch = mismatch

---@param tree any
---@return string? text of a number, also one inside a string
local function number_text(tree)
  if json_text.is_number(tree) then return tree.text end
  if type(tree) == "string" and tree:find("^-?%d[%d.eE+-]*$") then return tree end
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
---@return integer
local function read_integer(walk, field, tree)
  local text = number_text(tree)
  local value
  if text then value = (UNSIGNED64[field.kind] and decimal.unsigned or decimal.signed)(text) end
  if not value then mismatch(walk, field.kind, tree) end
  local bytes, reason = field.scalar.encode(value)
  if not bytes then walk:fail(reason) end
  return value --[[@as integer]]
end

local WORDS = { NaN = 0 / 0, Infinity = math.huge, ["-Infinity"] = -math.huge }

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
---@return number
local function read_float(walk, field, tree)
  if WORDS[tree] then return WORDS[tree] end
  local text = number_text(tree)
  local value = text and decimal.float(text)
  if not value then mismatch(walk, field.kind, tree) end
  if math.abs(value) == math.huge then
    walk:fail(("%s expected, got %s, which is out of its range"):format(field.kind, text))
  end
  local bytes, reason = field.scalar.encode(value)
  if not bytes then walk:fail(reason) end
  return value
end

local read_value

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
local function read_enum(walk, field, tree)
  local name = field.enum.name
  if name == "google.protobuf.NullValue" and tree == json.null then return field.enum.names[0] end
  local value = tree
  if json_text.is_number(tree) then value = decimal.signed(tree.text) end
  if type(value) ~= "string" and not math.type(value) then
    mismatch(walk, "a name or number of " .. field.enum.short, tree)
  end
  local number, reason = field.enum:number(value)
  if not number then walk:fail(reason) end
  return field.enum.names[number] or number
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
local function read_scalar(walk, field, tree)
  local kind = field.kind
  if kind == "string" then
    if type(tree) ~= "string" then mismatch(walk, "string", tree) end
    return tree
  elseif kind == "bytes" then
    local bytes = type(tree) == "string" and base64.decode(tree)
    if not bytes then mismatch(walk, "bytes (a string in base64)", tree) end
    return bytes
  elseif kind == "bool" then
    if type(tree) ~= "boolean" then mismatch(walk, "bool", tree) end
    return tree
  elseif kind == "double" or kind == "float" then
    return read_float(walk, field, tree)
  end
  return read_integer(walk, field, tree)
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
function read_value(walk, field, tree)
  if field.message then return mapping.read_tree(walk, field.message, tree) end
  if field.enum then return read_enum(walk, field, tree) end
  return read_scalar(walk, field, tree)
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
local function read_list(walk, field, tree)
  if not json.is_array(tree) then mismatch(walk, "an array", tree) end
  local depth, list = walk:enter(), {}
  for index, element in ipairs(tree) do
    walk[depth] = index
    list[index] = read_value(walk, field, element)
  end
  walk.depth = depth - 1
  return list
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field of the key
---@param text string
local function read_key(walk, field, text)
  if field.kind == "string" then return text end
  if field.kind ~= "bool" then return read_integer(walk, field, text) end
  if text ~= "true" and text ~= "false" then mismatch(walk, "bool", text) end
  return text == "true"
end

---Whether a value of the tree is an object.
local function is_object(tree)
  return type(tree) == "table" and not json.is_array(tree) and not json_text.is_number(tree)
end
mapping.is_object = is_object

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
local function read_map(walk, field, tree)
  if not is_object(tree) then mismatch(walk, "an object", tree) end
  local depth, entries = walk:enter(), {}
  walk[depth] = MAP
  for text, element in next, tree do
    walk[-depth] = text
    local key = read_key(walk, field.map.key, text)
    if entries[key] ~= nil then walk:fail "the key comes twice" end
    entries[key] = read_value(walk, field.map.value, element)
  end
  walk.depth = depth - 1
  return entries
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param name string
local function fail_unknown(walk, message, name)
  local names = message:field_names()
  for _, field in ipairs(message.fields) do names[#names + 1] = field.json_name end
  local near = nearest.find(name, names)
  walk:fail(("unknown field %s%s"):format(words.show(name), near and ("; did you mean '%s'?"):format(near) or ""))
end

---Whether null is a value here and not an absent field.
---@param field gantry.protobuf.Field
local function takes_null(field)
  if field.repeated or field.map then return false end
  return field.type == "google.protobuf.Value" or field.type == "google.protobuf.NullValue"
end

---@param walk gantry.protobuf.Walk
---@param field gantry.protobuf.Field
---@param tree any
---@param fields table
local function read_field(walk, field, tree, fields)
  if tree == json.null and not takes_null(field) then return end
  if fields[field.name] ~= nil then walk:fail "comes twice, under both of its names" end
  for _, other in ipairs(field.oneof and field.oneof.fields or {}) do
    if fields[other.name] ~= nil then
      walk.depth = walk.depth - 1
      walk:fail(("'%s' and '%s' exclude each other (oneof %s)"):format(other.name, field.name, field.oneof.name))
    end
  end
  local read = field.map and read_map or field.repeated and read_list or read_value
  fields[field.name] = read(walk, field, tree)
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param tree table an object
---@param ignored string? a name that is no field
---@return table
function mapping.read_members(walk, message, tree, ignored)
  message:link()
  local names = {}
  for name in next, tree do names[#names + 1] = name end
  table.sort(names) -- the same error every time
  local depth, fields = walk:enter(), {}
  for _, name in ipairs(names) do
    local field = message.by_json[name]
    if field then
      walk[depth] = field.name
      read_field(walk, field, tree[name], fields)
    elseif name ~= ignored then
      walk.depth = depth - 1
      fail_unknown(walk, message, name)
    end
  end
  walk.depth = depth - 1
  return fields
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param tree any
---@return any
function mapping.read_tree(walk, message, tree)
  message:link()
  local special = mapping.well_known[message.name]
  if special then return special.read(walk, tree, message) end
  if not is_object(tree) then mismatch(walk, message.short .. " (an object)", tree) end
  return mapping.read_members(walk, message, tree)
end

---@param walk gantry.protobuf.Walk
---@param message gantry.protobuf.Message
---@param text string
---@return any value in its plain form
function mapping.read(walk, message, text)
  return mapping.read_tree(walk, message, json_text.read(text))
end

return mapping
