-- SPDX-License-Identifier: Apache-2.0
--
--- repl/chunk.lua: what was typed as a function: an expression, whose values are shown, or statements, of which the
--- last may be an expression: `p:kill "KILL"; p:wait()`.

local chunk = {}

---Statements that end in an expression, with `return` before it.
---@param text string
---@return string?
local function with_return(text)
  for at = #text, 1, -1 do
    local separator = text:byte(at)
    if separator == 0x3b or separator == 0x0a then -- ";" or a newline
      local statements, expression = text:sub(1, at), text:sub(at + 1)
      -- Each by itself: what stands in a function, or in a text, is none.
      if expression:find("%S") and load("return " .. expression, "", "t") and load(statements, "", "t") then
        return statements .. "return " .. expression
      end
    end
  end
end

---Whether the end came too early. A text in quotes ends with its line, whatever follows.
---@param reason string why a text does not compile
---@return boolean
local function wants_more(reason)
  return reason:find("near <eof>$") ~= nil and not reason:find("unfinished string", 1, true)
end

---@param text string
---@param name string the chunk's, such as "=repl"
---@param environment table
---@return function? compiled
---@return string? message why not; "incomplete" where more lines may make it whole
function chunk.compile(text, name, environment)
  text = text:gsub("^%s*=", "") -- as older Lua's interpreter took it
  local compiled, as_expression = load("return " .. text, name, "t", environment)
  if compiled then return compiled end
  local reason
  compiled, reason = load(with_return(text) or text, name, "t", environment)
  if compiled then return compiled end
  if wants_more(as_expression --[[@as string]]) or wants_more(reason) then return nil, "incomplete" end
  return nil, reason
end

---@param text string
---@return string? name of a local that ends with its line, where the text is just that
function chunk.lone_local(text)
  return text:match("^%s*local%s+([%a_][%w_]*)%s*=[^\n]*$")
end

return chunk
