-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/well_known.lua: google.protobuf's well-known types in the form that is natural in a Lua table:
---
---   Struct: a table; Value: a value, null is gantry.json's null; ListValue: a list
---   DoubleValue, StringValue and the other wrappers: the value they wrap
---   FieldMask: a list of paths, also accepted as "a,b.c"
---   Timestamp, Duration: { seconds =, nanos = }; also accepted: a number of seconds, and text as in JSON
---   Any: the message's own fields and ["@type"] = its URL, or, of another well-known type, { ["@type"] =, value = };
---     where the type is not known { type_url =, value = bytes }
---
--- wrap: such a form to the table of the message's fields; unwrap: back.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local times = require "gantry.protobuf.times"
local units = require "gantry.base.units"
local unknown = require "gantry.protobuf.unknown"
local walk_of = require "gantry.protobuf.walk"
local words = require "gantry.base.words"

---@class gantry.protobuf.WellKnown
---@field wrap fun(walk: gantry.protobuf.Walk, value: any, message: gantry.protobuf.Message): any
---@field wrap_again (fun(value: any): table)? in place of wrap, of what unwrap gave
---@field unwrap fun(walk: gantry.protobuf.Walk, fields: table, message: gantry.protobuf.Message): any

---@type table<string, gantry.protobuf.WellKnown>
local well_known = {}

local PREFIX <const> = "google.protobuf."
local LARGEST_EXACT <const> = 1 << 53
-- An Any in an Any, and so on: those deeper stay bytes.
local DEEPEST_ANY <const> = 16

-- The fields of an Any that was decoded, for one that is merged with it.
local any_fields = setmetatable({}, { __mode = "k" })

local function as_it_is(_, value) return value end

-- ---- wrappers ----

local WRAPPER = {
  wrap = function(_, value)
    if type(value) == "table" then return value end
    return { value = value }
  end,
  unwrap = function(_, fields) return fields.value end,
}
for _, name in ipairs { "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes" } do
  well_known[PREFIX .. name .. "Value"] = WRAPPER
end

-- ---- Struct ----

well_known[PREFIX .. "Struct"] = {
  wrap = function(walk, value)
    if type(value) ~= "table" then walk:fail("a table expected, got " .. type(value)) end
    return { fields = value }
  end,
  unwrap = function(_, fields) return fields.fields end,
}

well_known[PREFIX .. "ListValue"] = {
  wrap = function(_, value) return { values = value } end,
  unwrap = function(_, fields) return json.array(fields.values) end,
}

---@param walk gantry.protobuf.Walk
---@param number number
local function number_value(walk, number)
  if math.type(number) == "integer" and (number > LARGEST_EXACT or number < -LARGEST_EXACT) then
    walk:fail(("%d is beyond 2^53, where a Value loses digits; send it as a string"):format(number))
  end
  return { number_value = number }
end

---A double as an integer where nothing is lost by it.
---@param number number
---@return number
local function plain_number(number)
  local integer = math.abs(number) <= LARGEST_EXACT and math.tointeger(number)
  if not integer or integer == 0 and 1 / number < 0 then return number end
  return integer
end

well_known[PREFIX .. "Value"] = {
  wrap = function(walk, value)
    local kind = type(value)
    if value == json.null then return { null_value = 0 } end
    if kind == "number" then return number_value(walk, value) end
    if kind == "string" then return { string_value = value } end
    if kind == "boolean" then return { bool_value = value } end
    if json.is_number(value) then
      walk:fail(("%s has more digits than a Value carries; send it as a string"):format(value))
    end
    if kind ~= "table" then walk:fail("a number, string, boolean, table or null expected, got " .. kind) end
    if json.is_array(value) or rawget(value, 1) ~= nil then return { list_value = value } end
    return { struct_value = value }
  end,
  unwrap = function(_, fields)
    if fields.number_value then return plain_number(fields.number_value) end
    if fields.bool_value ~= nil then return fields.bool_value end
    local value = fields.string_value or fields.struct_value or fields.list_value
    if value == nil then return json.null end
    return value
  end,
}

-- ---- times ----

---@param of_number fun(number: number): table?
---@param of_text fun(text: string): table?
---@param wanted string
local function time(of_number, of_text, wanted)
  return {
    wrap = function(walk, value)
      local kind, found = type(value), nil
      if kind == "table" then return value end
      if kind == "number" then found = of_number(value) elseif kind == "string" then found = of_text(value) end
      if not found then
        walk:fail(("%s expected, got %s"):format(wanted, words.show(value)))
      end
      return found
    end,
    unwrap = as_it_is,
  }
end

well_known[PREFIX .. "Timestamp"] = time(times.timestamp_of_number, times.timestamp,
  "{ seconds =, nanos = }, seconds since 1970 or a time such as \"2024-05-01T12:00:00Z\"")

well_known[PREFIX .. "Duration"] = time(times.duration_of_number, function(text)
  local seconds = not times.duration(text) and units.seconds(text)
  return times.duration(text) or seconds and times.duration_of_number(seconds)
end, "{ seconds =, nanos = }, a number of seconds or a duration such as \"1m30s\"")

-- ---- FieldMask, Empty ----

---@param text string
---@return string[]
local function split_paths(text)
  local paths = {}
  for path in text:gmatch("[^,%s]+") do paths[#paths + 1] = path end
  return paths
end

well_known[PREFIX .. "FieldMask"] = {
  wrap = function(_, value)
    if type(value) == "string" then return { paths = split_paths(value) } end
    if type(value) == "table" and value.paths then return value end
    return { paths = value }
  end,
  unwrap = function(_, fields) return fields.paths end,
}

well_known[PREFIX .. "Empty"] = { wrap = as_it_is, unwrap = as_it_is }

-- ---- Any ----

---The type that a URL names.
---@param message gantry.protobuf.Message of the Any
---@param url any
---@return gantry.protobuf.Message?
---@return gantry.Error?
function well_known.type_of_url(message, url)
  if type(url) ~= "string" then
    return nil, errors.new("TYPE_UNKNOWN", "@type must be a URL such as type.googleapis.com/package.Message")
  end
  return message.registry:message(url:match("[^/]*$"))
end

---@param value table with "@type"
---@param inner gantry.protobuf.Message
---@return any the form of the message inside
local function inner_form(value, inner)
  if well_known[inner.name] then return value.value end
  local fields = {}
  for name, element in next, value do
    if name ~= "@type" then fields[name] = element end
  end
  unknown.copy(value, fields)
  return fields
end

well_known[PREFIX .. "Any"] = {
  wrap = function(walk, value, message)
    if type(value) ~= "table" then walk:fail("a table with \"@type\" expected, got " .. type(value)) end
    local url = value["@type"]
    if url == nil then return value end
    local inner, err = well_known.type_of_url(message, url)
    if not inner then walk:fail(err.message) end
    return { type_url = url, value = inner:encode_inside(walk, inner_form(value, inner)) }
  end,
  wrap_again = function(value) return any_fields[value] or value end,
  unwrap = function(walk, fields, message)
    local inner = fields.type_url ~= "" and well_known.type_of_url(message, fields.type_url)
    if not inner then return fields end
    local level, budget = (walk.any_level or 0) + 1, walk.budget
    if level > DEEPEST_ANY or #fields.value > budget.any then return fields end
    budget.any = budget.any - #fields.value
    local inside = walk_of.new(walk.root)
    inside.any_level, inside.budget = level, budget
    -- Bytes that are no such message stay as they are: the message around them is good all the same.
    local value = walk_of.protect(inner.decode_inside, inner, inside, fields.value)
    if value == nil then return fields end
    if well_known[inner.name] then value = { value = value } end
    value["@type"] = fields.type_url
    any_fields[value] = fields
    return value
  end,
}

return well_known
