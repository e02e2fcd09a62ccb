-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/scalars.lua: protobuf's scalar types: how a Lua value becomes bytes and bytes a Lua value.
---
--- Integers are Lua integers, exact in all 64 bits; of uint64 and fixed64 the upper half is negative: the same bits. A
--- float that has an integer value serves as one.

local wire = require "gantry.protobuf.wire"

---@class gantry.protobuf.Scalar
---@field name string
---@field kind integer its wire type
---@field size integer? of a fixed one, in bytes
---@field default any what an absent field without presence has
---@field encode fun(value: any): string?, string? bytes, or nil and the reason; those of text without their length
---@field decode (fun(bytes: string, position: integer): any, integer)? value and next position; nil for text and bytes

local scalars = {}

local pack, unpack = string.pack, string.unpack
local varint, read_varint = wire.varint, wire.read_varint

-- Most varints are one byte long.
local SMALL <const> = {}
for value = 0, 127 do SMALL[value] = string.char(value) end

---@param value integer
---@return string
local function short_varint(value)
  return SMALL[value] or varint(value)
end

scalars.varint = short_varint

---What a value is, for messages: its type, and more of a number.
---@param value any
---@return string
local function show(value)
  if type(value) ~= "number" then return type(value) end
  return math.type(value) == "integer" and ("%d"):format(value) or ("%.17g"):format(value)
end

---@param name string
---@param low integer?
---@param high integer?
---@return fun(value: any): integer?, string?
local function integer_check(name, low, high)
  return function(value)
    if math.type(value) ~= "integer" then
      local whole = type(value) == "number" and math.tointeger(value)
      if not whole then return nil, ("%s expected, got %s"):format(name, show(value)) end
      value = whole
    end
    if low and (value < low or value > high) then
      return nil, ("%s expected, got %d, which is out of its range"):format(name, value)
    end
    return value
  end
end

---@param value integer
---@return integer
local function as_int32(value)
  value = value & 0xffffffff
  return value < 0x80000000 and value or value - 0x100000000
end

local function as_uint32(value) return value & 0xffffffff end
local function as_it_is(value) return value end
local function zigzag(value) return value << 1 ~ (value < 0 and -1 or 0) end
local function unzigzag(value) return value >> 1 ~ -(value & 1) end
local function unzigzag32(value) return unzigzag(value & 0xffffffff) end

---A type that is a varint on the wire.
local function variable(name, low, high, to_wire, from_wire)
  local check = integer_check(name, low, high)
  scalars[name] = {
    name = name, kind = wire.VARINT, default = 0,
    encode = function(value)
      local integer, reason = check(value)
      if not integer then return nil, reason end
      return short_varint(to_wire(integer))
    end,
    decode = function(bytes, position)
      local value, behind = read_varint(bytes, position)
      if not value then return nil, position end
      return from_wire(value), behind
    end,
  }
end

local LEAST32 <const>, MOST32 <const>, MOST_UNSIGNED32 <const> = -0x80000000, 0x7fffffff, 0xffffffff

variable("int32", LEAST32, MOST32, as_it_is, as_int32)
variable("int64", nil, nil, as_it_is, as_it_is)
variable("uint32", 0, MOST_UNSIGNED32, as_it_is, as_uint32)
variable("uint64", nil, nil, as_it_is, as_it_is)
variable("sint32", LEAST32, MOST32, zigzag, unzigzag32)
variable("sint64", nil, nil, zigzag, unzigzag)

---A type of four or eight bytes.
---@param format string of string.pack
local function fixed(name, size, format, check, default)
  scalars[name] = {
    name = name, kind = size == 8 and wire.FIXED64 or wire.FIXED32, size = size, default = default,
    encode = function(value)
      local number, reason = check(value)
      if not number then return nil, reason end
      return pack(format, number)
    end,
    decode = function(bytes, position) return unpack(format, bytes, position) end,
  }
end

fixed("fixed32", 4, "<I4", integer_check("fixed32", 0, MOST_UNSIGNED32), 0)
fixed("sfixed32", 4, "<i4", integer_check("sfixed32", LEAST32, MOST32), 0)
fixed("fixed64", 8, "<i8", integer_check "fixed64", 0) -- the same bits
fixed("sfixed64", 8, "<i8", integer_check "sfixed64", 0)

---@param value any
---@return number?, string?
local function check_double(value)
  if type(value) ~= "number" then return nil, ("double expected, got %s"):format(type(value)) end
  return value
end

---@param value any
---@return number?, string?
local function check_float(value)
  if type(value) ~= "number" then return nil, ("float expected, got %s"):format(type(value)) end
  if value - value == 0 and math.abs(unpack("<f", pack("<f", value))) == math.huge then
    return nil, ("float expected, got %s, which is out of its range"):format(show(value))
  end
  return value
end

fixed("double", 8, "<d", check_double, 0.0)
fixed("float", 4, "<f", check_float, 0.0)

scalars.bool = {
  name = "bool", kind = wire.VARINT, default = false,
  encode = function(value)
    if type(value) ~= "boolean" then return nil, "bool expected, got " .. show(value) end
    return value and "\1" or "\0"
  end,
  decode = function(bytes, position)
    local value, behind = read_varint(bytes, position)
    if not value then return nil, position end
    return value ~= 0, behind
  end,
}

scalars.string = {
  name = "string", kind = wire.BYTES, default = "",
  encode = function(value)
    if type(value) ~= "string" then return nil, "string expected, got " .. type(value) end
    local length, at = utf8.len(value)
    if not length then return nil, ("string expected, got bytes that are not UTF-8 (at byte %d)"):format(at) end
    return value
  end,
}

-- A string of a proto2 file, whose UTF-8 nobody checks.
scalars.unchecked_string = {
  name = "string", kind = wire.BYTES, default = "",
  encode = function(value)
    if type(value) ~= "string" then return nil, "string expected, got " .. type(value) end
    return value
  end,
}

scalars.bytes = {
  name = "bytes", kind = wire.BYTES, default = "",
  encode = function(value)
    if type(value) ~= "string" then return nil, "bytes (a string) expected, got " .. type(value) end
    return value
  end,
}

---An enum's values are an int32 on the wire.
scalars.enum_number = integer_check("enum", LEAST32, MOST32)
scalars.as_int32 = as_int32

return scalars
