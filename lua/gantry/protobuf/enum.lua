-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/enum.lua: a type of enumerated values: names and numbers.

local nearest = require "gantry.base.nearest"
local scalars = require "gantry.protobuf.scalars"
local words = require "gantry.base.words"

local enum = {}

---@class gantry.protobuf.Enum
---@field name string full
---@field short string
---@field numbers table<string, integer>
---@field names table<integer, string> the first declared of those that share a number
---@field list string[] names as declared
local Enum = {}
Enum.__index = Enum

---@param name string full
---@param description table an EnumDescriptorProto
---@return gantry.protobuf.Enum
function enum.new(name, description)
  local self = setmetatable({ name = name, short = name:match("[^.]+$"), numbers = {}, names = {}, list = {} }, Enum)
  for index, value in ipairs(description.value) do
    local number = scalars.as_int32(value.number or 0)
    self.list[index] = value.name
    self.numbers[value.name] = number
    self.names[number] = self.names[number] or value.name
  end
  return self
end

---@param value any a name or a number; numbers without a name are allowed
---@return integer? number
---@return string? reason
function Enum:number(value)
  local number = self.numbers[value]
  if number then return number end
  if type(value) == "string" then
    local near = nearest.find(value, self.list)
    return nil, ("a name or number of %s expected, got %s%s"):format(self.short, words.show(value),
      near and ("; did you mean '%s'?"):format(near) or "")
  end
  if type(value) ~= "number" then
    return nil, ("a name or number of %s expected, got %s"):format(self.short, type(value))
  end
  return scalars.enum_number(value)
end

return enum
