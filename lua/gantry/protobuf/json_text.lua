-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/json_text.lua: JSON text to a tree in which no number has lost a digit: numbers stay text until the field
--- says what they are. Stricter than gantry.json: a key that comes twice is an error, and so is what is not UTF-8.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"

local plain_end = core.json_scan.plain

local json_text = {}

-- A deeper value is no message either.
local DEEPEST <const> = 500

---@class gantry.protobuf.JsonNumber
---@field text string
local Number = {}
Number.__index = Number

---@param value any
---@return boolean
function json_text.is_number(value)
  return getmetatable(value) == Number
end

local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

---@class gantry.protobuf.JsonReader
---@field text string
---@field at integer
---@field depth integer
local Reader = {}
Reader.__index = Reader

---@param what string
function Reader:fail(what)
  local before = self.text:sub(1, self.at - 1)
  local _, lines = before:gsub("\n", "\n")
  local column = #before:match("[^\n]*$") + 1
  error(errors.new("JSON_INVALID", ("read JSON: %s at line %d, column %d"):format(what, lines + 1, column)), 0)
end

function Reader:skip_space()
  self.at = self.text:find("[^ \t\r\n]", self.at) or #self.text + 1
end

---@param byte string
function Reader:expect(byte)
  if self.text:sub(self.at, self.at) ~= byte then self:fail(("'%s' expected"):format(byte)) end
  self.at = self.at + 1
end

---Whether the next byte is this one; then it is taken.
---@param byte string
---@return boolean
function Reader:take(byte)
  self:skip_space()
  if self.text:sub(self.at, self.at) ~= byte then return false end
  self.at = self.at + 1
  return true
end

---@return integer? unit of UTF-16
function Reader:unit()
  local digits = self.text:match("^\\u(%x%x%x%x)", self.at)
  if digits then self.at = self.at + 6 end
  return digits and tonumber(digits, 16)
end

---@return string
function Reader:escape()
  local letter = self.text:sub(self.at + 1, self.at + 1)
  if ESCAPES[letter] then
    self.at = self.at + 2
    return ESCAPES[letter]
  end
  local unit = self:unit()
  if not unit then self:fail "an unknown escape" end
  if unit < 0xd800 or unit > 0xdfff then return utf8.char(unit) end
  local second = unit < 0xdc00 and self:unit()
  if not second or second < 0xdc00 or second > 0xdfff then self:fail "half a surrogate pair" end
  return utf8.char(0x10000 + (unit - 0xd800 << 10) + (second - 0xdc00))
end

---@return string
function Reader:string()
  self:expect '"'
  local parts = {}
  while true do
    local stop = plain_end(self.text, self.at)
    parts[#parts + 1] = self.text:sub(self.at, stop - 1)
    local byte = self.text:sub(stop, stop)
    if byte == "" then self:fail "a string without end" end
    self.at = stop
    if byte == '"' then break end
    if byte ~= "\\" then self:fail "a control character in a string" end
    parts[#parts + 1] = self:escape()
  end
  self.at = self.at + 1
  return table.concat(parts)
end

---@return gantry.protobuf.JsonNumber
function Reader:number()
  local text = self.text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", self.at)
  local before, after, exponent = (text or ""):match("^-?(%d+)(%.?%d*)([eE]?[+-]?%d*)$")
  local valid = before and (before == "0" or before:sub(1, 1) ~= "0") and after ~= "."
    and (exponent == "" or exponent:find("^[eE][+-]?%d+$"))
  if not valid then self:fail "a value expected" end
  self.at = self.at + #text
  return setmetatable({ text = text }, Number)
end

---@return table
function Reader:array()
  self:expect "["
  local list = json.array()
  if self:take "]" then return list end
  repeat list[#list + 1] = self:value() until not self:take ","
  self:expect "]"
  return list
end

---@return table
function Reader:object()
  self:expect "{"
  local fields = {}
  if self:take "}" then return fields end
  repeat
    self:skip_space()
    local start = self.at
    local name = self:string()
    if fields[name] ~= nil then
      self.at = start
      self:fail(("a key that was there already, '%s',"):format(name))
    end
    self:skip_space()
    self:expect ":"
    fields[name] = self:value()
  until not self:take ","
  self:expect "}"
  return fields
end

local WORDS = { ["true"] = true, ["false"] = false, null = json.null }

---@return any
function Reader:value()
  self:skip_space()
  local byte = self.text:sub(self.at, self.at)
  if byte == '"' then return self:string() end
  local word = self.text:match("^%a+", self.at)
  if WORDS[word] ~= nil then
    self.at = self.at + #word
    return WORDS[word]
  end
  if byte ~= "{" and byte ~= "[" then return self:number() end
  self.depth = self.depth + 1
  if self.depth > DEEPEST then self:fail(("a value nested more than %d deep"):format(DEEPEST)) end
  local result = (byte == "{" and self.object or self.array)(self)
  self.depth = self.depth - 1
  return result
end

---Raises an error object of code JSON_INVALID where the text is no JSON.
---@param text string
---@return any value booleans, strings, json.null, json.array lists, tables, and numbers as { text = }
function json_text.read(text)
  local reader = setmetatable({ text = text, at = 1, depth = 0 }, Reader)
  local length, bad = utf8.len(text)
  if not length then
    reader.at = bad
    reader:fail "bytes that are not UTF-8"
  end
  local value = reader:value()
  reader:skip_space()
  if reader.at <= #text then reader:fail "something after the value" end
  return value
end

return json_text
