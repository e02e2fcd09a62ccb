-- SPDX-License-Identifier: Apache-2.0
--
--- policy/strings.lua: Lua's string functions as a policy gets them. A function in C is not interrupted by the budget
--- of instructions, and patterns go back and try again: so what a search may cost is reckoned before it begins.

local strings = {}

-- Steps of the matcher, of some nanoseconds each.
local MOST_STEPS <const> = 100000000
local MOST_COPIES <const> = 10000000

local byte, sub, find, match, gmatch, gsub, rep =
  string.byte, string.sub, string.find, string.match, string.gmatch, string.gsub, string.rep

---The position after the item that begins here: a class, a set, one character.
---@param pattern string
---@param at integer
---@return integer
local function after_item(pattern, at)
  local first = sub(pattern, at, at)
  if first == "%" then return at + 2 end
  if first ~= "[" then return at + 1 end
  local i = at + 1
  if sub(pattern, i, i) == "^" then i = i + 1 end
  repeat -- the first character of a set may be its closing bracket
    i = i + (sub(pattern, i, i) == "%" and 2 or 1)
  until i > #pattern or sub(pattern, i, i) == "]"
  return i + 1
end

---What a pattern makes the matcher do.
---@class gantry.PatternShape
---@field repeats integer items that take any number of characters and can be made to take fewer
---@field options integer items that take one character or none
---@field literals integer all other items

---@param pattern string
---@return gantry.PatternShape
local function shape_of(pattern)
  local shape = { repeats = 0, options = 0, literals = 0 }
  local at = sub(pattern, 1, 1) == "^" and 2 or 1
  while at <= #pattern do
    local two = sub(pattern, at, at + 1)
    if find(two, "^[()]") then
      at = at + 1
    elseif two == "%b" or find(two, "^%%%d") then -- both go over any number of characters
      shape.repeats = shape.repeats + 1
      at = at + (two == "%b" and 4 or 2)
    elseif two == "%f" then
      at = after_item(pattern, at + 2)
    else
      at = after_item(pattern, at)
      local suffix = sub(pattern, at, at)
      if suffix == "?" then
        shape.options = shape.options + 1
      elseif suffix == "" or not find("*+-", suffix, 1, true) then
        shape.literals = shape.literals + 1
      elseif find(pattern, "^[()]*$", at + 1) == nil then -- the last one never has to give back
        shape.repeats = shape.repeats + 1
      end
      if suffix ~= "" and find("*+-?", suffix, 1, true) then at = at + 1 end
    end
  end
  return shape
end

---The most steps that a search can take: every start, every way to share the text among the repeats.
---@param length integer of the text
---@param pattern string
---@param anchored boolean
---@return number
local function steps(length, pattern, anchored)
  local shape = shape_of(pattern)
  local count = 2.0 ^ shape.options * (shape.literals + 1)
  local choices = shape.repeats + (anchored and 0 or 1)
  if choices == 0 then return count + length end
  for i = 1, choices do count = count * (length + i) / i end
  return count
end

---@param text any
---@param pattern any
---@param anchored boolean whether a leading ^ ties the search to the start
local function check(text, pattern, anchored)
  if type(text) ~= "string" or type(pattern) ~= "string" then return end -- the function itself says what is wrong
  anchored = anchored and byte(pattern) == 94 -- ^
  if steps(#text, pattern, anchored) > MOST_STEPS then
    error(("this pattern may take too long on a text of %d bytes; tie it to the start with ^, use fewer repeats, "
      .. "or go line by line"):format(#text), 3)
  end
end

local bounded = {
  len = string.len, sub = sub, byte = byte, char = string.char, upper = string.upper, lower = string.lower,
  reverse = string.reverse, format = string.format, pack = string.pack, unpack = string.unpack,
  packsize = string.packsize,
}

function bounded.find(text, pattern, init, plain)
  if not plain then
    check(text, pattern, true)
  elseif type(text) == "string" and type(pattern) == "string" and #text * #pattern > MOST_STEPS then
    error("this search may take too long", 2)
  end
  return find(text, pattern, init, plain)
end

function bounded.match(text, pattern, init)
  check(text, pattern, true)
  return match(text, pattern, init)
end

function bounded.gmatch(text, pattern, init)
  check(text, pattern, false)
  return gmatch(text, pattern, init)
end

function bounded.gsub(text, pattern, replacement, most)
  check(text, pattern, true)
  return gsub(text, pattern, replacement, most)
end

function bounded.rep(text, count, separator)
  if math.type(count) and count > MOST_COPIES then error("too many copies", 2) end
  return rep(text, count, separator)
end

---The functions that a string's methods are while a policy runs. Not to be given to a policy: it could change them.
strings.methods = bounded

---@return table string library of one policy
function strings.library()
  local library = {}
  for name, fn in pairs(bounded) do library[name] = fn end
  return library
end

return strings
