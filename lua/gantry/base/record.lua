-- SPDX-License-Identifier: Apache-2.0
--
--- base/record.lua: the type of a table with named fields: a whole config, and the records inside it.

local nearest = require "gantry.base.nearest"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

local record = {}

---@class gantry.Field one field of a record; see config/schema.lua for the fields of a plugin's config
---@field name string
---@field type gantry.Type
---@field doc string one line
---@field default any what stands where the policy says nothing; as a policy would write it
---@field required boolean?
---@field example string? Lua source
---@field also string[]? other names that people try

---The name without case and underscores: people also try GroupAdd and groupadd.
---@param name string
---@return string
local function plain(name)
  return (name:lower():gsub("[_-]", ""))
end

---@param fields gantry.Field[]
---@return table<string, string> known plain name or other name -> field's name
---@return string[] list of the plain names
local function spellings(fields)
  local known, list = {}, {}
  for _, field in ipairs(fields) do
    local others = { field.name, table.unpack(field.also or {}) }
    for _, name in ipairs(others) do
      known[plain(name)] = field.name
      list[#list + 1] = plain(name)
    end
  end
  return known, list
end

---@param at string
---@param key any
---@param known table<string, string>
---@param list string[]
---@return string message
local function unknown_field(at, key, known, list)
  local where = at == "" and "" or at .. ": "
  if type(key) ~= "string" then
    return ("%s[%s] has no field name; write name = value"):format(where, words.show(key))
  end
  local near = known[nearest.find(plain(key), list)]
  return ("%sunknown field %s%s"):format(where, words.show(key), near and ("; did you mean '%s'?"):format(near) or "")
end

---@param fields gantry.Field[]
---@param positions string[]? names of the fields that may be given by position
---@return table<string|integer, string> name_of key -> field's name
local function keys_of(fields, positions)
  local name_of = {}
  for _, field in ipairs(fields) do name_of[field.name] = field.name end
  for i, name in ipairs(positions or {}) do name_of[i] = name end
  return name_of
end

---@param field gantry.Field
---@param value any
---@param at string of the record
---@param report gantry.Report
local function read_field(field, value, at, report)
  local path = types.child(at, field.name)
  if value == nil then value = field.default end
  if value ~= nil then return field.type.read(value, path, report) end
  if field.required then report(path, path .. " is missing", "missing") end
end

---A record type. Unknown fields are findings, with the nearest known name.
---@param fields gantry.Field[]
---@param options { text: string?, positions: string[]? }?
---@return gantry.Type
function record.new(fields, options)
  options = options or {}
  local text = options.text or "a table"
  local name_of = keys_of(fields, options.positions)
  local known, list = spellings(fields)

  local function read(value, at, report)
    if type(value) ~= "table" then return types.mistyped({ text = text }, value, at, report) end
    local given, result = {}, {}
    for key, one in pairs(value) do
      local name = name_of[key]
      if name then given[name] = one else report(types.child(at, key), unknown_field(at, key, known, list)) end
    end
    for _, field in ipairs(fields) do result[field.name] = read_field(field, given[field.name], at, report) end
    return result
  end
  return { kind = "record", text = text, fields = fields, read = read,
    is = function(value) return type(value) == "table" end }
end

return record
