-- SPDX-License-Identifier: Apache-2.0
--
--- base/errors.lua: the one failure of gantry: a table with a code for programs and a message for people. The C core
--- makes the same objects, with the same metatable; this file gives them their methods.  A code is a stable upper-case
--- name such as IMAGE_NOT_FOUND. A message names verb, object, reason and remedy.

local core = require "gantry.core"

local errors = {}

---@class gantry.Error
---@field code string
---@field message string
---@field status integer? HTTP or gRPC status, where there was one
---@field os_error integer? errno, where there was one
---@field cause any? what this error explains: the error that was wrapped
---@field suppressed any[]? errors of the same scope that came after this one
---@field diagnosis any?
local Error = {}

local metatable = core.error_metatable
metatable.__index = Error

-- How debug.traceback begins its part; a text that has it is not traced again.
local TRACEBACK <const> = "\nstack traceback:\n"

---@param code string
---@param message string
---@param fields table? more fields of the error, such as status or cause
---@return gantry.Error
function errors.new(code, message, fields)
  if type(code) ~= "string" or type(message) ~= "string" then
    error("errors.new needs a code and a message, both strings", 2)
  end
  local err = {}
  for name, value in pairs(fields or {}) do err[name] = value end
  err.code, err.message = code, message
  return setmetatable(err, metatable)
end

---Whether a value is an error of gantry's, and has this code where one is given.
---@param value any
---@param code string?
---@return boolean
function errors.is(value, code)
  return type(value) == "table" and getmetatable(value) == metatable and (code == nil or value.code == code)
end

---A message handler for xpcall: error objects pass, a text gets the traceback that it does not have yet.
---@param value any what was raised
---@return any
function errors.traced(value)
  if value == nil or value == false then value = ("an error was raised with the value %s"):format(value) end
  if type(value) ~= "string" or value:find(TRACEBACK, 1, true) then return value end
  return debug.traceback(value, 2)
end

---What an error says, whatever was raised: to tell of a failure must not fail.
---@param value any
---@return string
function errors.text(value)
  local ok, text = pcall(tostring, value)
  return ok and text or ("an error of type %s that cannot be shown"):format(type(value))
end

---Two errors as one to raise: the first keeps its identity, the second is noted in it. Where it has no room for that
---(it is neither text nor gantry's), nothing is noted.
---@param first any
---@param second any
---@return any kept
---@return boolean noted
function errors.join(first, second)
  if rawequal(first, second) then return first, true end
  if type(first) == "string" then return ("%s\nand then: %s"):format(first, errors.text(second)), true end
  if not errors.is(first) then return first, false end
  first.suppressed = first.suppressed or {}
  table.insert(first.suppressed, second)
  return first, true
end

---The same failure as seen by a caller: `<context>: ` before the message, this error as the cause, all else kept.
---@param context string what was being done, such as "create container kv"
---@return gantry.Error
function Error:wrap(context)
  local outer = {}
  for name, value in next, self do outer[name] = value end
  outer.message = ("%s: %s"):format(context, self.message)
  outer.cause, outer.suppressed = self, nil
  return setmetatable(outer, metatable)
end

return errors
