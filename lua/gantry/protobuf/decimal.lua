-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/decimal.lua: numbers as decimal text and back, with no digit lost: 64-bit integers, signed and unsigned,
--- and floats in the fewest digits that read back as the same number.

local decimal = {}

-- The largest uint64, to compare texts of the same length with.
local MOST_UNSIGNED <const> = "18446744073709551615"

---@param value integer taken as unsigned
---@return string
function decimal.of_unsigned(value)
  if value >= 0 then return ("%d"):format(value) end
  local tenth = (value >> 1) // 5
  return ("%d%d"):format(tenth, value - tenth * 10)
end

---@param digits string
---@return integer? value the same bits
local function unsigned(digits)
  digits = digits:gsub("^0+(%d)", "%1")
  if #digits > #MOST_UNSIGNED or #digits == #MOST_UNSIGNED and digits > MOST_UNSIGNED then return nil end
  if #digits < #MOST_UNSIGNED then digits = ("0"):rep(#MOST_UNSIGNED - #digits) .. digits end
  return math.tointeger(tonumber(digits:sub(1, -2))) * 10 + math.tointeger(tonumber(digits:sub(-1)))
end

---The sign and digits of a number with an integer value, such as -1.50e2.
---@param text string
---@return string? sign nil where it has no integer value, or one that is far too large
---@return string? digits
local function whole(text)
  local sign, before, after, exponent = text:match("^(-?)(%d+)%.?(%d*)[eE]?([+-]?%d*)$")
  if not before or #text > 400 then return nil end
  local digits, shift = before .. after, (tonumber(exponent) or 0) - #after
  if not digits:find("[^0]") then return sign, "0" end
  while shift < 0 and digits:sub(-1) == "0" do digits, shift = digits:sub(1, -2), shift + 1 end
  if shift < 0 or shift > 20 then return nil end
  return sign, digits .. ("0"):rep(shift)
end

---@param text string
---@return integer? value nil where it is no integer of 64 bits
function decimal.signed(text)
  local sign, digits = whole(text)
  if not sign then return nil end
  local value = unsigned(digits)
  if not value then return nil end
  if sign == "-" then
    value = -value
    return value <= 0 and value or nil
  end
  return value >= 0 and value or nil
end

---@param text string
---@return integer? value the same bits
function decimal.unsigned(text)
  local sign, digits = whole(text)
  if not sign or sign == "-" and digits ~= "0" then return nil end
  return unsigned(digits)
end

---A number as a float, with the sign of -0.
---@param text string
---@return number? value infinite where it is too large for a double
function decimal.float(text)
  if text:find("^-?%d+$") then text = text .. "e0" end
  return tonumber(text)
end

---@param value number finite
---@param single boolean whether it only has to be the same in 32 bits
---@return string
function decimal.of_float(value, single)
  local text
  for digits = single and 6 or 15, 17 do
    text = ("%." .. digits .. "g"):format(value):gsub(",", ".")
    local back = tonumber(text)
    if single then back = string.unpack("<f", string.pack("<f", back)) end
    if back == value then break end
  end
  return text
end

return decimal
