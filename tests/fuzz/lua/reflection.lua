-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/reflection.lua: a plugin whose reflection answers anything. The input holds the answers one after the
--- other, each after a byte of its length; when they are used up, they come again.

local errors = require "gantry.base.errors"
local outline = require "gantry.protobuf.outline"
local reflection = require "gantry.grpc.reflection"
local stream = require "gantry.grpc.stream"
local wire = require "gantry.protobuf.wire"

---@param input string
---@return string[]
local function split(input)
  local answers, at = {}, 1
  while at <= #input do
    local size = input:byte(at)
    answers[#answers + 1] = input:sub(at + 1, at + size)
    at = at + 1 + size
  end
  return answers
end

local function plugin(answers)
  local turn = 0
  return { stream = function()
    return stream.open(function(handlers)
      if #answers > 0 then
        turn = turn % #answers + 1
        local answer = answers[turn]
        -- A first byte that no answer begins with asks for one with a file, which a search would seldom find.
        if answer:byte() == 0xff then answer = wire.bytes_field(4, wire.bytes_field(1, answer:sub(2))) end
        handlers.on_message(answer)
      end
      handlers.on_end()
      return { cancel = function() end, pause = function() end, resume = function() end }
    end)
  end }
end

local function checked(value, err)
  if value == nil then assert(errors.is(err), tostring(err)) end
  return value
end

return function(input)
  local found = reflection.new(plugin(split(input)), "plugin 'p'")
  local services = checked(found:services())
  if not services then return end
  for name, methods in pairs(services) do
    for _, method in ipairs(methods) do
      local kind = checked(found:method(name .. "/" .. method))
      if kind then
        checked(kind.input:encode {})
        local value, err = kind.output:decode(input)
        assert(value ~= nil or errors.is(err))
      end
    end
    local service = checked(found:service(name))
    if service then checked(outline.of(found.registry, { service })) end
  end
end
