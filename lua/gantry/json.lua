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
  if type(value) == "number" then return plain_number(value) end
  if type(value) ~= "table" then return value end
  for key, element in next, value do
    if element == json.null and type(key) == "string" then
      value[key] = nil
    else
      value[key] = plain(element)
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
  ok, value = pcall(plain, value)
  if ok then return value end
  if not errors.is(value) then error(value, 0) end
  return nil, value:wrap("decode JSON")
end

-- ---- encode ----

---@class gantry.JsonWriter one text in the making
---@field out string[]
---@field size integer how many pieces `out` has
---@field path (string|integer)[] the keys that lead to the value being written
---@field depth integer how many of them there are
---@field indent string? for one level; nil: all in one line
local Writer = {}
Writer.__index = Writer

---@return string such as HostConfig.Ulimits[1].Soft
local function path_text(path)
  local text = ""
  for _, key in ipairs(path) do
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
---@param reason string
function Writer:refuse(reason)
  local field = path_text(self.path)
  error(errors.new("JSON_UNENCODABLE", ("encode JSON: %s %s"):format(field, reason), { field = field }), 0)
end

function Writer:add(piece)
  self.size = self.size + 1
  self.out[self.size] = piece
end

function Writer:newline()
  if self.indent then self:add("\n" .. self.indent:rep(self.depth)) end
end

function Writer:enter(key)
  if self.depth == DEEPEST then self:refuse("is nested too deeply: does a table contain itself?") end
  self.depth = self.depth + 1
  self.path[self.depth] = key
end

function Writer:leave()
  self.path[self.depth] = nil
  self.depth = self.depth - 1
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

function Writer:number(number)
  if number ~= number then self:refuse("is not a number (NaN), which JSON does not have") end
  if number > LARGEST_EXACT or number < -LARGEST_EXACT then
    self:refuse(("is %s, beyond 2^53, where other programs lose digits"):format(number))
  end
  local integer = math.tointeger(number)
  self:add(integer and ("%d"):format(integer) or float_text(number))
end

---cjson escapes every slash, which JSON does not ask for and people do not read well.
function Writer:string(text)
  self:add((cjson.encode(text):gsub("\\/", "/")))
end

---How many elements a table has from 1 on, having refused keys that neither an array nor an object has.
---@return integer length
---@return string[] names
function Writer:keys(value)
  local count, names = 0, {}
  for key in next, value do
    if type(key) == "string" then
      names[#names + 1] = key
    elseif math.type(key) == "integer" then
      count = count + 1
    else
      self:refuse(("has a key of type %s; only strings and 1..n can be written"):format(type(key)))
    end
  end
  if count > 0 and #names > 0 then self:refuse("has both numbered and named fields: an array, or an object?") end
  for index = 1, count do
    if rawget(value, index) == nil then self:refuse(("has a gap: element %d of %d is missing"):format(index, count)) end
  end
  return count, names
end

function Writer:array(list, count)
  self:add("[")
  for index = 1, count do
    self:enter(index)
    if index > 1 then self:add(",") end
    self:newline()
    self:value(rawget(list, index))
    self:leave()
  end
  if count > 0 then self:newline() end
  self:add("]")
end

function Writer:object(fields, names)
  table.sort(names)
  self:add("{")
  for index, name in ipairs(names) do
    self:enter(name)
    if index > 1 then self:add(",") end
    self:newline()
    self:string(name)
    self:add(self.indent and ": " or ":")
    self:value(rawget(fields, name))
    self:leave()
  end
  if #names > 0 then self:newline() end
  self:add("}")
end

function Writer:table(value)
  local count, names = self:keys(value)
  if json.is_array(value) and #names > 0 then self:refuse("is marked as an array and has named fields") end
  if count > 0 or json.is_array(value) then
    self:array(value, count)
  else
    self:object(value, names)
  end
end

function Writer:value(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "table" then
    self[kind](self, value)
  elseif kind == "boolean" then
    self:add(tostring(value))
  elseif value == json.null then
    self:add("null")
  else
    self:refuse(("is a %s, which JSON does not have"):format(kind))
  end
end

---@param value any
---@param indent string?
---@return string? text, gantry.Error? err
local function write(value, indent)
  local writer = setmetatable({ out = {}, size = 0, path = {}, depth = 0, indent = indent }, Writer)
  local ok, err = pcall(writer.value, writer, value)
  if ok then return table.concat(writer.out) end
  if not errors.is(err, "JSON_UNENCODABLE") then error(err, 0) end
  return nil, err
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
