-- SPDX-License-Identifier: Apache-2.0
--
--- repl/suggest.lua: the name that was meant, where one that was typed is nil.

local complete = require "gantry.repl.complete"
local nearest = require "gantry.base.nearest"

local suggest = {}

---@param session gantry.Session
---@param path string as it was typed: "lanch", "p:cal", "gantry.verion"
---@return string? hint
local function near(session, path)
  local base, separator, name = path:match "^(.+)([.:])([%a_][%w_]*)$"
  local known = base and complete.members(session, base, separator) or not base and complete.globals(session) or {}
  local names = {}
  for one in pairs(known) do names[#names + 1] = one end
  local found = nearest.find(name or path, names)
  return found and ("did you mean '%s'?"):format(found)
end

---What may be added to Lua's message about a value that is nil, which has its kind and name in brackets.
---@param session gantry.Session
---@param text string of the chunk
---@param message any
---@return string? hint
function suggest.of_error(session, text, message)
  local kind, name = tostring(message):match "a nil value %((%a+) '([%a_][%w_]*)'%)"
  if kind == "global" then return near(session, name) end
  if kind ~= "field" and kind ~= "method" then return nil end
  local base, separator = text:match(("([%%a_][%%w_.]*)%%s*([.:])%%s*%s%%f[^%%w_]"):format(name))
  return base and near(session, base .. separator .. name)
end

---@param session gantry.Session
---@param text string of a chunk whose one value is nil
---@return string? hint where the text is just a name
function suggest.of_nil(session, text)
  local path = text:match "^%s*=?%s*([%a_][%w_.]*)%s*$"
  return path and path ~= "nil" and near(session, path)
end

return suggest
