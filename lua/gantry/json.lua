-- SPDX-License-Identifier: Apache-2.0
--
--- json.lua: JSON at gantry's edges. lua-cjson parses and escapes; numbers, arrays and the order of keys are ours,
--- since cjson knows one kind of number, writes it with 14 digits at most, and cannot write an empty array.
---
--- Decoding: a number with an integer value is a Lua integer. A field that is null is absent; a null inside an array
--- keeps its place as json.null, and so does a null that is the whole text. Arrays are plain tables, also empty ones.
--- Encoding: keys are sorted. A table is an object unless it has elements 1..n or is marked by json.array. What another
--- program could not read back as meant is refused: see json.encode.

local cjson = require "cjson".new()
local errors = require "gantry.errors"

cjson.decode_invalid_numbers(false)

local json = {}

---Stands for null where there has to be a value.
json.null = cjson.null

-- Beyond 2^53 a double, which is what most readers of JSON have, loses digits.
local LARGEST_EXACT <const> = 2 ^ 53

-- As deep as cjson reads.
local DEEPEST <const> = 1000

local ARRAY = { __name = "gantry.json.array" }

---Marks a table as an array, so that it is written as [] when it is empty.
---@generic T: table
---@param list T?
---@return T list the same table
function json.array(list)
  list = list or {}
  local metatable = getmetatable(list)
  if metatable == ARRAY then return list end
  if metatable ~= nil then error("json.array: the table has a metatable already", 2) end
  return setmetatable(list, ARRAY)
end

---@param value any
---@return boolean
function json.is_array(value)
  return type(value) == "table" and getmetatable(value) == ARRAY
end

-- ---- decode ----

---@param number number
---@return number
local function plain_number(number)
  if number == math.huge or number == -math.huge then error(errors.new("JSON_INVALID", "a number is too large"), 0) end
  return math.tointeger(number) or number
end

---Makes integers of numbers and drops null fields, in place.
local function plain(value)
  for key, element in next, value do
    local kind = type(element)
    if kind == "number" then
      value[key] = plain_number(element)
    elseif kind == "table" then
      plain(element)
    elseif element == json.null and type(key) == "string" then
      value[key] = nil
    end
  end
  return value
end

---@param text string
---@return any? value
---@return gantry.Error? err JSON_INVALID
function json.decode(text)
  if type(text) ~= "string" then error("json.decode needs a string, got " .. type(text), 2) end
  local ok, value = pcall(cjson.decode, text)
  if not ok then return nil, errors.new("JSON_INVALID", "decode JSON: " .. value) end
  if type(value) == "number" then
    ok, value = pcall(plain_number, value)
  elseif type(value) == "table" then
    ok, value = pcall(plain, value)
  end
  if ok then return value end
  if not errors.is(value) then error(value, 0) end
  return nil, value:wrap("decode JSON")
end

-- ---- encode ----

---@class gantry.JsonWriter one text in the making
---@field path (string|integer)[] the keys that lead to the value being written
---@field depth integer how many of them count
---@field indent string? for one level; nil: all in one line

---@param writer gantry.JsonWriter
---@return string such as HostConfig.Ulimits[1].Soft
local function path_text(writer)
  local text = ""
  for _, key in ipairs { table.unpack(writer.path, 1, writer.depth) } do
    if math.type(key) == "integer" then
      text = ("%s[%d]"):format(text, key)
    elseif key:find("^[%a_][%w_]*$") then
      text = text == "" and key or text .. "." .. key
    else
      text = ("%s[%s]"):format(text, cjson.encode(key))
    end
  end
  return text == "" and "the value" or text
end

---Raises an error that names the field.
---@param writer gantry.JsonWriter
---@param reason string
local function refuse(writer, reason)
  local field = path_text(writer)
  error(errors.new("JSON_UNENCODABLE", ("encode JSON: %s %s"):format(field, reason), { field = field }), 0)
end

---The fewest digits that read back as the same number, with a point whatever the locale.
---@param number number not an integer value
---@return string
local function float_text(number)
  local text
  for digits = 15, 17 do
    text = ("%." .. digits .. "g"):format(number)
    if tonumber(text) == number then break end
  end
  return (text:gsub(",", "."))
end

---@param writer gantry.JsonWriter
---@param number number
---@return string
local function number_text(writer, number)
  if number ~= number then refuse(writer, "is not a number (NaN), which JSON does not have") end
  if number > LARGEST_EXACT or number < -LARGEST_EXACT then
    refuse(writer, ("is %s, beyond 2^53, where other programs lose digits"):format(number))
  end
  local integer = math.tointeger(number)
  return integer and ("%d"):format(integer) or float_text(number)
end

---cjson escapes every slash, which JSON does not ask for and people do not read well.
---@param text string
---@return string
local function string_text(text)
  local quoted = cjson.encode(text)
  return quoted:find("\\/", 1, true) and quoted:gsub("\\/", "/") or quoted
end

-- The names of fields come again and again, with their quotes and colon.
local NAMES_KEPT <const> = 1000
local name_texts, names_kept = {}, 0

---@param name string
---@return string
local function name_text(name)
  local text = name_texts[name]
  if text then return text end
  text = string_text(name) .. ":"
  if names_kept == NAMES_KEPT then name_texts, names_kept = {}, 0 end
  name_texts[name], names_kept = text, names_kept + 1
  return text
end

---How many elements a table has from 1 on, having refused keys that neither an array nor an object has.
---@param writer gantry.JsonWriter
---@param value table
---@return integer length
---@return string[] names
local function keys_of(writer, value)
  local count, named, names = 0, 0, {}
  for key in next, value do
    if type(key) == "string" then
      named = named + 1
      names[named] = key
    elseif math.type(key) == "integer" then
      count = count + 1
    else
      refuse(writer, ("has a key of type %s; only strings and 1..n can be written"):format(type(key)))
    end
  end
  if count > 0 and named > 0 then refuse(writer, "has both numbered and named fields: an array, or an object?") end
  for index = 1, count do
    if rawget(value, index) == nil then
      refuse(writer, ("has a gap: element %d of %d is missing"):format(index, count))
    end
  end
  return count, names
end

---The text between the elements of what stands `depth` deep.
---@param writer gantry.JsonWriter
---@param depth integer
---@return string
local function newline(writer, depth)
  return writer.indent and "\n" .. writer.indent:rep(depth) or ""
end

local value_text

---@param writer gantry.JsonWriter
---@param list table
---@param count integer
---@return string
local function array_text(writer, list, count)
  local texts, path, depth = {}, writer.path, writer.depth
  for index = 1, count do
    path[depth] = index
    texts[index] = value_text(writer, rawget(list, index))
  end
  local inner = newline(writer, depth)
  return "[" .. inner .. table.concat(texts, "," .. inner) .. newline(writer, depth - 1) .. "]"
end

---@param writer gantry.JsonWriter
---@param fields table
---@param names string[]
---@return string
local function object_text(writer, fields, names)
  local path, depth, space = writer.path, writer.depth, writer.indent and " " or ""
  table.sort(names)
  for index, name in ipairs(names) do
    path[depth] = name
    names[index] = name_text(name) .. space .. value_text(writer, rawget(fields, name))
  end
  local inner = newline(writer, depth)
  return "{" .. inner .. table.concat(names, "," .. inner) .. newline(writer, depth - 1) .. "}"
end

---@param writer gantry.JsonWriter
---@param value table
---@return string
local function table_text(writer, value)
  local count, names = keys_of(writer, value)
  local is_array = getmetatable(value) == ARRAY
  if is_array and #names > 0 then refuse(writer, "is marked as an array and has named fields") end
  if count == 0 and #names == 0 then return is_array and "[]" or "{}" end
  if writer.depth == DEEPEST then refuse(writer, "is nested too deeply: does a table contain itself?") end
  writer.depth = writer.depth + 1
  local text = count > 0 and array_text(writer, value, count) or object_text(writer, value, names)
  writer.depth = writer.depth - 1
  return text
end

---@param writer gantry.JsonWriter
---@param value any
---@return string
function value_text(writer, value)
  local kind = type(value)
  if kind == "string" then return string_text(value) end
  if kind == "table" then return table_text(writer, value) end
  if kind == "number" then return number_text(writer, value) end
  if kind == "boolean" then return tostring(value) end
  if value == json.null then return "null" end
  return refuse(writer, ("is a %s, which JSON does not have"):format(kind))
end

---@param value any
---@param indent string?
---@return string? text, gantry.Error? err
local function write(value, indent)
  local ok, result = pcall(value_text, { path = {}, depth = 0, indent = indent }, value)
  if ok then return result end
  if not errors.is(result, "JSON_UNENCODABLE") then error(result, 0) end
  return nil, result
end

---One line, keys sorted. Refused are numbers beyond 2^53, NaN, arrays with gaps, tables with both kinds of keys,
---functions and the like, and what is nested more than 1000 deep.
---@param value any
---@return string? text
---@return gantry.Error? err JSON_UNENCODABLE; its message and its `field` name the path, such as HostConfig.Memory
function json.encode(value)
  return write(value)
end

---As json.encode, for people: one field a line, indented by two.
---@param value any
---@return string? text
---@return gantry.Error? err
function json.pretty(value)
  return write(value, "  ")
end

return json
