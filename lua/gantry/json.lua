-- SPDX-License-Identifier: Apache-2.0
--
--- json.lua: JSON at gantry's edges. lua-cjson parses and escapes; numbers, arrays and the order of keys are ours,
--- since cjson knows one kind of number, writes it with 14 digits at most, and cannot write an empty array.
---
--- Decoding: an integer of up to 64 bits is a Lua integer, another number a float where that is exactly the number,
--- else a gantry.JsonNumber, which has its digits and is written again as it was. A field that is null is absent; a
--- null inside an array keeps its place as json.null, and so does a null that is all of the text. Arrays are plain
--- tables.
--- Encoding: keys are sorted. A table is an object unless it has elements 1..n or is marked by json.array. What JSON
--- does not have is refused: see json.encode. What must go out whatever it holds is written by json.line.

local cjson = require "cjson".new()
local errors = require "gantry.base.errors"
local number = require "gantry.base.json_number"

cjson.decode_invalid_numbers(false)

local json = {}

---Stands for null where there has to be a value.
json.null = cjson.null

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

-- Of tables that change no more, the text and how many tables deep it is; false until it is made.
local constants = setmetatable({}, { __mode = "k" })

---Says that a table will not change any more, nor what is in it: json.encode makes its text once.
---@generic T: table
---@param value T
---@return T value the same table
function json.constant(value)
  constants[value] = constants[value] or false
  return value
end

---@param value any
---@return boolean
function json.is_array(value)
  return type(value) == "table" and getmetatable(value) == ARRAY
end

---The digits of a number that no number of Lua's holds: tostring(value).
---@param value any
---@return boolean
function json.is_number(value)
  return number.digits(value) ~= nil
end

-- ---- decode ----

---Puts numbers as they are and drops null fields, in place.
---@param value table
---@param numbers table? what placeholders stand for
local function plain(value, numbers)
  for key, element in next, value do
    local kind = type(element)
    if kind == "number" then
      value[key] = number.restore(element, numbers)
    elseif kind == "table" then
      plain(element, numbers)
    elseif element == json.null and type(key) == "string" then
      value[key] = nil
    end
  end
  return value
end

---@class gantry.JsonDecodeOptions
---@field letters boolean? every number comes out again with the characters that it came with, such as 1.10 and 1e3

---@param text string
---@param options gantry.JsonDecodeOptions?
---@return any? value
---@return gantry.Error? err JSON_INVALID
function json.decode(text, options)
  if type(text) ~= "string" then error("json.decode needs a string, got " .. type(text), 2) end
  local prepared, numbers = number.set_aside(text, options and options.letters)
  if not prepared then return nil, errors.new("JSON_INVALID", "decode JSON: " .. numbers) end
  local ok, value = pcall(cjson.decode, prepared)
  if not ok then return nil, errors.new("JSON_INVALID", "decode JSON: " .. tostring(value)) end
  if type(value) == "number" then return number.restore(value, numbers) end
  return type(value) == "table" and plain(value, numbers) or value
end

-- ---- encode ----

---@class gantry.JsonWriter one text in the making
---@field path (string|integer)[] the keys that lead to the value being written
---@field depth integer how many of them count
---@field deepest integer the most that depth was in the table being written
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

---@param writer gantry.JsonWriter
---@param value number
---@return string
local function number_text(writer, value)
  if value ~= value then refuse(writer, "is not a number (NaN), which JSON does not have") end
  if value == math.huge or value == -math.huge then
    refuse(writer, ("is %s, which JSON does not have"):format(value))
  end
  return number.text(value)
end

---cjson escapes every slash, which JSON does not ask for and people do not read well.
---@param text string
---@return string
local function string_text(text)
  local quoted = cjson.encode(text)
  return quoted:find("\\/", 1, true) and quoted:gsub("\\/", "/") or quoted
end

-- The names of fields come again and again, with their quotes and colon.
local NAMES_KEPT <const>, LONGEST_KEPT <const> = 1000, 64
local name_texts, names_kept = {}, 0

---@param name string
---@return string
local function name_text(name)
  local text = name_texts[name]
  if text then return text end
  text = string_text(name) .. ":"
  if #name > LONGEST_KEPT then return text end
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
  local digits, constant = number.digits(value), constants[value]
  if digits then return digits end
  local fits = constant and not writer.indent and writer.depth + constant.height <= DEEPEST
  if constant and fits then
    writer.deepest = math.max(writer.deepest, writer.depth + constant.height)
    return constant.text
  end
  local count, names = keys_of(writer, value)
  local is_array = getmetatable(value) == ARRAY
  if is_array and #names > 0 then refuse(writer, "is marked as an array and has named fields") end
  if count == 0 and #names == 0 then return is_array and "[]" or "{}" end
  if writer.depth == DEEPEST then refuse(writer, "is nested too deeply: does a table contain itself?") end
  local deepest, depth = writer.deepest, writer.depth
  writer.depth, writer.deepest = depth + 1, depth + 1
  local text = count > 0 and array_text(writer, value, count) or object_text(writer, value, names)
  if constant == false and not writer.indent then
    constants[value] = { text = text, height = writer.deepest - depth }
  end
  writer.depth, writer.deepest = depth, math.max(deepest, writer.deepest)
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
  local ok, result = pcall(value_text, { path = {}, depth = 0, deepest = 0, indent = indent }, value)
  if ok then return result end
  if not errors.is(result, "JSON_UNENCODABLE") then error(result, 0) end
  return nil, result
end

---One line, keys sorted. Refused are NaN and the infinities, arrays with gaps, tables with both kinds of keys,
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

-- What is nested deeper is not shown: it has to fit below what it is a part of. Nor is what comes after so many values:
-- tables that hold each other in several ways would never end.
local DEEPEST_SHOWN <const>, MOST_SHOWN <const> = DEEPEST - 100, 100000

---@param value table
---@return boolean
local function has_list_keys(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  for index = 1, count do
    if rawget(value, index) == nil then return false end
  end
  return true
end

---@class gantry.JsonShown one copy in the making
---@field around table<table, boolean> the tables that the value being copied is in
---@field count integer of values so far

local showable

---@param shown gantry.JsonShown
---@param value table
---@param depth integer
---@return table
local function showable_table(shown, value, depth)
  local is_list, copy = has_list_keys(value), {}
  shown.around[value] = true
  for key, element in next, value do
    if not is_list and type(key) ~= "string" then
      key = math.type(key) and tostring(key) or "<" .. type(key) .. ">"
    end
    copy[key] = showable(shown, element, depth + 1)
  end
  shown.around[value] = nil
  return json.is_array(value) and is_list and json.array(copy) or copy
end

---A copy that can be written, in which what JSON does not have is its text.
---@param shown gantry.JsonShown
---@param value any
---@param depth integer
---@return any
function showable(shown, value, depth)
  local kind = type(value)
  shown.count = shown.count + 1
  if kind == "number" then
    local finite = value == value and value ~= math.huge and value ~= -math.huge
    return finite and value or tostring(value)
  elseif kind ~= "table" then
    return (kind == "string" or kind == "boolean" or value == json.null) and value or "<" .. kind .. ">"
  elseif number.digits(value) then
    return value
  elseif shown.around[value] then
    return "<a table that it is in>"
  elseif depth > DEEPEST_SHOWN or shown.count > MOST_SHOWN then
    return depth > DEEPEST_SHOWN and "<nested too deeply>" or "<too much>"
  end
  return showable_table(shown, value, depth)
end

---One line for whoever reads along, with its end of line. What json.encode would refuse stands there as text, so that
---no answer, event or line of a log is lost for a value in it.
---@param value any
---@return string line
function json.line(value)
  local text = write(value) or write(showable({ around = {}, count = 0 }, value, 1))
  return text .. "\n"
end

return json
