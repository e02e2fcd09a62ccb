-- SPDX-License-Identifier: Apache-2.0
--
--- policy/tokens.lua: the words of a Lua text with their lines: enough of Lua's lexer to skip comments and strings
--- rightly.

local tokens = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch("%a+") do KEYWORDS[word] = true end

local LONG_SYMBOLS = { "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>" }

---@class gantry.Token
---@field kind "name"|"keyword"|"string"|"number"|"symbol"
---@field text string of a string: its content, escapes left as they are
---@field line integer where it begins

---@param text string
---@param at integer
---@return integer? last position of the closing bracket's end, integer? first, integer? final of the content
local function long_bracket(text, at)
  local level, first = text:match("^%[(=*)%[()", at)
  if not level then return nil end
  local close_first, close_last = text:find("]" .. level .. "]", first, true)
  return close_last or #text, first, (close_first or #text + 1) - 1
end

---@param text string
---@param at integer of the opening quote
---@return integer last position of the closing quote, or of the line's end where there is none
local function quoted(text, at)
  local quote = text:sub(at, at)
  local i = at + 1
  while i <= #text do
    local byte = text:sub(i, i)
    if byte == quote then return i end
    if byte == "\\" then
      i = i + 1
      if text:sub(i, i) == "z" then i = text:match("^z%s*()", i) - 1 end
    elseif byte == "\n" then
      return i - 1
    end
    i = i + 1
  end
  return #text
end

---@param text string
---@param at integer of the first hyphen
---@return integer next position after the comment
local function skip_comment(text, at)
  local last = long_bracket(text, at + 2)
  if last then return last + 1 end
  return text:find("\n", at, true) or #text + 1
end

---@param text string
---@param at integer
---@return string symbol
local function symbol(text, at)
  for _, long in ipairs(LONG_SYMBOLS) do
    if text:sub(at, at + #long - 1) == long then return long end
  end
  return text:sub(at, at)
end

---The token that begins at a position.
---@return string kind, string content, integer next
local function token_at(text, at)
  local word, after = text:match("^([%a_][%w_]*)()", at)
  if word then return KEYWORDS[word] and "keyword" or "name", word, after end
  local number, next_at = text:match("^(%.?%d[%w.]*)()", at)
  if number then return "number", number, next_at end
  local first = text:sub(at, at)
  if first == '"' or first == "'" then
    local last = quoted(text, at)
    return "string", text:sub(at + 1, last - 1), last + 1
  end
  local last, from, to = long_bracket(text, at)
  if last then return "string", text:sub(from, to), last + 1 end
  local sign = symbol(text, at)
  return "symbol", sign, at + #sign
end

---@param text string
---@return gantry.Token[]
function tokens.read(text)
  local list, line, counted = {}, 1, 1
  local at = text:match("^#[^\n]*()") or 1
  local function line_at(position)
    for _ in text:sub(counted, position - 1):gmatch("\n") do line = line + 1 end
    counted = position
    return line
  end
  while true do
    at = text:find("%S", at)
    if not at then return list end
    if text:sub(at, at + 1) == "--" then
      at = skip_comment(text, at)
    else
      local kind, content, next_at = token_at(text, at)
      list[#list + 1] = { kind = kind, text = content, line = line_at(at) }
      at = next_at
    end
  end
end

return tokens
