-- SPDX-License-Identifier: Apache-2.0
--
--- c_source.lua: what a C file includes and which functions it defines, read from its text as clang-format leaves it.

local c_source = {}

---@class CFunction
---@field name string
---@field line integer
---@field is_static boolean

---@class CSource
---@field path string
---@field includes { path: string, line: integer }[] in quotes, as they are written
---@field functions CFunction[] those that it defines

---@param text string
---@param pattern string
---@return string text of the same lines, with what matches blank
local function blanked(text, pattern)
  return (text:gsub(pattern, function(found) return (found:gsub("[^\n]", " ")) end))
end

---@param text string
---@return string
local function without_comments(text)
  return (blanked(blanked(text, "/%*.-%*/"), "//[^\n]*"))
end

---@param text string
---@return string code with neither texts nor directives, and no attributes
local function code_of(text)
  text = text:gsub("\\.", "  ")
  text = blanked(blanked(text, '"[^"\n]*"'), "'[^'\n]*'")
  text = blanked(("\n" .. text), "\n[ \t]*#[^\n]*"):sub(2)
  return blanked(text, "__attribute__%s*%b()")
end

---@param text string
---@return { path: string, line: integer }[]
local function includes_of(text)
  local found, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    local path = line:match '^%s*#%s*include%s*"([^"]+)"'
    if path then found[#found + 1] = { path = path, line = number } end
  end
  return found
end

---A definition begins in the first column, and what follows its parameters is a body.
---@param code string
---@return CFunction[]
local function functions_of(code)
  local found = {}
  code = "\n" .. code
  for at, head, name, rest in code:gmatch "\n()([%a_][%w_ *]-)([%a_][%w_]*)()%(" do
    local after = code:match("^%b()%s*()", rest)
    if after and code:sub(after, after) == "{" and head:find "[ *]$" then
      local _, line = code:sub(1, at):gsub("\n", "")
      found[#found + 1] = { name = name, line = line, is_static = head:find "^static%f[%W]" ~= nil }
    end
  end
  return found
end

---@param path string
---@return CSource
function c_source.read(path)
  local file <close> = assert(io.open(path))
  local text = without_comments(file:read("a"))
  return { path = path, includes = includes_of(text), functions = functions_of(code_of(text)) }
end

return c_source
