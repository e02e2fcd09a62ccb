-- SPDX-License-Identifier: Apache-2.0
--
--- base/json_number.lua: numbers of JSON with all their digits. cjson reads every number as a double; what a double may
--- not hold is read here: as an integer of 64 bits, as a float where that is exactly the number, else as its digits.
--- Before cjson sees a text, each token that it could not read exactly is replaced by a placeholder: an integer so
--- large that every other number of that size is a placeholder too, so that no text can forge one.

local next_number = require("gantry.core").json_scan.number

local number = {}

-- What a double has of decimal digits whatever they are.
local EXACT_DIGITS <const> = 15
local FIRST_PLACEHOLDER <const>, STEP <const> = 1 << 60, 1 << 10

---A number that no number of Lua's holds. `tostring` gives its digits.
---@class gantry.JsonNumber
local Digits = { __name = "gantry.base.json_number" }
Digits.__index = Digits

function Digits:__tostring() return self[1] end
function Digits.__eq(left, right) return rawget(left, 1) == rawget(right, 1) end
function Digits.__newindex() error("a number of JSON cannot be changed", 2) end

---@param value any
---@return string? digits of a gantry.JsonNumber
function number.digits(value)
  return type(value) == "table" and getmetatable(value) == Digits and rawget(value, 1) or nil
end

---Whether a text is a number as JSON writes it.
---@param token string
---@return boolean
local function is_number(token)
  local whole, rest = token:match("^%-?(%d+)(.*)$")
  if not whole or whole:find("^0%d") then return false end
  rest = rest:gsub("^%.%d+", "", 1)
  return rest == "" or rest:find("^[eE][+-]?%d+$") ~= nil
end

---The significant digits of a decimal number and the power of ten of their end: what makes two texts the same number.
---@param token string
---@return string digits without zeros at either end, "" for zero
---@return integer? exponent nil where it is too large to count
local function significant(token)
  local whole, fraction, exponent = token:match("^%-?(%d+)%.?(%d*)[eE]?([+-]?%d*)$")
  local power = exponent == "" and 0 or math.tointeger(tonumber(exponent))
  local digits, zeros = (whole .. fraction):match("^0*(.-)(0*)$")
  return digits, power and power - #fraction + #zeros
end

---The fewest digits that read back as the same number, with a point whatever the locale.
---@param value number finite
---@return string
function number.text(value)
  local integer = math.tointeger(value)
  if integer then return ("%d"):format(integer) end
  local text
  for digits = EXACT_DIGITS, 17 do
    text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then break end
  end
  return (text:gsub(",", "."))
end

---@param token string a number as JSON writes it
---@return number|gantry.JsonNumber
local function exactly(token)
  local value = tonumber(token)
  if math.type(value) == "integer" then return value end
  if value == value and value ~= math.huge and value ~= -math.huge then
    local digits, exponent = significant(token)
    local same, power = significant(number.text(value))
    local equal = digits == same and (exponent == power or digits == "" and exponent)
    if equal then return math.tointeger(value) or value end
  end
  return setmetatable({ token }, Digits)
end

---As exactly, but only what is written again with the very same characters becomes a number of Lua's.
---@param token string
---@return number|gantry.JsonNumber
local function to_the_letter(token)
  local value = exactly(token)
  if number.digits(value) or number.text(value) == token then return value end
  return setmetatable({ token }, Digits)
end

---Puts a placeholder in the place of each number that needs more than a double.
---@param text string
---@param letters boolean? also of each number that would be written in another way
---@return string? text nil where a number is not one of JSON's
---@return (number|gantry.JsonNumber)[]|string|nil values of the placeholders, in order; nil where there are none; else
---the reason
function number.set_aside(text, letters)
  local read = letters and to_the_letter or exactly
  local parts, values, copied, at = {}, {}, 1, 1
  while true do
    local first, last = next_number(text, letters, at)
    if not first then break end
    local token = text:sub(first, last)
    if not is_number(token) then return nil, ("invalid number at character %d"):format(first) end
    values[#values + 1] = read(token)
    parts[#parts + 1] = text:sub(copied, first - 1)
    parts[#parts + 1] = ("%d"):format(FIRST_PLACEHOLDER + #values * STEP)
    copied, at = last + 1, last + 1
  end
  if #values == 0 then return text end
  parts[#parts + 1] = text:sub(copied)
  return table.concat(parts), values
end

---What a number that cjson has read stands for.
---@param read number
---@param values (number|gantry.JsonNumber)[]? of number.set_aside
---@return number|gantry.JsonNumber
function number.restore(read, values)
  if values and read >= FIRST_PLACEHOLDER then return values[(math.tointeger(read) - FIRST_PLACEHOLDER) // STEP] end
  return math.tointeger(read) or read
end

return number
